// SPDX-License-Identifier: Apache-2.0
// How the keys or the values of a KV cache become those that a number format can hold.
#pragma once

#include "core/codec/row_rounder.h"

namespace qs {

/// Immutable and thread-safe.
class CacheFormat {
public:
    virtual ~CacheFormat() = default;
    /// context [tokens, kvHeads d]: a piece of one context, in place. InvalidArgument when it has another
    /// number of channels than the format, groups do not divide a row, or a value is not finite.
    virtual Result<void> round(MatrixView context) const = 0;
    /// What rounds every token by itself, where that is all; else null.
    virtual const RowRounder* byToken() const { return nullptr; }
    /// Names what it does: formats that round differently have different ones.
    virtual std::string identity() const = 0;
};

/// Tokens that are rounded channel by channel together (KIVI, Liu et al. 2024, arXiv:2402.02750).
constexpr size_t kCacheRun = 32;

/// The least and the largest value of each channel, or a lower and an upper quantile.
struct ChannelRange {
    std::vector<float> low, high; ///< [channels], low <= high
    bool empty() const { return low.empty(); }
    bool operator==(const ChannelRange&) const = default;
};

/// Keys by the indices of product codebooks in a space where distances are errors of attention scores (A2ATS,
/// He et al. 2025, arXiv:2502.12665, with the vectors of a head in pieces): with H = sum of q q^T over the
/// queries of a head, H = L L^T, z = L^T k, every `length` channels of z are replaced by the nearest of their
/// centers, and k' = L^-T z'.
struct KeyCodebook {
    size_t heads = 0, headDim = 0, length = 0, count = 0; ///< count: centers of a piece, a power of two
    Matrix whiten, unwhiten; ///< [heads d, d]: L^T and L^-T, one head below the other
    Matrix centers;          ///< [heads (d / length) count, length]: head by head, piece by piece
};

/// What a text tells about the cache of one block, where a scheme asks for it.
struct CacheFindings {
    ChannelRange keys, values; ///< [kvHeads d]
    std::shared_ptr<const KeyCodebook> codebook;
};

/// Every token by itself.
std::shared_ptr<const CacheFormat> tokenFormat(std::shared_ptr<const RowRounder> rounder);
/// Every channel of a run of kCacheRun tokens is a row of its own; the last, unfinished run stays as it is.
std::shared_ptr<const CacheFormat> channelRunFormat(std::shared_ptr<const RowRounder> rounder);
/// Every channel with the scale and zero point that `codec` gives its range, the same for all tokens.
/// `keepOutside`: values outside of the range stay as they are (KVQuant, Hooper et al. 2024,
/// arXiv:2401.18079), else they are cut off. The codec must pass requireOneScale().
std::shared_ptr<const CacheFormat> staticFormat(std::shared_ptr<const Codec> codec, const ChannelRange& range,
                                                bool keepOutside);
/// Every token by itself as (x - shift) / scale, with shift = (low + high) / 2 and scale = the root of (high
/// - low) / 2 of its channel, from where WKVQuant (Yue et al. 2024, arXiv:2402.12065) starts to tune them; 1
/// where that is 0.
std::shared_ptr<const CacheFormat> smoothedFormat(std::shared_ptr<const RowRounder> rounder,
                                                  const ChannelRange& range);
std::shared_ptr<const CacheFormat> codebookFormat(std::shared_ptr<const KeyCodebook> codebook);

/// InvalidArgument for formats whose parameters are more than a scale and a zero point from a range: those
/// cannot be fixed channel by channel.
Result<void> requireOneScale(const Codec& codec);

} // namespace qs
