// SPDX-License-Identifier: Apache-2.0
// How the KV cache is rounded, in recipes.
#pragma once

#include "core/model/kv_rounder.h"
#include "core/recipe/input_scheme.h"

#include <bit>
#include <span>

namespace qs {

/// How the KV cache is rounded when the model runs (core/model/kv_rounder.h).
struct KvScheme {
    std::optional<InputScheme> keys, values; ///< none: as they are
    bool keysPerChannel = false, keysBeforeRope = false;
    size_t exactTokens = 0; ///< at the start of a context, 0 .. kMostExactTokens
    /// Keys have one scale per channel for all tokens, from calibration.
    bool keysStatic = false;
    /// With keysStatic: share of the keys, 0 .. kMostKept, outside of the quantiles that bound each channel's
    /// range; they are kept.
    double keysKept = 0;
    /// Channels are shifted and scaled by what calibration found before tokens are rounded (smoothedFormat).
    bool smoothChannels = false;
    /// Keys by a codebook from calibration, instead of by `keys`: bits per value, and channels that share an
    /// index. bits * length is at most kMostIndexBits.
    struct Codebook {
        size_t bits = 2, length = 4;
        bool operator==(const Codebook&) const = default;
    };
    std::optional<Codebook> keyCodebook;
    bool pastOnly = false; ///< the step that writes a token reads it exactly (WKVQuant)
    /// Formats from an age on (SAQ); what is none stays as the step before has it. Ages ascend, from 1.
    struct Aging {
        size_t age = 0;
        std::optional<InputScheme> keys, values;
        bool operator==(const Aging&) const = default;
    };
    std::vector<Aging> aging;
    std::optional<WindowedRope> windowedRope; ///< with keysBeforeRope
    /// Rounded keys only say which so many tokens of a context matter most to a query; it attends to those
    /// alone, with the keys as they were, which are cached too (A2ATS). 0: to all, with rounded keys.
    size_t bestTokens = 0;
    bool operator==(const KvScheme&) const = default;

    static constexpr size_t kMostExactTokens = 1 << 20, kMostIndexBits = 8, kMostSteps = 16;
    static constexpr double kMostKept = 0.2;
    /// One format for keys and values, token by token, by short names: "int4", "q8_0", ...; and names that
    /// fall with age, "int8@128,int4@512,int2": int8 up to age 128, int4 up to 512, int2 from then on.
    static Result<KvScheme> preset(const std::string& name);
    static std::vector<std::string> presets(); ///< the single ones
    std::string label() const;                 ///< "keys int4 per channel, values int4"
    static Result<KvScheme> fromJson(const nlohmann::json& object, const std::string& where);
    nlohmann::json toJson() const;

    /// The longest vector of a codebook, a power of two.
    static size_t longestVector(size_t bits) { return std::bit_floor(kMostIndexBits / bits); }
    /// Ranges of channels, or a codebook.
    bool needsCalibration() const { return keysStatic || smoothChannels || keyCodebook; }
    /// Mean bits of a cached value once `tokens` tokens are cached, with what formats keep beside codes:
    /// keys and values of `channels` channels. 16 for what is not rounded; a kept key has 32 bits beside its
    /// code, its value and its channel. What is kept once for all tokens (ranges, codebooks) is not counted.
    Result<double> bitsPerValue(size_t channels, size_t tokens) const;
};

/// What a scheme can be told beside its formats.
struct KvOption {
    const char *id, *label, *summary, *citation; ///< id: the key in recipes
};
std::span<const KvOption> kvOptions();

/// Null without a scheme. `findings`: of the block, where the scheme needs calibration.
Result<std::shared_ptr<const KvRounder>> kvRounder(const std::optional<KvScheme>& scheme,
                                                   const CacheFindings* findings = nullptr);

} // namespace qs
