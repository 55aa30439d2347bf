// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/text.h"
#include "core/allocate/allocator.h"
#include "core/allocate/score.h"
#include "core/checkpoint/reader.h"
#include "core/codec/codec.h"
#include "core/export/exporter.h"
#include "core/export/recipe_format.h"
#include "core/model/architecture.h"
#include "core/quant/method.h"
#include "core/quant/transform/transform.h"
#include "core/recipe/kv_scheme.h"
#include "core/report/catalogue.h"

#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

json paramsJson(const ParamSpecs& specs) {
    json list = json::array();
    for (const ParamSpec& spec : specs)
        list.push_back(describeParam(spec));
    return list;
}

/// Of its line in the registry.
std::string familyOf(CatalogueKind kind, const std::string& id) {
    const CatalogueEntry* entry = findCatalogueEntry(kind, id);
    return entry ? entry->family : "";
}

json describe(const MethodDescriptor& d) {
    return {{"id", d.id},
            {"label", d.label},
            {"summary", d.summary},
            {"family", familyOf(CatalogueKind::Method, d.id)},
            {"citation", d.citation},
            {"needs", needsName(d.needs)},
            {"params", paramsJson(d.params)}};
}
json describe(const TransformDescriptor& d) {
    return {{"id", d.id},
            {"label", d.label},
            {"summary", d.summary},
            {"family", familyOf(CatalogueKind::Transform, d.id)},
            {"citation", d.citation},
            {"needs", needsName(d)},
            {"params", paramsJson(d.params)}};
}
json describe(const CodecDescriptor& d) {
    return {{"id", d.id},
            {"label", d.label},
            {"summary", d.summary},
            {"family", familyOf(CatalogueKind::Codec, d.id)},
            {"citation", d.citation},
            {"params", paramsJson(d.params)}};
}
json describe(const ArchitectureDescriptor& d) {
    return {{"id", d.id},
            {"label", d.label},
            {"summary", d.summary},
            {"class_names", d.classNames},
            {"model_types", d.modelTypes},
            {"refuses", d.refuses}};
}
json describe(const ReaderDescriptor& d) {
    return {{"id", d.id},
            {"label", d.label},
            {"summary", d.summary},
            {"extensions", d.extensions},
            {"refuses", d.refuses}};
}
json describe(const ExporterDescriptor& d) {
    return {{"id", d.id},
            {"label", d.label},
            {"summary", d.summary},
            {"citation", d.citation},
            {"runtimes", d.runtimes},
            {"params", paramsJson(d.params)}};
}

json describe(const RecipeFormatDescriptor& d) {
    return {{"id", d.id},
            {"label", d.label},
            {"summary", d.summary},
            {"citation", d.citation},
            {"extension", d.extension}};
}
json describe(const ScoreDescriptor& d) {
    return {{"id", d.id},
            {"label", d.label},
            {"summary", d.summary},
            {"family", familyOf(CatalogueKind::Score, d.id)},
            {"citation", d.citation},
            {"validity", d.validity},
            {"needs", d.needs}};
}
json describe(const AllocatorDescriptor& d) {
    return {{"id", d.id},
            {"label", d.label},
            {"summary", d.summary},
            {"family", familyOf(CatalogueKind::Allocator, d.id)},
            {"citation", d.citation}};
}

template<class Entries>
void show(Console& out, const Entries& entries) {
    json list = json::array();
    Table t({{"id"}, {"label"}, {"summary"}});
    for (const auto* entry : entries) {
        list.push_back(describe(*entry));
        t.add({entry->id, entry->label, entry->summary});
    }
    out.text(t.text());
    out.result(list);
}

void showKv(Console& out) {
    constexpr size_t kChannels = 1024;
    json list = json::array();
    Table t({{"id"}, {"label"}, {"summary"}});
    const auto add = [&](const std::string& id, const std::string& label, const std::string& summary,
                         const std::string& citation) {
        list.push_back({{"id", id}, {"label", label}, {"summary", summary}, {"citation", citation}});
        t.add({id, label, summary});
    };
    for (const std::string& name : KvScheme::presets()) {
        const KvScheme scheme = *KvScheme::preset(name); // one of the presets
        add(name, scheme.label(),
            fmt::format("{:.2f} bits per value of {} channels", *scheme.bitsPerValue(kChannels, 1),
                        kChannels),
            "");
    }
    for (const KvOption& o : kvOptions())
        add(o.id, o.label, o.summary, o.citation);
    out.text(t.text());
    out.result(list);
}

void showSystems(Console& out) {
    json list = json::array();
    Table t({{"row"}, {"name"}, {"ids"}, {"reason"}});
    for (const PublishedSystem& s : publishedSystems()) {
        list.push_back({{"row", s.row}, {"name", s.name}, {"ids", s.ids}, {"reason", s.reason}});
        t.add({fmt::format("{}", s.row), s.name, fmt::format("{}", fmt::join(s.ids, ", ")), s.reason});
    }
    out.text(t.text());
    out.result(list);
}

Result<void> list(Session& session, const std::string& kind) {
    Console& out = session.console;
    if (kind == "methods") show(out, methods());
    if (kind == "transforms") show(out, transforms());
    if (kind == "codecs") show(out, codecs());
    if (kind == "architectures") show(out, architectures());
    if (kind == "readers") show(out, readers());
    if (kind == "exporters") show(out, exporters());
    if (kind == "recipe_formats") show(out, recipeFormats());
    if (kind == "scores") show(out, scores());
    if (kind == "allocators") show(out, allocators());
    if (kind == "kv") showKv(out);
    if (kind == "systems") showSystems(out);
    return {};
}

} // namespace

void addList(Commands& commands) {
    auto kind = std::make_shared<std::string>();
    CLI::App& app = commands.add("list", "List what this build knows: methods, codecs, formats",
                                 {"list methods", "list codecs --json"},
                                 [kind](Session& session) { return list(session, *kind); });
    app.add_option("kind", *kind,
                   "methods, transforms, codecs, architectures, readers, exporters, scores, allocators, kv "
                   "(cache) or systems (of the literature)")
        ->required()
        ->check(CLI::IsMember({"methods", "transforms", "codecs", "architectures", "readers", "exporters",
                               "recipe_formats", "scores", "allocators", "kv", "systems"}));
}

} // namespace qs::cli
