// SPDX-License-Identifier: Apache-2.0
// Transform registry: one entry per way of choosing the factors of a fold (transforms.def +
// transforms/<id>.cpp). A transform changes how hard a model is to quantize, not what it computes: the inputs
// of some linears are divided by s, channel by channel, and the columns of their weights multiplied by it
// (see FoldSpec and scaling.h).
#pragma once

#include "core/base/job.h"
#include "core/codec/row_rounder.h"
#include "core/quant/range/range_search.h"

namespace qs {

/// One linear that is quantized and reads the channels.
struct TransformReader {
    ConstMatrixView weight; ///< [out, channels]
    const Codec* codec = nullptr;
    RangeChoice range; ///< of its method
    const MatrixD* sigma =
        nullptr; ///< [channels, channels] of its site; null when it is not known or no token got there
    const RowRounder* inputs = nullptr; ///< null: its inputs are not rounded
};

struct TransformInput {
    std::vector<TransformReader> readers; ///< at least one
    std::vector<float> rms;               ///< [channels] root mean square of the inputs; empty without Sigma
    std::vector<float> absmax;            ///< [channels] largest magnitude of the inputs
    /// [channels]: channels of the same number get the same factor. Empty: none are tied.
    std::vector<size_t> tie;
    Params params;

    size_t channels() const { return readers.front().weight.cols; }
};

/// What is taken from every channel before factors are chosen, where the model has biases that take it up
/// (canShift in scaling.h): z_j = min_j + m (max_j - min_j).
enum class ChannelShift {
    None,
    Middle,    ///< m = 1/2: Outlier Suppression+
    ZeroPoint, ///< m = mean over k of -min_k / (max_k - min_k): RepQuant's mean zero point, in steps of a
               ///< range
};

/// z [channels]. A channel of one value alone loses it, and has no say in the mean.
std::vector<float> channelShift(ChannelShift shift, std::span<const float> low, std::span<const float> high);

struct TransformDescriptor {
    std::string id; ///< stored on disk, never renamed
    std::string label, summary, citation;
    bool needsSigma = false; ///< else channel statistics are enough
    ChannelShift shift = ChannelShift::None;
    ParamSpecs params;
    /// Factors s > 0, [channels]. Deterministic, independent of the number of threads. The inputs are pooled:
    /// tied channels have equal rms and absmax. Call through chooseFactors().
    Result<std::vector<float>> (*choose)(const TransformInput& input, const JobContext& job) = nullptr;
};

std::span<const TransformDescriptor* const> transforms();
/// NotFound lists the known ids.
Result<const TransformDescriptor*> findTransform(const std::string& id);
const char* needsName(const TransformDescriptor& transform); ///< "sigma", "channel statistics"

/// Pools the statistics of tied channels, lets the transform choose, and checks what it chose: finite, in
/// [1e-20, 1e20], equal where tied. InvalidArgument when sizes do not fit.
Result<std::vector<float>> chooseFactors(const TransformDescriptor& transform, TransformInput input,
                                         const JobContext& job);

/// Largest of `values` over the channels that are tied, for each of them.
std::vector<float> pooledMaximum(std::vector<float> values, std::span<const size_t> tie);

} // namespace qs
