// SPDX-License-Identifier: Apache-2.0
// The quantize_config.json of GPTQModel: one setting for all linears and `dynamic` rules for some.
#include "core/export/gptq_format.h"
#include "core/export/recipe_format.h"
#include "core/model/packed/packed_settings.h"
#include "core/model/packed/settings_reader.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

namespace {

using Json = SettingsReader::Json;

/// The settings in a quantize_config.json or a config.json; a bare `dynamic` map gets the base's setting.
Result<Json> settingsIn(const RecipeText& in, const Scheme& base) {
    const Json all = Json::parse(in.text, nullptr, false);
    if (!all.is_object()) return Error::corrupt("must be a JSON object", in.where);
    if (const auto it = all.find("quantization_config"); it != all.end() && it->is_object()) return *it;
    if (all.contains("bits")) return all;
    if (base.codec != "int" || !base.codecParams.has("group"))
        return Error::corrupt("has no 'bits', and no integer format was named for what no rule matches",
                              in.where);
    QS_TRY(const auto codec, createCodec(base.codec, base.codecParams));
    return Json{{"bits", codec->bits()},
                {"group_size", base.codecParams.integer("group")},
                {"sym", codec->symmetric()},
                {"dynamic", all.contains("dynamic") ? all.at("dynamic") : all}};
}

/// `base` with the order of columns that the file asks for, where its method has a choice.
Result<Scheme> withOrder(Scheme base, const SettingsReader& r, ForeignRecipe& out) {
    if (!r.has("desc_act")) return base;
    QS_TRY(const bool order, r.booleanOr("desc_act", false));
    if (!base.methodParams.has("act_order")) {
        if (order) out.notes.push_back("desc_act: true; the method has no choice of the columns' order");
        return base;
    }
    QS_TRY(const MethodDescriptor* method, findMethod(base.method));
    auto params = base.methodParams.toJson();
    params["act_order"] = order;
    QS_TRY(base.methodParams, Params::fromJson(method->params, params, r.where()));
    return base;
}

Result<ForeignRecipe> readDynamic(const RecipeText& in, const Model& model, const Scheme& base) {
    QS_TRY(const Json object, settingsIn(in, base));
    const SettingsReader reader(object, in.where);
    QS_TRY(const GptqSettings settings, readGptqSettings(reader));
    ForeignRecipe out;
    QS_TRY(const Scheme own, withOrder(base, reader, out));
    QS_TRY(const bool head, reader.booleanOr("lm_head", false));
    for (const GptqSettings::Rule& rule : settings.rules)
        out.patterns.push_back({rule.text, 0});
    for (const QuantTarget& t : model.targets()) {
        const std::string name = linearPrefix(t);
        const GptqSettings::Rule* decides = nullptr;
        for (size_t i = 0; i < settings.rules.size(); ++i) {
            QS_TRY(const bool matches, settings.rules[i].pattern.matches(name));
            if (!matches) continue;
            ++out.patterns[i].matched;
            if (!decides) decides = &settings.rules[i];
        }
        auto& scheme = out.schemes.emplace_back();
        if (decides ? decides->skip : name == "lm_head" && !head) continue;
        const GptqSettings::Grid& grid = decides ? decides->grid : settings.grid;
        QS_TRY(scheme, integerScheme(own, grid.bits, grid.groupSize, grid.symmetric.value_or(true),
                                     in.where + ": " + name));
    }
    return out;
}

Result<std::string> writeDynamic(const Plan& plan, const Model&) {
    std::vector<std::optional<IntSetting>> settings(plan.entries.size());
    for (size_t i = 0; i < plan.entries.size(); ++i) {
        const PlanEntry& e = plan.entries[i];
        if (!e.scheme) continue;
        if (e.scheme->codec != "int")
            return Error::unsupported("GPTQ holds integers only, not " + e.scheme->codec, e.target.module);
        QS_TRY(const auto codec, createCodec(e.scheme->codec, e.scheme->codecParams));
        const bool order =
            e.scheme->methodParams.has("act_order") && e.scheme->methodParams.boolean("act_order");
        settings[i] =
            IntSetting{codec->bits(), e.scheme->codecParams.integer("group"), codec->symmetric(), order};
    }
    return gptqConfig(plan, settings).dump(2) + "\n";
}

} // namespace

const RecipeFormatDescriptor& recipe_format_gptq_dynamic() {
    static const RecipeFormatDescriptor d = [] {
        RecipeFormatDescriptor x;
        x.id = "gptq_dynamic";
        x.label = "GPTQModel settings";
        x.summary = "quantize_config.json with `dynamic` rules by regular expressions";
        x.citation = "GPTQModel, QuantizeConfig";
        x.extension = "json";
        x.looksLike = [](std::string_view text) {
            return text.find("\"config_groups\"") == text.npos &&
                   (text.find("\"dynamic\"") != text.npos || text.find("\"group_size\"") != text.npos ||
                    text.find("\"+:") != text.npos || text.find("\"-:") != text.npos) &&
                   text.find("\"rules\"") == text.npos;
        };
        x.read = readDynamic;
        x.write = writeDynamic;
        return x;
    }();
    return d;
}

} // namespace qs
