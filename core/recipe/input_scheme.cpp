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
};
constexpr std::array<Preset, 7> kPresets = {
    {{"int8", "int", R"({"bits": 8, "grid": "absmax", "group": -1, "scale_dtype": "f32"})"},
     {"llm_int8", "int", R"({"bits": 8, "grid": "absmax", "group": -1, "scale_dtype": "f32"})", 6.0},
     {"int4", "int", R"({"bits": 4, "grid": "absmax", "group": -1, "scale_dtype": "f32"})"},
     {"fp8", "float", R"({"format": "e4m3", "group": -1})"},
     {"mxfp8", "mx", R"({"format": "mxfp8_e4m3"})"},
     {"mxfp4", "mx", R"({"format": "mxfp4"})"},
     {"nvfp4", "nvfp4", R"({})"}}};

constexpr double kLargestKept = 1e6;

} // namespace

Result<std::shared_ptr<const RowRounder>> rounderOf(const std::optional<InputScheme>& format) {
    if (!format) return std::shared_ptr<const RowRounder>();
    QS_TRY(auto codec, createCodec(format->codec, format->codecParams));
    if (codec->vectorRows() > 1)
        return Error::invalid(
            fmt::format("{} rounds {} values of different rows together: it cannot round tokens one by one",
                        codec->label(), codec->vectorRows()));
    return std::make_shared<const RowRounder>(std::move(codec), std::vector<float>(),
                                              float(format->keepAbove));
}

Result<std::shared_ptr<const RowRounder>> inputRounder(const Scheme& scheme) {
    return rounderOf(scheme.inputs);
}

std::vector<std::string> InputScheme::presets() {
    std::vector<std::string> names;
    for (const Preset& p : kPresets)
        names.emplace_back(p.name);
    return names;
}

Result<InputScheme> InputScheme::preset(const std::string& name) {
    for (const Preset& p : kPresets)
        if (name == p.name)
            return fromJson(
                {{"codec", p.codec}, {"codec_params", json::parse(p.params)}, {"keep_above", p.keepAbove}},
                "inputs");
    return Error::notFound(
        fmt::format("no format '{}' of inputs; known: {}", name, fmt::join(presets(), ", ")));
}

std::string InputScheme::label() const {
    for (const Preset& p : kPresets)
        if (const auto same = preset(p.name); same && *same == *this) return p.name;
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
        else
            return Error::invalid(
                fmt::format("'{}': {}; known: codec (a string), codec_params, keep_above (0 .. {:g})", key,
                            value.dump(), kLargestKept),
                where);
    }
    auto codec = findCodec(s.codec);
    if (!codec) return codec.takeError().at(where);
    QS_TRY(s.codecParams, Params::fromJson((*codec)->params, params, where + ".codec_params"));
    return s;
}

json InputScheme::toJson() const {
    json out = {{"codec", codec}, {"codec_params", codecParams.toJson()}};
    if (keepAbove > 0) out["keep_above"] = keepAbove;
    return out;
}

} // namespace qs
