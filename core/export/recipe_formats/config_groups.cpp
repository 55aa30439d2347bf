// SPDX-License-Identifier: Apache-2.0
// config_groups of compressed-tensors (llm-compressor): named groups of linears with a scheme for weights
// and inputs.
#include "core/export/ct_layout.h"
#include "core/export/recipe_format.h"
#include "core/model/packed/packed_settings.h"
#include "core/model/packed/settings_reader.h"

#include <fmt/format.h>

namespace qs {

namespace {

using Json = SettingsReader::Json;
using Weights = CtSettings::Weights;
using Inputs = CtSettings::Inputs;

Result<Json> settingsIn(const RecipeText& in) {
    const Json all = Json::parse(in.text, nullptr, false);
    if (!all.is_object()) return Error::corrupt("must be a JSON object", in.where);
    for (const char* key : {"quantization_config", "compression_config"})
        if (const auto it = all.find(key); it != all.end() && it->is_object()) return *it;
    return all;
}

Result<Scheme> floatScheme(const Scheme& base, const Weights& w, const std::string& where) {
    const auto make = [&](const char* codec, const nlohmann::json& params) {
        return schemeWithCodec(base, codec, params, where);
    };
    if (w.bits == 4 && w.strategy == "tensor_group" && w.groupSize == 16)
        return make("nvfp4", nlohmann::json::object());
    if (w.bits == 4 && w.strategy == "group" && w.groupSize == 32) return make("mx", {{"format", "mxfp4"}});
    if (w.bits == 8 && w.strategy == "group" && w.groupSize == 32)
        return make("mx", {{"format", "mxfp8_e4m3"}});
    if (w.bits == 8 && w.strategy == "block")
        return make("float", {{"format", "e4m3"}, {"group", w.block[1]}, {"block_rows", w.block[0]}});
    if (w.bits == 8 && (w.strategy == "channel" || w.strategy == "tensor"))
        return make("float", {{"format", "e4m3"}, {"group", w.strategy == "tensor" ? 0 : -1}});
    return Error::unsupported(
        fmt::format("weights of type float with {} bits, strategy \"{}\" and group_size {}", w.bits,
                    w.strategy, w.groupSize),
        where);
}

Result<Scheme> weightScheme(const Scheme& base, const Weights& w, const std::string& where) {
    if (w.floating) return floatScheme(base, w, where);
    if (w.strategy == "group") return integerScheme(base, w.bits, w.groupSize, w.symmetric, where);
    if (w.strategy == "channel") return integerScheme(base, w.bits, -1, w.symmetric, where);
    if (w.strategy == "tensor") return integerScheme(base, w.bits, 0, w.symmetric, where);
    return Error::unsupported(
        fmt::format("weights of type int with strategy \"{}\": read are group, channel, tensor", w.strategy),
        where);
}

/// The preset that rounds inputs so; "" when there is none.
std::string inputPreset(const Inputs& in) {
    if (in.floating && in.bits == 4) return in.strategy == "tensor_group" ? "nvfp4" : "mxfp4";
    if (in.floating && in.bits == 8) return in.strategy == "group" && in.groupSize == 32 ? "mxfp8" : "fp8";
    if (!in.floating && in.symmetric && (in.strategy == "token" || in.strategy == "tensor"))
        return fmt::format("int{}", in.bits);
    return "";
}

Result<Scheme> groupScheme(const Scheme& base, const CtSettings::Group& group, ForeignRecipe& out,
                           const std::string& where) {
    QS_TRY(Scheme scheme, weightScheme(base, group.weights, where));
    scheme.inputs.reset();
    if (group.roundsOutputs)
        return Error::unsupported("output_activations rounds what linears give, which no scheme does", where);
    if (!group.inputs) return scheme;
    const std::string preset = inputPreset(*group.inputs);
    auto inputs = InputScheme::preset(preset);
    if (!inputs)
        return Error::unsupported(fmt::format("input_activations of {} bits with strategy \"{}\"",
                                              group.inputs->bits, group.inputs->strategy),
                                  where);
    if (group.inputs->scales == Inputs::Scales::Static)
        out.notes.push_back(
            fmt::format("{}: scales of inputs are static there; runs here find them for every "
                        "token, exports can write static ones",
                        group.name));
    scheme.inputs = std::move(*inputs);
    return scheme;
}

Result<ForeignRecipe> readGroups(const RecipeText& in, const Model& model, const Scheme& base) {
    QS_TRY(const Json object, settingsIn(in));
    QS_TRY(const CtSettings settings, readCtSettings(SettingsReader(object, in.where)));
    ForeignRecipe out;
    std::vector<Scheme> schemes;
    for (const CtSettings::Group& g : settings.groups) {
        QS_TRY(Scheme scheme, groupScheme(base, g, out, in.where + ".config_groups." + g.name));
        schemes.push_back(std::move(scheme));
        out.patterns.push_back({g.name, 0});
    }
    using Match = NameTargets::Match;
    for (const QuantTarget& t : model.targets()) {
        auto& scheme = out.schemes.emplace_back();
        const std::string name = linearPrefix(t);
        QS_TRY(const Match ignored, settings.ignore.match(name));
        if (ignored != Match::None) continue;
        Match best = Match::None;
        for (size_t g = 0; g < settings.groups.size(); ++g) {
            QS_TRY(const Match match, settings.groups[g].targets.match(name));
            if (match == Match::None) continue;
            ++out.patterns[g].matched;
            if (match > best) scheme = schemes[g];
            best = std::max(best, match);
        }
    }
    return out;
}

Result<std::string> writeGroups(const Plan& plan, const Model& model) {
    std::vector<Json> groups(plan.entries.size());
    for (size_t i = 0; i < plan.entries.size(); ++i) {
        const PlanEntry& e = plan.entries[i];
        if (!e.scheme) continue;
        QS_TRY(const auto codec, createCodec(e.scheme->codec, e.scheme->codecParams));
        const InputScheme* inputs = e.scheme->inputs ? &*e.scheme->inputs : nullptr;
        const CtLayout* layout = ctLayoutFor(*codec, inputs);
        if (!layout)
            return Error::unsupported("compressed-tensors has no layout for " + codec->label() +
                                          (inputs ? " with inputs of " + inputs->label() : ""),
                                      e.target.module);
        groups[i] = ctGroup(*layout, *codec, inputs ? CtInputs::Dynamic : CtInputs::Keep);
    }
    return ctConfig(model, plan, groups).dump(2) + "\n";
}

} // namespace

const RecipeFormatDescriptor& recipe_format_config_groups() {
    static const RecipeFormatDescriptor d = [] {
        RecipeFormatDescriptor x;
        x.id = "config_groups";
        x.label = "compressed-tensors groups";
        x.summary = "config_groups of a quantization_config (llm-compressor, vLLM)";
        x.citation = "compressed-tensors, QuantizationConfig";
        x.extension = "json";
        x.looksLike = [](std::string_view text) { return text.find("\"config_groups\"") != text.npos; };
        x.read = readGroups;
        x.write = writeGroups;
        return x;
    }();
    return d;
}

} // namespace qs
