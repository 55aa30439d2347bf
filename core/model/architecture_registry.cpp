// SPDX-License-Identifier: Apache-2.0
#include "core/model/architecture.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

#define QS_ENTRY(id) const ArchitectureDescriptor& architecture_##id();
#include "qs/architectures.inc"
#undef QS_ENTRY

std::span<const ArchitectureDescriptor* const> architectures() {
#define QS_ENTRY(id) &architecture_##id(),
    static const ArchitectureDescriptor* const table[] = {
#include "qs/architectures.inc"
    };
#undef QS_ENTRY
    return table;
}

Result<const ArchitectureDescriptor*> architectureFor(const Checkpoint& checkpoint) {
    const nlohmann::json& config = checkpoint.config();
    const std::string where = checkpoint.configPlace();
    if (!checkpoint.noConfigReason().empty()) return Error::unsupported(checkpoint.noConfigReason());
    if (!checkpoint.hasConfig())
        return Error::notFound("there is no config.json, so the architecture is unknown", where);
    std::string className, modelType;
    if (const auto it = config.find("architectures");
        it != config.end() && it->is_array() && !it->empty() && (*it)[0].is_string())
        className = (*it)[0].get<std::string>();
    if (const auto it = config.find("model_type"); it != config.end() && it->is_string())
        modelType = it->get<std::string>();
    const auto contains = [](const std::vector<std::string>& list, const std::string& s) {
        return std::find(list.begin(), list.end(), s) != list.end();
    };
    for (const ArchitectureDescriptor* a : architectures())
        if (!className.empty() && contains(a->classNames, className)) return a;
    for (const ArchitectureDescriptor* a : architectures())
        if (className.empty() && !modelType.empty() && contains(a->modelTypes, modelType)) return a;
    std::string known;
    for (const ArchitectureDescriptor* a : architectures())
        known += (known.empty() ? "" : ", ") + a->label;
    return Error::unsupported(fmt::format("architecture '{}' (model_type '{}') is not known; known: {}",
                                          className, modelType, known),
                              where);
}

} // namespace qs
