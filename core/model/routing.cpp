// SPDX-License-Identifier: Apache-2.0
#include "core/model/routing.h"

#include <cmath>
#include <numeric>

namespace qs {

std::vector<ExpertTokens> routeTokens(ConstMatrixView scores, size_t topK, bool renormalize) {
    const size_t experts = scores.cols;
    std::vector<ExpertTokens> out(experts);
    std::vector<size_t> order(experts);
    std::vector<float> p(experts);
    for (size_t t = 0; t < scores.rows; ++t) {
        const float* row = scores.row(t);
        const float top = *std::max_element(row, row + experts);
        float sum = 0;
        for (size_t e = 0; e < experts; ++e)
            sum += p[e] = std::exp(row[e] - top);
        std::iota(order.begin(), order.end(), size_t(0));
        std::partial_sort(order.begin(), order.begin() + std::ptrdiff_t(topK), order.end(),
                          [&](size_t a, size_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
        if (renormalize) {
            sum = 0;
            for (size_t i = 0; i < topK; ++i)
                sum += p[order[i]];
        }
        for (size_t i = 0; i < topK; ++i) {
            out[order[i]].tokens.push_back(uint32_t(t));
            out[order[i]].weights.push_back(p[order[i]] / sum);
        }
    }
    return out;
}

} // namespace qs
