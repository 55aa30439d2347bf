// SPDX-License-Identifier: Apache-2.0
#include "core/quant/transform/smooth_factors.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

constexpr float kFloor = 1e-5f;

std::vector<float> largestWeights(const TransformInput& in) {
    std::vector<float> top(in.channels(), 0.0f);
    for (const TransformReader& reader : in.readers)
        for (size_t r = 0; r < reader.weight.rows; ++r)
            for (size_t c = 0; c < top.size(); ++c)
                top[c] = std::max(top[c], std::fabs(reader.weight(r, c)));
    return pooledMaximum(std::move(top), in.tie);
}

} // namespace

std::vector<float> smoothFactors(const TransformInput& in, double alpha) {
    const std::vector<float> weight = largestWeights(in);
    std::vector<float> s(in.channels(), 1.0f);
    float least = INFINITY;
    for (size_t c = 0; c < s.size(); ++c) {
        if (in.absmax[c] <= 0 || weight[c] <= 0) continue;
        s[c] = std::max(kFloor, float(std::pow(double(in.absmax[c]), alpha) /
                                      std::pow(double(std::max(kFloor, weight[c])), 1 - alpha)));
        least = std::min(least, s[c]);
    }
    // A channel that never fired, or that nobody reads, must not set the range of its group.
    for (size_t c = 0; c < s.size() && std::isfinite(least); ++c)
        if (in.absmax[c] <= 0 || weight[c] <= 0) s[c] = least;
    return s;
}

} // namespace qs
