// SPDX-License-Identifier: Apache-2.0
// Everything that can be chosen for a model, by family: what the registries say of each entry, the published
// systems it belongs to, and the formats that can hold what it makes.
#pragma once

#include "core/base/job.h"
#include "core/report/systems.h"

namespace qs {

enum class CatalogueKind { Method, Codec, Transform, Score, Allocator };
const char* catalogueKindName(CatalogueKind kind); ///< "method": the prefix in PublishedSystem::ids

struct CatalogueEntry {
    CatalogueKind kind = CatalogueKind::Method;
    std::string id, label, summary, citation;
    std::string family; ///< of its line in the .def file: entries of a family are of one kind
    std::string needs;  ///< beside the weights: "no data", "calibration (second moments)", ...
    std::vector<const PublishedSystem*> systems; ///< that name it
};

/// All entries, kind by kind, families in the order of their first entry, entries in registry order.
const std::vector<CatalogueEntry>& catalogue();
/// Null when there is none.
const CatalogueEntry* findCatalogueEntry(CatalogueKind kind, const std::string& id);

/// The ids of the exporters that can hold what the entry makes, with some of its parameters; empty for scores
/// and allocators, which choose among schemes. In the order of catalogue().
struct CatalogueExports {
    std::vector<std::vector<std::string>> exporters;
};
/// Asks the rules of every exporter (ExporterDescriptor::lint) about a small Llama made for it: of a format
/// with every combination of its choices, of a method with the formats that were found, of a transform with
/// plain integers. A second or so.
Result<CatalogueExports> catalogueExports(const JobContext& job);

} // namespace qs
