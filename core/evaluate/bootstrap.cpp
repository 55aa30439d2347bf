// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <vector>

namespace qs {

namespace {

constexpr uint64_t kIncrement = 0x9E3779B97F4A7C15ull;
constexpr size_t kDrawsPerCheckpoint = size_t(1) << 22;

uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

Result<std::vector<double>> windowMeans(std::span<const float> a, std::span<const float> b,
                                        size_t perWindow) {
    if (a.size() != b.size())
        return Error::invalid(fmt::format("{} tokens cannot be paired with {}", a.size(), b.size()));
    if (perWindow == 0 || a.size() % perWindow != 0)
        return Error::invalid(
            fmt::format("{} tokens are not whole windows of {} scored tokens", a.size(), perWindow));
    if (a.size() / perWindow < 2 || a.size() / perWindow > size_t(UINT32_MAX))
        return Error::invalid(
            fmt::format("{} window was measured, resampling needs 2 or more", a.size() / perWindow));
    std::vector<double> means(a.size() / perWindow, 0.0);
    for (size_t i = 0; i < a.size(); ++i) {
        const double d = double(a[i]) - double(b[i]);
        if (!std::isfinite(d)) return Error::invalid(fmt::format("token {} has no finite value", i));
        means[i / perWindow] += d;
    }
    for (double& m : means)
        m /= double(perWindow);
    return means;
}

double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values)
        sum += v;
    return sum / double(values.size());
}

double percentile(const std::vector<double>& sorted, double p) {
    const double h = double(sorted.size() - 1) * p;
    const auto k = std::min(size_t(h), sorted.size() - 2);
    return sorted[k] + (h - double(k)) * (sorted[k + 1] - sorted[k]);
}

} // namespace

Result<PairedDifference> pairedBootstrap(std::span<const float> a, std::span<const float> b, size_t perWindow,
                                         const BootstrapOptions& options, const JobContext& job) {
    if (options.resamples < 100 || options.resamples > 1000000)
        return Error::invalid(
            fmt::format("the number of resamples must be in 100 .. 1000000, not {}", options.resamples));
    QS_TRY(const std::vector<double> windows, windowMeans(a, b, perWindow));
    const size_t count = windows.size();
    const uint64_t start = mix(options.seed);
    std::vector<double> means(options.resamples);
    size_t sinceCheckpoint = 0;
    uint64_t state = start;
    for (double& m : means) {
        double sum = 0;
        for (size_t j = 0; j < count; ++j) {
            state += kIncrement;
            sum += windows[size_t(((mix(state) >> 32) * uint64_t(count)) >> 32)];
        }
        m = sum / double(count);
        if ((sinceCheckpoint += count) < kDrawsPerCheckpoint) continue;
        sinceCheckpoint = 0;
        QS_CHECK(job.checkpoint());
    }
    PairedDifference d;
    d.windows = count;
    d.resamples = means.size();
    d.mean = mean(windows);
    const double centre = mean(means);
    double squares = 0, below = 0;
    for (const double m : means) {
        squares += (m - centre) * (m - centre);
        below += m < 0 ? 1 : m == 0 ? 0.5 : 0;
    }
    d.standardError = std::sqrt(squares / double(means.size() - 1));
    d.probabilityBelow = below / double(means.size());
    std::sort(means.begin(), means.end());
    d.low = percentile(means, 0.025);
    d.high = percentile(means, 0.975);
    return d;
}

} // namespace qs
