// SPDX-License-Identifier: Apache-2.0
// Attention sinks: positions that queries look at whatever they hold (Xiao et al. 2023, arXiv 2309.17453).
#pragma once

#include "core/backend/backend.h"
#include "core/base/job.h"

#include <vector>

namespace qs {

/// What each key position receives of one block's attention, mean over heads h and queries i of one context
/// of T tokens: received(j) = sum_h sum_i A_h(i, j) / (H T), A_h(i, .) = softmax over the keys that i sees
/// (see AttentionShape). Sums to 1. q [T, heads d], k [T, kvHeads d] as BlockWatch shows them, keyBias
/// [heads, T] or empty. Float64 sums; O(T^2 heads d) work, one row of scores per thread.
Result<std::vector<double>> attentionReceived(ConstMatrixView q, ConstMatrixView k, ConstMatrixView keyBias,
                                              const AttentionShape& shape, const JobContext& job);

/// The same if every query looked at all it sees alike: uniform(j) = 1 / T sum over the i that see j of 1 /
/// (number of keys that i sees). What a sink is measured by: early keys are seen by more queries.
std::vector<double> evenAttention(size_t tokens, bool causal, size_t reach);

/// A sink: a key that receives at least `overEven` times its even share and `overMean` times 1 / T.
struct SinkRule {
    double overEven = 3, overMean = 3;
};

struct AttentionSink {
    size_t token = 0;
    std::vector<size_t> blocks; ///< in which it is one, ascending
    double received = 0;        ///< mean over those blocks, 0..1
};
/// received, even [blocks, tokens]. By `received`, highest first.
std::vector<AttentionSink> attentionSinks(MatrixViewT<const double> received, MatrixViewT<const double> even,
                                          const SinkRule& rule = {});

} // namespace qs
