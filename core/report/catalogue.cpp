// SPDX-License-Identifier: Apache-2.0
#include "core/report/catalogue.h"

#include "core/allocate/allocator.h"
#include "core/allocate/score.h"
#include "core/quant/method.h"
#include "core/quant/transform/transform.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

namespace {

struct Family {
    const char *id, *name;
};

#define QS_FAMILY(id, family) {#id, family},
constexpr Family kMethods[] = {
#include "qs/method_families.inc"
};
constexpr Family kCodecs[] = {
#include "qs/codec_families.inc"
};
constexpr Family kTransforms[] = {
#include "qs/transform_families.inc"
};
constexpr Family kScores[] = {
#include "qs/score_families.inc"
};
constexpr Family kAllocators[] = {
#include "qs/allocator_families.inc"
};
#undef QS_FAMILY

std::span<const Family> familiesOf(CatalogueKind kind) {
    switch (kind) {
    case CatalogueKind::Method:
        return kMethods;
    case CatalogueKind::Codec:
        return kCodecs;
    case CatalogueKind::Transform:
        return kTransforms;
    case CatalogueKind::Score:
        return kScores;
    case CatalogueKind::Allocator:
        return kAllocators;
    }
    return {};
}

std::string needsOf(const MethodDescriptor& d) {
    return d.needs == Needs::Sigma        ? "calibration (second moments)"
           : d.needs == Needs::Importance ? "calibration, or an importance matrix"
                                          : "no data";
}
std::string needsOf(const CodecDescriptor&) {
    return "no data";
}
std::string needsOf(const TransformDescriptor& d) {
    return fmt::format("calibration ({})", d.needsSigma ? "second moments" : "channel statistics");
}
std::string needsOf(const ScoreDescriptor& d) {
    return "measured: " + d.needs;
}
std::string needsOf(const AllocatorDescriptor& d) {
    return d.measures() ? "a score, and runs of the model" : "a score";
}

template<class Entries>
void add(std::vector<CatalogueEntry>& out, CatalogueKind kind, const Entries& entries) {
    const std::span<const Family> families = familiesOf(kind);
    std::vector<std::string> order;
    const size_t first = out.size();
    for (const auto* d : entries) {
        CatalogueEntry e{kind, d->id, d->label, d->summary, d->citation, {}, needsOf(*d), {}};
        for (const Family& f : families)
            if (d->id == f.id) e.family = f.name;
        const std::string id = std::string(catalogueKindName(kind)) + ":" + d->id;
        for (const PublishedSystem& s : publishedSystems())
            if (std::ranges::find(s.ids, id) != s.ids.end()) e.systems.push_back(&s);
        if (std::ranges::find(order, e.family) == order.end()) order.push_back(e.family);
        out.push_back(std::move(e));
    }
    std::stable_sort(out.begin() + std::ptrdiff_t(first), out.end(),
                     [&](const CatalogueEntry& a, const CatalogueEntry& b) {
                         return std::ranges::find(order, a.family) < std::ranges::find(order, b.family);
                     });
}

} // namespace

const char* catalogueKindName(CatalogueKind kind) {
    switch (kind) {
    case CatalogueKind::Method:
        return "method";
    case CatalogueKind::Codec:
        return "codec";
    case CatalogueKind::Transform:
        return "transform";
    case CatalogueKind::Score:
        return "score";
    case CatalogueKind::Allocator:
        return "allocator";
    }
    return "";
}

const std::vector<CatalogueEntry>& catalogue() {
    static const std::vector<CatalogueEntry> entries = [] {
        std::vector<CatalogueEntry> out;
        add(out, CatalogueKind::Method, methods());
        add(out, CatalogueKind::Codec, codecs());
        add(out, CatalogueKind::Transform, transforms());
        add(out, CatalogueKind::Score, scores());
        add(out, CatalogueKind::Allocator, allocators());
        return out;
    }();
    return entries;
}

const CatalogueEntry* findCatalogueEntry(CatalogueKind kind, const std::string& id) {
    for (const CatalogueEntry& e : catalogue())
        if (e.kind == kind && e.id == id) return &e;
    return nullptr;
}

} // namespace qs
