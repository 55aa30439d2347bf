// SPDX-License-Identifier: Apache-2.0
#include "core/recipe/plan_rules.h"

#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

namespace {

struct Preset {
    const char *name, *codec, *params;
    double keepAbove = 0;
    const char* search = ""; ///< the member of the recipe that asks for it, and what goes with it
    const char* range = "";  ///< static_range
};
constexpr const char *kSearchBase = "search_base", *kSearchShift = "search_shift",
                     *kSearchRange = "search_range", *kReassemble = "reassemble",
                     *kStaticRange = "static_range";
constexpr std::array<Preset, 19> kPresets = {
    {{"int8", "int", R"({"bits": 8, "grid": "absmax", "group": -1, "scale_dtype": "f32"})"},
     {"llm_int8", "int", R"({"bits": 8, "grid": "absmax", "group": -1, "scale_dtype": "f32"})", 6.0},
     {"int4", "int", R"({"bits": 4, "grid": "absmax", "group": -1, "scale_dtype": "f32"})"},
     {"fp8", "float", R"({"format": "e4m3", "group": -1})"},
     {"fp4", "float", R"({"format": "e2m1", "group": -1})"},
     {"mxfp8", "mx", R"({"format": "mxfp8_e4m3"})"},
     {"mxfp4", "mx", R"({"format": "mxfp4"})"},
     {"nvfp4", "nvfp4", R"({})"},
     {"log4", "log", R"({"bits": 4, "base": 74, "group": -1, "scale_dtype": "f32"})"},
     {"adalog4", "log", R"({"bits": 4, "base": 74, "group": -1, "scale_dtype": "f32"})", 0, kSearchBase},
     {"adalog4_shift", "log", R"({"bits": 4, "base": 74, "group": -1, "scale_dtype": "f32"})", 0,
      kSearchShift},
     {"llm_fp4", "float", R"({"format": "e2m1", "group": -1})", 0, kSearchRange},
     {"qllm8", "int", R"({"bits": 8, "grid": "absmax", "group": -1, "scale_dtype": "f32"})", 0, kReassemble},
     {"qllm4", "int", R"({"bits": 4, "grid": "absmax", "group": -1, "scale_dtype": "f32"})", 0, kReassemble},
     {"int8_minmax", "int", R"({"bits": 8, "grid": "absmax", "group": -1, "scale_dtype": "f32"})", 0, "",
      "minmax"},
     {"int8_percentile", "int", R"({"bits": 8, "grid": "absmax", "group": -1, "scale_dtype": "f32"})", 0, "",
      "percentile"},
     {"int8_mse", "int", R"({"bits": 8, "grid": "absmax", "group": -1, "scale_dtype": "f32"})", 0, "", "mse"},
     {"int8_kl", "int", R"({"bits": 8, "grid": "absmax", "group": -1, "scale_dtype": "f32"})", 0, "", "kl"},
     {"fp8_minmax", "float", R"({"format": "e4m3", "group": -1})", 0, "", "minmax"}}};
/// One scale for the row of a query. log2: base 2; log_sqrt2: base sqrt 2 (RepQuant).
constexpr std::array<Preset, 8> kProbabilityPresets = {
    {{"int8", "int", R"({"bits": 8, "grid": "asymmetric", "group": -1, "scale_dtype": "f32"})"},
     {"int4", "int", R"({"bits": 4, "grid": "asymmetric", "group": -1, "scale_dtype": "f32"})"},
     {"log2_4", "log", R"({"bits": 4, "sign": "none", "base": 74, "group": -1, "scale_dtype": "f32"})"},
     {"log2_3", "log", R"({"bits": 3, "sign": "none", "base": 74, "group": -1, "scale_dtype": "f32"})"},
     {"log_sqrt2_4", "log", R"({"bits": 4, "sign": "none", "base": 37, "group": -1, "scale_dtype": "f32"})"},
     {"log_sqrt2_3", "log", R"({"bits": 3, "sign": "none", "base": 37, "group": -1, "scale_dtype": "f32"})"},
     {"adalog4", "log", R"({"bits": 4, "sign": "none", "base": 74, "group": -1, "scale_dtype": "f32"})", 0,
      kSearchBase},
     {"adalog3", "log", R"({"bits": 3, "sign": "none", "base": 74, "group": -1, "scale_dtype": "f32"})", 0,
      kSearchBase}}};

Result<InputScheme> schemeOf(const Preset& p) {
    json object = {{"codec", p.codec}, {"codec_params", json::parse(p.params)}, {"keep_above", p.keepAbove}};
    if (*p.search) object[p.search] = true;
    if (p.search == kSearchShift) object[kSearchBase] = true;
    if (*p.range) object[kStaticRange] = p.range;
    return InputScheme::fromJson(object, "inputs");
}

std::vector<std::string> namesOf(std::span<const Preset> presets) {
    std::vector<std::string> names;
    for (const Preset& p : presets)
        names.emplace_back(p.name);
    return names;
}

Result<InputScheme> find(std::span<const Preset> presets, const std::string& name, const char* of) {
    for (const Preset& p : presets)
        if (name == p.name) return schemeOf(p);
    return Error::notFound(
        fmt::format("no format '{}' of {}; known: {}", name, of, fmt::join(namesOf(presets), ", ")));
}

constexpr double kLargestKept = 1e6;
constexpr const char *kBaseCodec = "log", *kRangeCodec = "float", *kReassembledCodec = "int";
constexpr int64_t kGroupOfRow = -1;

Result<Params> withChoice(const InputScheme& format, const RowChoice& choice) {
    QS_TRY(const CodecDescriptor* codec, findCodec(format.codec));
    json object = format.codecParams.toJson();
    if (choice.base) object["base"] = *choice.base;
    if (choice.noSign) object["sign"] = "none";
    if (!choice.format.empty()) object["format"] = choice.format;
    return Params::fromJson(codec->params, object, "what was searched");
}

/// Searches go with one codec each.
Result<void> requireSense(const InputScheme& s, const std::string& where) {
    const struct {
        bool wanted;
        const char *key, *codec;
    } searches[] = {{s.searchBase, kSearchBase, kBaseCodec},
                    {s.searchRange, kSearchRange, kRangeCodec},
                    {s.reassemble, kReassemble, kReassembledCodec}};
    for (const auto& search : searches)
        if (search.wanted && s.codec != search.codec)
            return Error::invalid(
                fmt::format("{} goes with codec {}, not {}", search.key, search.codec, s.codec), where);
    if (s.searchShift && !s.searchBase)
        return Error::invalid(fmt::format("{} goes with {}", kSearchShift, kSearchBase), where);
    if ((s.searchRange || s.searchShift) && s.keepAbove > 0)
        return Error::invalid(fmt::format("{} finds where values are cut off: leave out keep_above",
                                          s.searchRange ? kSearchRange : kSearchShift),
                              where);
    return {};
}

std::optional<StaticRange> staticRangeFrom(const json& name) {
    for (const StaticRange r :
         {StaticRange::MinMax, StaticRange::Percentile, StaticRange::Mse, StaticRange::Kl})
        if (name == staticRangeName(r)) return r;
    return std::nullopt;
}

/// Copies of a channel are rounded alike, and a fixed range is one.
Result<void> requireOneScale(const InputScheme& s, const std::string& where) {
    if (!s.reassemble && !s.isStatic()) return {};
    const char* key = s.reassemble ? kReassemble : kStaticRange;
    if (s.isStatic() && s.codec != "int" && s.codec != "float")
        return Error::invalid(fmt::format("{} goes with codec int or float, not {}", key, s.codec), where);
    if (s.isStatic() && (s.searchBase || s.searchRange || s.reassemble || s.keepAbove > 0))
        return Error::invalid(
            fmt::format("{} is all that can be searched for one range: leave out keep_above "
                        "and other searches",
                        key),
            where);
    if (const long long group = s.codecParams.integer("group"); group != kGroupOfRow)
        return Error::invalid(
            fmt::format("{} needs one scale a token, group {}; got group {}", key, kGroupOfRow, group),
            where);
    return {};
}

} // namespace

