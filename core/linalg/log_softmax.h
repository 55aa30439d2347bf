// SPDX-License-Identifier: Apache-2.0
// One row of logits as a distribution, in float64.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace qs::linalg {

struct LogSoftmax {
    size_t argmax = 0; ///< the first of equals
    double logSum = 0; ///< log of the sum of exp(x), so that log p_i = x_i - logSum
};

inline LogSoftmax logSoftmax(std::span<const float> logits) {
    LogSoftmax s;
    for (size_t i = 1; i < logits.size(); ++i)
        if (logits[i] > logits[s.argmax]) s.argmax = i;
    const double top = logits[s.argmax];
    double sum = 0;
    for (float x : logits)
        sum += std::exp(double(x) - top);
    s.logSum = top + std::log(sum);
    return s;
}

/// KL(p || q) = sum_i p_i (log p_i - log q_i), in nats.
inline double klDivergence(std::span<const float> p, const LogSoftmax& sp, std::span<const float> q,
                           const LogSoftmax& sq) {
    double sum = 0;
    for (size_t i = 0; i < p.size(); ++i) {
        const double lp = double(p[i]) - sp.logSum;
        sum += std::exp(lp) * (lp - (double(q[i]) - sq.logSum));
    }
    return std::max(0.0, sum); // rounding can leave -1e-17 for equal distributions
}

} // namespace qs::linalg
