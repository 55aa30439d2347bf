// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/gguf_rope.h"

#include <cmath>
#include <fmt/format.h>
#include <numbers>

namespace qs {

namespace {

using nlohmann::json;

constexpr uint64_t kMostContext = 1u << 30;

/// A vector of one positive divisor per rotary pair; empty when the tensor is absent.
Result<std::vector<float>> divisors(const GgufSet& set, std::string_view tensor, const GgufDims& dims) {
    const size_t index = set.find(tensor);
    if (index == GgufSet::npos) return std::vector<float>();
    const std::string where = fmt::format("{}: tensor '{}'", set.place(), tensor);
    QS_TRY(std::vector<float> values, set.values(index, 65536));
    if (values.size() != dims.ropeDim / 2)
        return Error::corrupt(
            fmt::format("must have {} values, one per rotary pair, has {}", dims.ropeDim / 2, values.size()),
            where);
    for (const float v : values)
        if (!(v > 0) || !std::isfinite(v))
            return Error::corrupt(fmt::format("value {} must be above 0", v), where);
    return values;
}

struct Llama3Rule {
    double factor = 1, low = 1, high = 4, original = 8192;

    /// By how much the frequency of a pair is divided (Llama 3.1 reference).
    double divisor(double frequency) const {
        const double wavelength = 2 * std::numbers::pi / frequency;
        if (wavelength < original / high) return 1;
        if (wavelength > original / low) return factor;
        const double s = (original / wavelength - low) / (high - low);
        return 1 / ((1 - s) / factor + s);
    }
};

bool reproduces(const Llama3Rule& rule, const std::vector<float>& values, double theta) {
    for (size_t i = 0; i < values.size(); ++i) {
        const double frequency = std::pow(theta, -double(i) / double(values.size()));
        const double expected = rule.divisor(frequency);
        if (!(std::abs(values[i] - expected) <= 1e-5 * expected)) return false;
    }
    return true;
}

json longrope(const std::vector<float>& shorter, const std::vector<float>& longer, uint64_t original) {
    return {{"rope_type", "longrope"},
            {"type", "longrope"},
            {"short_factor", shorter},
            {"long_factor", longer},
            {"original_max_position_embeddings", original}};
}

Result<json> fromFrequencies(const std::vector<float>& values, double theta, uint64_t original,
                             const GgufDims& dims) {
    Llama3Rule rule;
    rule.factor = *std::max_element(values.begin(), values.end());
    if (rule.factor == 1 && reproduces(rule, values, theta)) return json();
    for (const double context : {8192.0, double(original)}) {
        rule.original = context;
        if (reproduces(rule, values, theta))
            return json{{"rope_type", "llama3"},
                        {"factor", rule.factor},
                        {"low_freq_factor", rule.low},
                        {"high_freq_factor", rule.high},
                        {"original_max_position_embeddings", uint64_t(rule.original)}};
    }
    json scaling = longrope(values, values, dims.context);
    scaling["factor"] = 1.0;
    scaling["attention_factor"] = 1.0;
    return scaling;
}

Result<json> fromKeys(const GgufMetadata& m, const std::string& prefix, const std::string& type,
                      uint64_t original) {
    const std::string p = prefix + "scaling.";
    QS_TRY(const double old, m.numberOr(prefix + "scale_linear", 1.0));
    QS_TRY(const double factor, m.numberOr(p + "factor", old));
    if (factor <= 0)
        return Error::corrupt(fmt::format("must be above 0, got {}", factor), m.place(p + "factor"));
    if (type == "linear") return factor == 1 ? json() : json{{"rope_type", "linear"}, {"factor", factor}};
    json scaling = {
        {"rope_type", "yarn"}, {"factor", factor}, {"original_max_position_embeddings", original}};
    for (const auto& [key, name] :
         {std::pair("yarn_beta_fast", "beta_fast"), std::pair("yarn_beta_slow", "beta_slow")}) {
        if (!m.has(p + key)) continue;
        QS_TRY(scaling[name], m.number(p + key));
    }
    // llama.cpp multiplies it with what config.json takes for granted.
    if (m.has(p + "attn_factor")) {
        QS_TRY(const double share, m.number(p + "attn_factor"));
        scaling["attention_factor"] = share * (factor <= 1 ? 1.0 : 0.1 * std::log(factor) + 1.0);
    }
    return scaling;
}

Result<json> scalingOf(const GgufSet& set, const std::string& prefix, const GgufDims& dims, double theta) {
    const GgufMetadata& m = set.metadata();
    const std::string typeKey = prefix + "scaling.type";
    QS_TRY(const uint64_t original,
           m.sizeOr(prefix + "scaling.original_context_length", kMostContext, dims.context));
    QS_TRY(const std::string_view named,
           m.textOr(typeKey, m.has(prefix + "scale_linear") ? "linear" : "none"));
    const std::string type(named);
    QS_TRY(const auto frequencies, divisors(set, "rope_freqs.weight", dims));
    QS_TRY(const auto shorter, divisors(set, "rope_factors_short.weight", dims));
    QS_TRY(const auto longer, divisors(set, "rope_factors_long.weight", dims));
    if (type != "none" && type != "linear" && type != "yarn" && type != "longrope")
        return Error::unsupported(
            fmt::format("scaling '{}' is not known; known: none, linear, yarn, longrope", type),
            m.place(typeKey));
    if (!frequencies.empty() && (type != "none" || !shorter.empty()))
        return Error::unsupported(fmt::format("scaling '{}' together with the tensor rope_freqs", type),
                                  m.place(typeKey));
    if (!frequencies.empty()) return fromFrequencies(frequencies, theta, original, dims);
    if (!shorter.empty() && !longer.empty()) {
        json scaling = longrope(shorter, longer, original);
        if (m.has(prefix + "scaling.attn_factor")) {
            QS_TRY(scaling["attention_factor"], m.number(prefix + "scaling.attn_factor"));
        }
        return scaling;
    }
    if (type == "longrope")
        return Error::corrupt("longrope needs the tensors rope_factors_long and rope_factors_short",
                              m.place(typeKey));
    return type == "none" ? json() : fromKeys(m, prefix, type, original);
}

} // namespace

Result<void> ggufRope(const GgufSet& set, const std::string& prefix, const GgufDims& dims, json& config) {
    QS_TRY(const double theta, set.metadata().numberOr(prefix + "freq_base", 10000.0));
    if (theta <= 0)
        return Error::corrupt(fmt::format("must be above 0, got {}", theta),
                              set.metadata().place(prefix + "freq_base"));
    config["rope_theta"] = theta;
    QS_TRY(config["rope_scaling"], scalingOf(set, prefix, dims, theta));
    return {};
}

} // namespace qs
