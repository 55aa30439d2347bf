// SPDX-License-Identifier: Apache-2.0
#include "core/export/recipe_format.h"

#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

#define QS_ENTRY(id) const RecipeFormatDescriptor& recipe_format_##id();
#include "qs/recipe_formats.inc"
#undef QS_ENTRY

std::span<const RecipeFormatDescriptor* const> recipeFormats() {
#define QS_ENTRY(id) &recipe_format_##id(),
    static const RecipeFormatDescriptor* const table[] = {
#include "qs/recipe_formats.inc"
    };
#undef QS_ENTRY
    return table;
}

Result<const RecipeFormatDescriptor*> findRecipeFormat(const std::string& id) {
    std::string known;
    for (const RecipeFormatDescriptor* d : recipeFormats()) {
        if (d->id == id) return d;
        known += (known.empty() ? "" : ", ") + d->id;
    }
    return Error::notFound(fmt::format("no recipe format '{}'; known: {}", id, known));
}

const RecipeFormatDescriptor* recipeFormatOf(std::string_view text) {
    for (const RecipeFormatDescriptor* d : recipeFormats())
        if (d->looksLike(text)) return d;
    return nullptr;
}

Result<ForeignRecipe> readForeignRecipe(const RecipeFormatDescriptor& format, const RecipeText& text,
                                        const Model& model, const Scheme& base) {
    QS_TRY(ForeignRecipe recipe, format.read(text, model, base));
    for (const RecipePattern& p : recipe.patterns)
        if (p.matched == 0)
            return Error::invalid(fmt::format("'{}' matches none of the {} linears of the model", p.text,
                                              model.targets().size()),
                                  text.where);
    return recipe;
}

namespace {

/// The scheme of most linears: what the format does not say is the same in all that can be written.
std::optional<Scheme> usualScheme(const Plan& plan) {
    std::map<std::string, std::pair<size_t, const Scheme*>> counts;
    const std::pair<size_t, const Scheme*>* most = nullptr;
    for (const PlanEntry& e : plan.entries) {
        if (!e.scheme) continue;
        auto& count = counts[e.scheme->toJson().dump()];
        count = {count.first + 1, &*e.scheme};
        if (!most || count.first > most->first) most = &count;
    }
    return most ? std::optional(*most->second) : std::nullopt;
}

std::string wordsOf(const std::optional<Scheme>& scheme) {
    return scheme ? scheme->toJson().dump() : "kept";
}

} // namespace

Result<std::string> writeForeignRecipe(const RecipeFormatDescriptor& format, const Plan& plan,
                                       const Model& model) {
    const auto base = usualScheme(plan);
    if (!base) return Error::invalid("every linear is kept: there is nothing to say", format.label);
    if (!plan.transforms.empty())
        return Error::unsupported("has no words for transforms of the model (" +
                                      transformsText(plan.transforms) + ")",
                                  format.label);
    QS_TRY(std::string text, format.write(plan, model));
    QS_TRY(const ForeignRecipe back, readForeignRecipe(format, {text, format.label}, model, *base));
    for (size_t t = 0; t < plan.entries.size(); ++t)
        if (back.schemes[t] != plan.entries[t].scheme)
            return Error::unsupported(fmt::format("{} cannot say {}: it would be read as {}", format.label,
                                                  wordsOf(plan.entries[t].scheme), wordsOf(back.schemes[t])),
                                      plan.entries[t].target.module);
    return text;
}

Result<Scheme> schemeWithCodec(const Scheme& base, const std::string& codec, const json& params,
                               const std::string& where) {
    QS_TRY(const CodecDescriptor* descriptor, findCodec(codec));
    Scheme out = base;
    json all = base.codec == codec ? base.codecParams.toJson() : json::object();
    all.update(params);
    out.codec = codec;
    QS_TRY(out.codecParams, Params::fromJson(descriptor->params, all, where));
    return out;
}

Result<Scheme> integerScheme(const Scheme& base, int bits, long long group, bool symmetric,
                             const std::string& where) {
    json params = {{"bits", bits}, {"group", group}};
    const std::string own = base.codec == "int" ? base.codecParams.choice("grid") : "";
    // Both kinds have two grids; the base's own is meant where it is of the kind.
    const bool ownIsSymmetric = own == "symmetric" || own == "absmax";
    if (own.empty() || ownIsSymmetric != symmetric) params["grid"] = symmetric ? "symmetric" : "asymmetric";
    return schemeWithCodec(base, "int", params, where);
}

} // namespace qs
