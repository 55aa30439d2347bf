// SPDX-License-Identifier: Apache-2.0
#include "core/model/rope_config.h"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

using nlohmann::json;

constexpr double kMostTheta = 1e18, kMostFactor = 1e9, kMostContext = 1 << 30;

Error outOfRange(const ConfigReader& r, const char* key, const char* rule, double value) {
    return Error::corrupt(fmt::format("'{}' must be {}, got {}", key, rule, value), r.where());
}

Result<void> readLlama3(const ConfigReader& r, RopeSpec& rope) {
    rope.scaling = RopeSpec::Scaling::Llama3;
    QS_TRY(rope.lowFrequencyFactor, r.positiveOr("low_freq_factor", kMostFactor, 1.0));
    QS_TRY(rope.highFrequencyFactor, r.positiveOr("high_freq_factor", kMostFactor, 4.0));
    QS_TRY(rope.originalContext, r.positiveOr("original_max_position_embeddings", kMostContext, 8192.0));
    if (!(rope.highFrequencyFactor > rope.lowFrequencyFactor))
        return Error::corrupt(fmt::format("'high_freq_factor' {} must be above 'low_freq_factor' {}",
                                          rope.highFrequencyFactor, rope.lowFrequencyFactor),
                              r.where());
    return {};
}

// The factor of cosine and sine: given, or from mscale and mscale_all_dim (DeepSeek), or 0.1 ln(factor) + 1.
Result<void> readYarn(const ConfigReader& r, double context, RopeSpec& rope) {
    rope.scaling = RopeSpec::Scaling::Yarn;
    QS_TRY(rope.originalContext, r.positiveOr("original_max_position_embeddings", kMostContext, context));
    QS_TRY(rope.betaFast, r.positiveOr("beta_fast", kMostFactor, 32.0));
    QS_TRY(rope.betaSlow, r.positiveOr("beta_slow", kMostFactor, 1.0));
    QS_TRY(rope.truncate, r.booleanOr("truncate", true));
    const auto scale = [&](double mscale) {
        return rope.factor <= 1 ? 1.0 : 0.1 * mscale * std::log(rope.factor) + 1.0;
    };
    QS_TRY(const double mscale, r.numberOr("mscale", 0));
    QS_TRY(const double mscaleAll, r.numberOr("mscale_all_dim", 0));
    const double usual = mscale != 0 && mscaleAll != 0 ? scale(mscale) / scale(mscaleAll) : scale(1.0);
    QS_TRY(rope.attentionFactor, r.positiveOr("attention_factor", kMostFactor, usual));
    return {};
}

Result<void> readLongRope(const ConfigReader& r, const ConfigReader& config, double context, RopeSpec& rope) {
    rope.scaling = RopeSpec::Scaling::LongRope;
    // Phi-3 writes it beside rope_scaling, v5 inside.
    QS_TRY(const double outer, config.positiveOr("original_max_position_embeddings", kMostContext, context));
    QS_TRY(rope.originalContext, r.positiveOr("original_max_position_embeddings", kMostContext, outer));
    QS_TRY(rope.shortFactors, r.numbers("short_factor", rope.dims / 2));
    QS_TRY(rope.longFactors, r.numbers("long_factor", rope.dims / 2));
    for (const auto& [key, list] :
         {std::pair("short_factor", &rope.shortFactors), std::pair("long_factor", &rope.longFactors)})
        for (double v : *list)
            if (!(v > 0)) return outOfRange(r, key, "a list of numbers above 0", v);
    if (rope.originalContext <= 1)
        return outOfRange(r, "original_max_position_embeddings", "above 1", rope.originalContext);
    QS_TRY(const double s, r.positiveOr("factor", kMostFactor, context / rope.originalContext));
    const double usual = s <= 1 ? 1.0 : std::sqrt(1.0 + std::log(s) / std::log(rope.originalContext));
    QS_TRY(rope.attentionFactor, r.positiveOr("attention_factor", kMostFactor, usual));
    return {};
}

Result<void> readScaling(const ConfigReader& r, const ConfigReader& config, const std::string& type,
                         double context, RopeSpec& rope) {
    if (type == "longrope" || type == "su") return readLongRope(r, config, context, rope);
    QS_TRY(rope.factor, r.positiveOr("factor", kMostFactor, 1.0));
    if (type == "linear") {
        rope.scaling = RopeSpec::Scaling::Linear;
        return {};
    }
    if (type == "dynamic") {
        rope.scaling = RopeSpec::Scaling::Dynamic;
        if (rope.factor < 1) return outOfRange(r, "factor", "at least 1", rope.factor);
        rope.originalContext = context;
        return {};
    }
    if (type == "llama3") return readLlama3(r, rope);
    if (type == "yarn") return readYarn(r, context, rope);
    return Error::unsupported(
        fmt::format("'rope_type' is {}; known: default, linear, dynamic, llama3, yarn, longrope", type),
        r.where());
}

/// The object that describes the rotation, and its name; null when only plain keys do.
Result<const json*> ropeObject(const ConfigReader& config, const std::string& layerType, std::string& name) {
    name = "rope_parameters";
    QS_TRY(const json* parameters, config.objectOrNull("rope_parameters"));
    if (parameters && !layerType.empty()) {
        const auto it = parameters->find(layerType);
        if (it != parameters->end() && it->is_object()) {
            name += "." + layerType;
            return &*it;
        }
    }
    if (parameters) return parameters;
    name = "rope_scaling";
    return config.objectOrNull("rope_scaling");
}

} // namespace

Result<RopeSpec> ropeFromConfig(const ConfigReader& config, size_t headDim, const RopeDefaults& defaults,
                                const std::string& layerType) {
    RopeSpec rope;
    QS_TRY(rope.theta, config.positiveOr(defaults.thetaKey, kMostTheta, defaults.theta));
    QS_TRY(double partial, config.numberOr(defaults.partialKey, defaults.partial));
    std::string name;
    QS_TRY(const json* object, ropeObject(config, layerType, name));
    static const json kNothing = json::object();
    const ConfigReader r(object ? *object : kNothing, config.where() + ": " + name);
    if (object) {
        QS_TRY(rope.theta, r.positiveOr("rope_theta", kMostTheta, rope.theta));
        QS_TRY(partial, r.numberOr("partial_rotary_factor", partial));
    }
    if (!(rope.theta > 1)) return outOfRange(config, defaults.thetaKey, "above 1", rope.theta);
    if (!(partial > 0 && partial <= 1))
        return outOfRange(config, defaults.partialKey, "above 0 and at most 1", partial);
    rope.dims = size_t(double(headDim) * partial);
    if (rope.dims < 2 || rope.dims % 2 != 0)
        return Error::corrupt(
            fmt::format(
                "'{}' {} of head dimension {} leaves {} rotated values, which must be even and at least 2",
                defaults.partialKey, partial, headDim, rope.dims),
            config.where());
    if (!object) return rope;
    QS_TRY(const std::string legacy, r.textOr("type", "default"));
    QS_TRY(const std::string type, r.textOr("rope_type", legacy));
    if (type != "default") QS_CHECK(readScaling(r, config, type, double(defaults.context), rope));
    return rope;
}

} // namespace qs
