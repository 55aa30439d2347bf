// SPDX-License-Identifier: Apache-2.0
#include "core/recipe/recipe.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

Result<Scheme> Scheme::make(const std::string& codec, const std::string& method) {
    QS_TRY(const CodecDescriptor* c, findCodec(codec));
    QS_TRY(const MethodDescriptor* m, findMethod(method));
    return Scheme{codec, Params::defaults(c->params), method, Params::defaults(m->params), {}, {}};
}

Result<Scheme> Scheme::fromJson(const json& object, const std::string& where) {
    if (!object.is_object()) return Error::invalid("a scheme must be an object, got " + object.dump(), where);
    Scheme s;
    for (const auto& [key, value] : object.items()) {
        if (key == "codec_params" || key == "method_params" || key == "inputs" || key == "outputs") continue;
        if (key != "codec" && key != "method")
            return Error::invalid(
                fmt::format("unknown key '{}'; known: codec, codec_params, method, method_params, inputs, "
                            "outputs",
                            key),
                where);
        if (!value.is_string())
            return Error::invalid(fmt::format("'{}' must be a string, got {}", key, value.dump()), where);
        (key == "codec" ? s.codec : s.method) = value.get<std::string>();
    }
    const auto part = [&](const char* key) { return object.contains(key) ? object.at(key) : json(); };
    auto codec = findCodec(s.codec);
    if (!codec) return codec.takeError().at(where);
    auto method = findMethod(s.method);
    if (!method) return method.takeError().at(where);
    QS_TRY(s.codecParams, Params::fromJson((*codec)->params, part("codec_params"), where + ".codec_params"));
    QS_TRY(s.methodParams,
           Params::fromJson((*method)->params, part("method_params"), where + ".method_params"));
    if (!part("inputs").is_null()) {
        QS_TRY(s.inputs, InputScheme::fromJson(part("inputs"), where + ".inputs"));
    }
    if (!part("outputs").is_null()) {
        QS_TRY(s.outputs, InputScheme::fromJson(part("outputs"), where + ".outputs"));
        if (s.outputs->isSearched())
            return Error::invalid(
                fmt::format("{} is searched on calibration text, which is done for inputs alone; known: {}",
                            s.outputs->label(), fmt::join(InputScheme::outputPresets(), ", ")),
                where + ".outputs");
    }
    return s;
}

json Scheme::toJson() const {
    json out = {{"codec", codec},
                {"codec_params", codecParams.toJson()},
                {"method", method},
                {"method_params", methodParams.toJson()}};
    if (inputs) out["inputs"] = inputs->toJson();
    if (outputs) out["outputs"] = outputs->toJson();
    return out;
}

} // namespace qs
