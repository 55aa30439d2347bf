// SPDX-License-Identifier: Apache-2.0
#include "core/export/clone_recipe.h"

#include "core/base/ascii.h"
#include "core/model/packed/packed_linear.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unordered_map>

namespace qs {

namespace {

using nlohmann::json;

bool isInteger(const std::string& layout) {
    return layout == "gptq" || layout == "awq" || layout == "ct_pack" || layout == "ct_int";
}

/// Inputs per scale as codecs count them: 0 one for the tensor, -1 one per output.
long long groupOf(const PackedInfo& info) {
    if (info.groups > 1) return (long long)(info.groupSize);
    return info.scaleRows > 1 || info.out == 1 ? -1 : 0;
}

Result<Scheme> packedScheme(const PackedInfo& info, const Scheme& base) {
    const auto make = [&](const char* codec, const json& params) {
        return schemeWithCodec(base, codec, params, info.module);
    };
    if (isInteger(info.layout))
        return integerScheme(base, info.bits, groupOf(info), info.format.find(" asym") == std::string::npos,
                             info.module);
    if (info.layout == "ct_nvfp4") return make("nvfp4", json::object());
    if (info.layout == "ct_mxfp4") return make("mx", {{"format", "mxfp4"}});
    if (info.format.starts_with("mxfp8")) return make("mx", {{"format", "mxfp8_e4m3"}});
    if (info.layout == "bnb_nf4")
        return make("nf",
                    {{"bits", 4}, {"group", info.groupSize}, {"double_quant", info.format.ends_with(" dq")}});
    if (info.blockRows > 1)
        return make("float", {{"format", "e4m3"}, {"group", info.groupSize}, {"block_rows", info.blockRows}});
    return make("float", {{"format", "e4m3"}, {"group", groupOf(info)}});
}

/// None: stored plainly.
Result<std::optional<Scheme>> schemeOf(const QuantTarget& target, const Model& from, const Scheme& base) {
    if (target.packed) {
        QS_TRY(Scheme scheme, packedScheme(*target.packed, base));
        return std::optional(std::move(scheme));
    }
    const size_t index = from.checkpoint().find(target.place.tensor);
    if (index == Checkpoint::npos) return std::optional<Scheme>();
    const std::string type = lowerCase(from.checkpoint().tensors()[index].encoding);
    if (type.empty()) return std::optional<Scheme>();
    auto scheme = schemeWithCodec(base, "ggml", {{"type", type}}, target.module);
    if (!scheme)
        return Error::unsupported(fmt::format("is stored as {}, which no codec here rounds to",
                                              from.checkpoint().tensors()[index].encoding),
                                  target.module);
    return std::optional(std::move(*scheme));
}

} // namespace

Result<ForeignRecipe> cloneRecipe(const Model& from, const Model& to, const Scheme& base) {
    std::unordered_map<std::string_view, const QuantTarget*> known;
    for (const QuantTarget& t : from.targets())
        known.emplace(t.module, &t);
    ForeignRecipe out;
    size_t missing = 0;
    bool inputs = false;
    for (const QuantTarget& t : to.targets()) {
        auto& scheme = out.schemes.emplace_back();
        const auto it = known.find(t.module);
        if (it == known.end()) {
            ++missing;
            continue;
        }
        const QuantTarget& own = *it->second;
        if (own.rows != t.rows || own.cols != t.cols)
            return Error::invalid(fmt::format("is {} x {} in {}, {} x {} in {}", own.rows, own.cols,
                                              from.checkpoint().displayName(), t.rows, t.cols,
                                              to.checkpoint().displayName()),
                                  t.module);
        QS_TRY(scheme, schemeOf(own, from, base));
        if (!scheme) continue;
        inputs |= own.packed && own.packed->label.find(", inputs ") != std::string::npos;
        QS_TRY(const auto codec, createCodec(scheme->codec, scheme->codecParams));
        const auto pattern = std::find_if(out.patterns.begin(), out.patterns.end(),
                                          [&](const RecipePattern& p) { return p.text == codec->label(); });
        if (pattern == out.patterns.end())
            out.patterns.push_back({codec->label(), 1});
        else
            ++pattern->matched;
    }
    if (out.patterns.empty())
        return Error::invalid("stores none of the model's linears quantized",
                              from.checkpoint().displayName());
    if (missing > 0)
        out.notes.push_back(
            fmt::format("{} linears are not in {} and are kept", missing, from.checkpoint().displayName()));
    if (inputs)
        out.notes.push_back("inputs of linears are rounded there: the recipe leaves them as they are");
    return out;
}

} // namespace qs
