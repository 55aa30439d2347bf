// SPDX-License-Identifier: Apache-2.0
#include "core/codec/mixed_groups.h"

#include "core/codec/level_codec.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace qs {

MixedZero MixedZero::unpack(float zero) {
    const int packed = int(std::clamp(zero, 0.0f, 256.0f * 9 - 1));
    return {packed / 256, packed % 256};
}

uint8_t MixedGroup::nearest(float v) const {
    // As the other integer grids round: to the step first. An offset of one bit is no integer.
    const float step = zero.bits == 1 ? std::nearbyint(v / scale + zero.offset())
                                      : std::nearbyint(v / scale) + zero.offset();
    return uint8_t(std::clamp(step, 0.0f, zero.top()));
}

MixedGroup MixedGroup::ofRange(int bits, float lo, float hi, DType scaleType) {
    MixedGroup g{1, {bits, 0}};
    lo = std::min(lo, 0.0f);
    hi = std::max(hi, 0.0f);
    if (lo == hi) {
        lo = -1;
        hi = 1;
    }
    g.scale = storedScale((hi - lo) / g.zero.top(), scaleType);
    g.zero.stored = int(std::clamp(std::nearbyint(-lo / g.scale), 0.0f, g.zero.top()));
    return g;
}

MixedGroup MixedGroup::binary(std::span<const float> values, std::span<const float> weights,
                              DType scaleType) {
    double total = 0, mean = 0, deviation = 0;
    const auto weight = [&](size_t i) { return weights.empty() ? 1.0 : double(weights[i]); };
    for (size_t i = 0; i < values.size(); ++i) {
        total += weight(i);
        mean += weight(i) * double(values[i]);
    }
    mean /= total;
    for (size_t i = 0; i < values.size(); ++i)
        deviation += weight(i) * std::fabs(double(values[i]) - mean) / total;
    MixedGroup g{1, {1, 0}};
    g.scale = storedScale(float(2 * deviation), scaleType);
    const double stored = std::nearbyint((0.5 - mean / double(g.scale)) * 4 + 2);
    if (stored >= 0 && stored <= g.zero.most()) {
        g.zero.stored = int(stored);
        return g;
    }
    g.scale =
        storedScale(float(std::fabs(mean)), scaleType); // values far from 0 that differ little: 0 and mean
    g.zero.stored = mean > 0 ? 2 : 6;
    return g;
}

MixedGroup MixedGroup::search(int bits, std::span<const float> values, std::span<const float> weights,
                              std::span<const float> shares, DType scaleType) {
    if (bits == 1) return binary(values, weights, scaleType);
    constexpr float kNorm = 2.4f;
    const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
    MixedGroup best;
    double least = INFINITY;
    for (const float share : shares) {
        const MixedGroup g = ofRange(bits, share * *lo, share * *hi, scaleType);
        double sum = 0;
        for (size_t i = 0; i < values.size() && shares.size() > 1; ++i) {
            const float d = std::fabs(g.value(g.nearest(values[i])) - values[i]);
            // Below 1e-30 the power is 0 in effect, and log2 would see 0.
            if (d > 1e-30f)
                sum += double((weights.empty() ? 1.0f : weights[i]) * std::exp2(kNorm * std::log2(d)));
        }
        if (sum < least) {
            least = sum;
            best = g;
        }
    }
    return best;
}

std::vector<int> bitsBySalience(std::span<const double> salience, size_t count, int bits) {
    std::vector<size_t> order(salience.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return salience[a] < salience[b]; });
    std::vector<int> out(salience.size(), bits);
    for (size_t i = 0; i < count; ++i) {
        out[order[i]] = bits - 1;
        out[order[order.size() - 1 - i]] = bits + 1;
    }
    return out;
}

void setGroupBits(std::span<const int> bits, QuantizedTensor& q) {
    for (size_t r = 0; r < q.zero.rows(); ++r)
        for (size_t g = 0; g < bits.size(); ++g) {
            q.scale(r, g) = 1;
            q.zero(r, g) = MixedZero{bits[g], 0}.pack();
        }
}

} // namespace qs
