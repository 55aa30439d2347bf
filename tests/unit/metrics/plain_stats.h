// SPDX-License-Identifier: Apache-2.0
// The definitions of the statistics, computed the obvious way in long double: what the streamed ones are held
// against.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace qs::test {

struct PlainStats {
    long double mean = 0, stddev = 0, kurtosis = 0;
};

inline PlainStats plainStats(const std::vector<float>& values) {
    PlainStats s;
    const long double n = values.size();
    for (const float v : values)
        s.mean += v / n;
    long double m2 = 0, m4 = 0;
    for (const float v : values) {
        const long double d = v - s.mean;
        m2 += d * d / n;
        m4 += d * d * d * d / n;
    }
    s.stddev = std::sqrt(m2);
    s.kurtosis = m2 > 0 ? m4 / (m2 * m2) : 0;
    return s;
}

/// numpy.percentile(abs(values), 100 p).
inline double plainPercentile(std::vector<float> values, double p) {
    for (float& v : values)
        v = std::fabs(v);
    std::sort(values.begin(), values.end());
    const double h = double(values.size() - 1) * p;
    const size_t low = size_t(h), high = std::min(low + 1, values.size() - 1);
    return double(values[low]) + (h - double(low)) * (double(values[high]) - double(values[low]));
}

/// False for NaN.
inline bool near(double value, double expected, double relative) {
    return std::fabs(value - expected) <= relative * std::fabs(expected);
}

/// Gaussian values with a few that are 100 times larger.
inline std::vector<float> heavyTailed(size_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> gauss(0.1f, 1.0f);
    std::vector<float> values(n);
    for (float& v : values)
        v = gauss(random) * (random() % 97 == 0 ? 100.0f : 1.0f);
    return values;
}

} // namespace qs::test
