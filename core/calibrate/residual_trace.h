// SPDX-License-Identifier: Apache-2.0
// The residual stream of one window, seen by channel: where a channel becomes large, which norm amplifies it,
// where it ends.
#pragma once

#include "core/metrics/massive_activations.h"
#include "core/model/forward.h"

#include <array>
#include <optional>

namespace qs {

/// Massive activations sit on the first token and on delimiters (Sun et al. 2024, section 2): each kind of
/// token is followed on its own.
enum class TokenClass : uint8_t { First, Delimiter, Other };
inline constexpr size_t kTokenClasses = 3;

/// First: position 0 and BOS. Delimiter: tokens of punctuation and white space alone.
std::vector<TokenClass> tokenClasses(std::span<const int32_t> ids, const Tokenizer& tokenizer);

/// Which classes count; no bit set means all.
struct TokenFilter {
    unsigned bits = 0;
    static TokenFilter only(TokenClass c) { return {1u << unsigned(c)}; }
    bool has(size_t c) const { return bits == 0 || (bits >> c & 1u); }
};

/// Behind the embedding, behind each half of each block, behind the final norm.
struct TracePoint {
    enum class Kind { Embedding, Half, FinalNorm } kind = Kind::Half;
    size_t block = 0;
    BlockHalf half = BlockHalf::Attention;
    /// Module that writes into the stream here, one row per channel ("layers.1.mlp.down_proj"); "" for the
    /// ends and for a mixture of experts, where several do.
    std::string writer;
    double median = 0; ///< medianMagnitude of the whole stream here
};

/// Gain of a norm that reads the stream: what it multiplies a channel by before anything else sees it.
struct NormGain {
    size_t block = 0; ///< the number of blocks for the final norm
    BlockHalf half = BlockHalf::Attention;
    bool finalNorm = false;
    std::vector<float> gain; ///< [channels]
};

struct Peak {
    float value = 0; ///< signed, with the largest magnitude; 0 when no token is of the class
    uint32_t token = 0;
};

/// Memory: (kTokenClasses + 2) x 8 bytes x channels per point.
struct ResidualTrace {
    size_t channels = 0;
    std::vector<TracePoint> points;
    /// [points][channels] per class.
    std::array<std::vector<std::vector<Peak>>, kTokenClasses> peaks;
    /// [points][channels] over all tokens: what the half wrote, before its output norm; empty at both ends.
    std::vector<std::vector<Peak>> written;
    /// [points][channels] over all tokens: what the norm before the half made of the stream; empty without
    /// one.
    std::vector<std::vector<Peak>> normed;
    std::vector<NormGain> gains;

    /// The largest over the classes of the filter.
    Peak peak(size_t point, size_t channel, TokenFilter filter = {}) const;
};

/// A norm gain this many times the median gain of its norm amplifies.
inline constexpr double kAmplifyingGain = 4;

/// One channel's way. v[p] = |peak(p)|; "massive" at p: rule.passes(v[p], points[p].median).
struct ChannelPath {
    std::vector<double> value; ///< v [points]
    /// The point with the largest v[p] / v[p - 1] up to the first massive one; none for a channel that is
    /// never massive. Point 0 when the embedding is massive already.
    std::optional<size_t> born;
    double jump = 0; ///< v[born] / v[born - 1]; at point 0 v[0] / median
    /// The first point behind the last massive one; none when it lives to the end of the stream.
    std::optional<size_t> dies;
    bool opposed = false; ///< at `dies` the half wrote the opposite sign, on the token of the peak before
    /// Index of the gain with the largest |gain[c]| / median |gain|, when that reaches kAmplifyingGain.
    std::optional<size_t> amplifiedBy;
    double gainRatio = 0; ///< that largest ratio; 0 without norms
};
ChannelPath channelPath(const ResidualTrace& trace, size_t channel, TokenFilter filter,
                        const MassiveRule& rule);

/// Per point, over channels: median and 99th percentile of |peak|.
struct TraceBand {
    std::vector<double> median, p99;
};
TraceBand traceBand(const ResidualTrace& trace, TokenFilter filter);

/// Channels worth following, most telling first: those that are massive at some point of the stream by their
/// largest v / median; then those that a norm amplifies by their largest gain ratio.
std::vector<size_t> tellingChannels(const ResidualTrace& trace, const MassiveRule& rule, size_t limit);

} // namespace qs
