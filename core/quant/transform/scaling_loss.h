// SPDX-License-Identifier: Apache-2.0
// What factors of channels do to the outputs of the linears that read them, once weights, and inputs where
// they are rounded too, are what their formats can hold. What searches over factors compare.
#pragma once

#include "core/quant/sigma_weights.h"
#include "core/quant/transform/transform.h"

#include <functional>

namespace qs {

/// With W' = Q(W S) in nearest rounding, the sum over linears of
///   tr(E Sigma E^T), E = W' S^-1 - W                           (weights)
///   tokens sum_j D_j sum_r W'(r, j)^2                          (inputs)
/// each over the linear's own tr(W Sigma W^T): a part of its output counts alike in all of them.
/// D_j is the mean squared rounding error of inputs x_j / s_j. Tokens are not kept, only their statistics: 64
/// are drawn with normal channels of the same root mean square and largest magnitude, by a fixed seed.
class ScalingLoss {
public:
    enum class Of { Weights, WeightsAndInputs };
    enum class Rows { Sample, All }; ///< at most 128 to 255 rows of each linear, evenly spread

    /// Linears that no token reached have no say.
    static Result<ScalingLoss> make(const TransformInput& input, Of of);
    /// No linear has a say.
    bool isEmpty() const { return readers_.empty(); }
    Result<double> operator()(const std::vector<float>& factors, Rows rows, const JobContext& job) const;

private:
    struct Reader {
        TransformReader linear;
        SigmaWeights weights;
        double unit = 0, tokens = 0; ///< largest diagonal entry of Sigma; how many it is of
        double energy = 0;           ///< of the outputs, in units of it
        bool shared = false;         ///< one scale for all rows, which cannot be fitted to some of them
    };
    Result<double> ofReader(const Reader& reader, const std::vector<float>& s, Rows rows,
                            const JobContext& job) const;
    Result<std::vector<double>> inputErrors(const RowRounder& rounder, const std::vector<float>& s) const;

    std::vector<Reader> readers_;
    Matrix tokens_; ///< drawn, [tokens, channels]; empty when inputs do not count
};

/// Of the factors candidate(0) .. candidate(count - 1) those with the least loss on sampled rows, if on all
/// rows they lose less than ones; else ones, of which there are `channels`.
Result<std::vector<float>> bestFactors(const ScalingLoss& loss, size_t channels, int count,
                                       const std::function<std::vector<float>(int)>& candidate,
                                       const JobContext& job);

} // namespace qs
