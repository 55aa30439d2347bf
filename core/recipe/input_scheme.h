// SPDX-License-Identifier: Apache-2.0
// How activations are rounded, in recipes.
#pragma once

#include "core/base/param_spec.h"
#include "core/codec/row_rounder.h"

namespace qs {

/// How the one range of all tokens is chosen on calibration text; None: every token has its own.
enum class StaticRange {
    None,
    MinMax,     ///< of all values
    Percentile, ///< 99.99 % of the values are inside
    Mse,        ///< least squared error
    Kl          ///< least Kullback-Leibler divergence of the histograms before and after (TensorRT's)
};
const char* staticRangeName(StaticRange range); ///< "", "minmax", "percentile", "mse", "kl"

/// How the inputs of a linear are rounded when the model runs: every token by itself
/// (core/codec/row_rounder.h).
struct InputScheme {
    std::string codec = "int";
    Params codecParams;   ///< of the codec's specs
    double keepAbove = 0; ///< values of a larger magnitude stay as they are; 0: none
    /// The base of a log grid is chosen on calibration text, for each place (AdaLog).
    bool searchBase = false;
    /// With searchBase: a shift before the logarithm and the range too, each place with a sign or, shifted to
    /// above 0, without one.
    bool searchShift = false;
    /// The range of a float's tokens, as a share of their own, and how its bits are split into exponent and
    /// mantissa are chosen on calibration text for each linear, together with the weights' (LLM-FP4).
    bool searchRange = false;
    /// Channels with outliers are split and others merged, chosen on calibration text for each linear; its
    /// weights are those of the new channels (QLLM; core/linalg/channel_reassembly.h).
    bool reassemble = false;
    StaticRange staticRange = StaticRange::None;
    bool operator==(const InputScheme&) const = default;

    /// Something is chosen on calibration text.
    bool isSearched() const { return searchBase || searchRange || reassemble || isStatic(); }
    bool isStatic() const { return staticRange != StaticRange::None; }

    /// Usual choices by short names, "int8": per token, symmetric; "fp8": per token; "mxfp4"; ...
    static Result<InputScheme> preset(const std::string& name);
    static std::vector<std::string> presets();
    /// As preset(): of the probabilities of attention.
    static Result<InputScheme> probabilityPreset(const std::string& name);
    static std::vector<std::string> probabilityPresets();
    /// Those of presets() that need no search: what outputs can be rounded to.
    static std::vector<std::string> outputPresets();
    std::string label() const; ///< the preset's name, else the codec's label
    static Result<InputScheme> fromJson(const nlohmann::json& object, const std::string& where);
    nlohmann::json toJson() const;
};

} // namespace qs
