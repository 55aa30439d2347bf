// SPDX-License-Identifier: Apache-2.0
#include "core/export/exporter.h"

#include <array>
#include <fmt/format.h>

namespace qs {

#define QS_ENTRY(id) const ExporterDescriptor& exporter_##id();
#include "qs/exporters.inc"
#undef QS_ENTRY

std::span<const ExporterDescriptor* const> exporters() {
    static const auto table = std::to_array<const ExporterDescriptor*>({
#define QS_ENTRY(id) &exporter_##id(),
#include "qs/exporters.inc"
#undef QS_ENTRY
    });
    return table;
}

Result<const ExporterDescriptor*> findExporter(const std::string& id) {
    std::string known;
    for (const ExporterDescriptor* e : exporters()) {
        if (e->id == id) return e;
        known += (known.empty() ? "" : ", ") + e->id;
    }
    return Error::notFound(fmt::format("no exporter \"{}\"; known are {}", id, known));
}

} // namespace qs
