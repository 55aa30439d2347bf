// SPDX-License-Identifier: Apache-2.0
// LLM-FP4's search (Liu et al. 2023, arXiv:2310.16836) for the ranges of inputs and weights together: those
// with the least error of a linear's output once both are rounded.
#pragma once

#include "core/base/job.h"
#include "core/codec/codec.h"
#include "core/codec/row_rounder.h"
#include "core/recipe/input_scheme.h"

namespace qs {

struct JointRange {
    RowChoice inputs;                     ///< format and range
    std::shared_ptr<const Codec> weights; ///< the best split of the bits
    std::vector<float> shares; ///< [out], of each row's range; all 1 where the format has no such ranges
    double error = 0;          ///< ||Q(X) Q(W)^T - X W^T||^2
};

/// x [tokens, in], w [out, in]; `inputs` a float. For every split of the bits of either into exponent and
/// mantissa, three rounds: of rangeShares() (row_ranges.h), each row of w takes the best for Q(X) as it is,
/// then the inputs take the best for Q(W) as it is; ranges begin whole. The least of all; the first of
/// equals. The published search has one range for all tokens, here it is a share of each token's own. 0.6 k
/// tokens in out Mflop, k splits.
Result<JointRange> searchJointRange(const InputScheme& inputs, const Codec& weights, ConstMatrixView x,
                                    ConstMatrixView w, const JobContext& job);

} // namespace qs