const char* staticRangeName(StaticRange range) {
    constexpr const char* names[] = {"", "minmax", "percentile", "mse", "kl"};
    return names[size_t(range)];
}

Result<std::shared_ptr<const RowRounder>> rounderOf(const std::optional<InputScheme>& format,
                                                    const RowChoice* choice) {
    if (!format) return std::shared_ptr<const RowRounder>();
    Params params = format->codecParams;
    if (choice) {
        QS_TRY(params, withChoice(*format, *choice));
    }
    QS_TRY(auto codec, createCodec(format->codec, params));
    if (codec->vectorRows() > 1)
        return Error::invalid(
            fmt::format("{} rounds {} values of different rows together: it cannot round tokens one by one",
                        codec->label(), codec->vectorRows()));
    return std::make_shared<const RowRounder>(std::move(codec), std::vector<float>(),
                                              float(format->keepAbove), choice ? choice->fixed : std::nullopt,
                                              choice ? choice->adjust : RowAdjustment());
}

Result<std::shared_ptr<const RowRounder>> inputRounder(const Scheme& scheme, const RowChoice* choice) {
    return rounderOf(scheme.inputs, choice);
}

Result<std::shared_ptr<const RowRounder>> outputRounder(const Scheme& scheme) {
    return rounderOf(scheme.outputs);
}

