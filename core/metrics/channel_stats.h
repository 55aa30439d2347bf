// SPDX-License-Identifier: Apache-2.0
// Statistics of matrices by channel, exact histograms, outlier ranking.
#pragma once

#include "core/base/job.h"
#include "core/tensor/matrix.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace qs {

/// One value per channel. Moments are population moments: stddev = sqrt(m2 / n), kurtosis = m4 n / m2^2
/// (Gaussian 3; 0 when m2 = 0). p50, p99, p999 are percentiles of |x| (linear interpolation between order
/// statistics when exact).
struct ChannelStats {
    std::vector<float> min, max, absmax, mean, stddev, kurtosis, p50, p99, p999;
    uint64_t samples = 0;         ///< values per channel
    bool exactPercentiles = true; ///< false: from a logarithmic histogram, relative error below 6.25 %
    size_t channels() const { return absmax.size(); }
};

/// Counts in equal bins over [lo, hi]; the last bin includes hi. Exact: every finite value is counted once.
struct Histogram {
    double lo = 0, hi = 0;
    std::vector<uint64_t> counts;
    uint64_t below = 0, above = 0; ///< outside [lo, hi] (when the range was given)
    uint64_t notFinite = 0;
};

/// A whole matrix: totals, both channel directions, histogram over [min, max].
struct TensorStats {
    double min = 0, max = 0, absmax = 0, mean = 0, stddev = 0, kurtosis = 0;
    double p50 = 0, p99 = 0,
           p999 = 0; ///< of |x|, exact up to the histogram's |x| bin for tensors above 2^22 values
    uint64_t count = 0, zeros = 0, notFinite = 0;
    ChannelStats output; ///< per row, [rows]
    ChannelStats input;  ///< per column, [cols]
    Histogram histogram;
};

/// Streams over row blocks, so the matrix need not be in memory at once: `readRows(first, view)` fills a
/// block. Float64 accumulation. NaN and infinities are counted and left out. Cost: 3 passes over the data.
Result<TensorStats>
tensorStats(size_t rows, size_t cols,
            const std::function<Result<void>(uint64_t firstRow, MatrixView out)>& readRows,
            size_t histogramBins, const JobContext& job);
Result<TensorStats> tensorStats(ConstMatrixView m, size_t histogramBins, const JobContext& job);

Histogram histogram(std::span<const float> values, double lo, double hi, size_t bins);

/// Per-channel statistics of a stream of [tokens, channels] blocks (activations). Mergeable; float64 moments
/// (West / Chan update); percentiles from 8 sub-bins per power of two. Not thread-safe.
class ChannelAccumulator {
public:
    explicit ChannelAccumulator(size_t channels);
    void add(ConstMatrixView block);
    ChannelStats result() const;
    uint64_t samples() const { return samples_; }

private:
    size_t channels_;
    uint64_t samples_ = 0;
    std::vector<float> min_, max_;
    std::vector<double> mean_, m2_, m3_, m4_;
    std::vector<uint32_t> magnitude_; ///< [channels, bins] counts of |x| by exponent and 3 mantissa bits
};

/// The stated rules for "outlier channel".
enum class OutlierRule {
    MedianRatio, ///< absmax of the channel >= threshold x median over channels of absmax (default 6)
    Sigma,       ///< absmax of the channel >= threshold x standard deviation of the whole tensor (default 6)
    LlmInt8,     ///< absmax of the channel >= threshold, absolute (default 6.0; Dettmers et al. 2022,
                 ///< activations)
};
const char* outlierRuleId(OutlierRule rule); ///< "median_ratio", "sigma", "llm_int8"
double outlierRuleDefault(OutlierRule rule);
std::string outlierRuleText(OutlierRule rule, double threshold); ///< "6 x median"

struct OutlierChannel {
    size_t channel = 0;
    float absmax = 0;
    double ratio = 0; ///< absmax / median over channels of absmax
    double score = 0; ///< absmax / limit of the rule: >= 1 is an outlier
};

/// Absolute limit that a channel's absmax is compared with under a rule.
double outlierLimit(const ChannelStats& stats, OutlierRule rule, double threshold);
/// Channels at or above the limit, highest absmax first.
std::vector<OutlierChannel> rankOutliers(const ChannelStats& stats, OutlierRule rule, double threshold);
/// max over channels of absmax / median over channels of absmax; 0 when the median is 0.
double maxMedianRatio(const ChannelStats& stats);

} // namespace qs