std::vector<std::string> InputScheme::presets() {
    return namesOf(kPresets);
}

Result<InputScheme> InputScheme::preset(const std::string& name) {
    return find(kPresets, name, "inputs");
}

std::vector<std::string> InputScheme::probabilityPresets() {
    return namesOf(kProbabilityPresets);
}

std::vector<std::string> InputScheme::outputPresets() {
    std::vector<std::string> names;
    for (const Preset& p : kPresets)
        if (const auto scheme = schemeOf(p); scheme && !scheme->isSearched()) names.emplace_back(p.name);
    return names;
}

Result<InputScheme> InputScheme::probabilityPreset(const std::string& name) {
    return find(kProbabilityPresets, name, "probabilities");
}

std::string InputScheme::label() const {
    for (const std::span<const Preset> presets :
         {std::span<const Preset>(kPresets), std::span<const Preset>(kProbabilityPresets)})
        for (const Preset& p : presets)
            if (const auto same = schemeOf(p); same && *same == *this) return p.name;
    const auto made = createCodec(codec, codecParams);
    const std::string format = made ? (*made)->label() : codec;
    return keepAbove > 0 ? fmt::format("{}, above {:g} kept", format, keepAbove) : format;
}

Result<InputScheme> InputScheme::fromJson(const json& object, const std::string& where) {
    if (!object.is_object()) return Error::invalid("inputs must be an object, got " + object.dump(), where);
    InputScheme s;
    json params;
    for (const auto& [key, value] : object.items()) {
        if (key == "codec" && value.is_string())
            s.codec = value.get<std::string>();
        else if (key == "codec_params")
            params = value;
        else if (key == "keep_above" && value.is_number() && value.get<double>() >= 0 &&
                 value.get<double>() <= kLargestKept)
            s.keepAbove = value.get<double>();
        else if (key == kSearchBase && value.is_boolean())
            s.searchBase = value.get<bool>();
        else if (key == kSearchShift && value.is_boolean())
            s.searchShift = value.get<bool>();
        else if (key == kSearchRange && value.is_boolean())
            s.searchRange = value.get<bool>();
        else if (key == kReassemble && value.is_boolean())
            s.reassemble = value.get<bool>();
        else if (const auto range = staticRangeFrom(value); key == kStaticRange && range)
            s.staticRange = *range;
        else
            return Error::invalid(
                fmt::format("'{}': {}; known: codec (a string), codec_params, keep_above "
                            "(0 .. {:g}), search_base, search_shift, search_range, reassemble "
                            "(true or false), static_range (minmax, percentile, mse, kl)",
                            key, value.dump(), kLargestKept),
                where);
    }
    auto codec = findCodec(s.codec);
    if (!codec) return codec.takeError().at(where);
    QS_CHECK(requireSense(s, where));
    QS_TRY(s.codecParams, Params::fromJson((*codec)->params, params, where + ".codec_params"));
    QS_CHECK(requireOneScale(s, where));
    return s;
}

json InputScheme::toJson() const {
    json out = {{"codec", codec}, {"codec_params", codecParams.toJson()}};
    if (keepAbove > 0) out["keep_above"] = keepAbove;
    if (searchBase) out[kSearchBase] = true;
    if (searchShift) out[kSearchShift] = true;
    if (searchRange) out[kSearchRange] = true;
    if (reassemble) out[kReassemble] = true;
    if (isStatic()) out[kStaticRange] = staticRangeName(staticRange);
    return out;
}

} // namespace qs
