// SPDX-License-Identifier: Apache-2.0
// Statistics of matrices by channel, exact histograms, outlier ranking.
#pragma once

#include "core/base/job.h"
#include "core/metrics/moments.h"
#include "core/metrics/percentile.h"
#include "core/tensor/matrix.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace qs {

struct TallySums; // backend/sums.h

/// One value per channel. Moments are population moments: stddev = sqrt(m2 / n), kurtosis = m4 n / m2^2
/// (Gaussian 3; 0 when m2 = 0). p50, p99, p999 are percentiles of |x| (see percentile.h). Non-finite values
/// are left out of everything but `samples`; a channel without finite values is all 0.
struct ChannelStats {
    std::vector<float> min, max, absmax, mean, stddev, kurtosis, p50, p99, p999;
    uint64_t samples = 0;         ///< values per channel
    bool exactPercentiles = true; ///< false: from MagnitudeCounts, relative error below 6.25 %
    size_t channels() const { return absmax.size(); }
};

/// Counts in equal bins over [lo, hi]: bin i holds edge_i <= x < edge_{i+1}, edge_i = lo + i (hi - lo) /
/// bins, the last bin includes hi. Exact: every finite value is counted once. When lo == hi, bin 0 holds x ==
/// lo.
struct Histogram {
    double lo = 0, hi = 0;
    std::vector<uint64_t> counts;
    uint64_t below = 0, above = 0; ///< outside [lo, hi] (when the range was given)
    uint64_t notFinite = 0;
};

/// A whole matrix: totals, both channel directions, histogram over [min, max].
struct TensorStats {
    double min = 0, max = 0, absmax = 0, mean = 0, stddev = 0, kurtosis = 0;
    double p50 = 0, p99 = 0, p999 = 0; ///< of |x|, exact
    uint64_t count = 0, zeros = 0, notFinite = 0;
    ChannelStats output; ///< per row, [rows]
    ChannelStats input;  ///< per column, [cols]
    Histogram histogram;
};

/// Streams over row blocks: `readRows(first, view)` fills a block. Float64 accumulation. NaN and infinities
/// are counted and left out; infinite min..max never occur. Up to 2^26 values the matrix is read once and
/// kept (256 MiB); a larger one is read twice and its column percentiles are approximate
/// (input.exactPercentiles). `histogramBins` in 1 .. 2^20. A stop request is answered within 2^20 values (or
/// one row, or 16 columns). Runs on linalg::threads() threads; the result does not depend on them.
Result<TensorStats>
tensorStats(size_t rows, size_t cols,
            const std::function<Result<void>(uint64_t firstRow, MatrixView out)>& readRows,
            size_t histogramBins, const JobContext& job);
Result<TensorStats> tensorStats(ConstMatrixView m, size_t histogramBins, const JobContext& job);

/// lo <= hi, finite; bins >= 1.
Histogram histogram(std::span<const float> values, double lo, double hi, size_t bins);

/// Per-channel statistics of a stream of [tokens, channels] blocks (activations). Mergeable; float64 moments
/// (moments.h); percentiles from 8 bins per power of two (MagnitudeCounts). Not thread-safe.
class ChannelAccumulator {
public:
    explicit ChannelAccumulator(size_t channels);
    /// block.cols == channels.
    void add(ConstMatrixView block);
    /// Joins what a tally about `shift` [channels] has of so many other tokens.
    void merge(std::span<const float> shift, uint64_t tokens, const TallySums& tally);
    /// Joins the statistics of other tokens of the same channels.
    void merge(const ChannelAccumulator& other);
    ChannelStats result() const;
    uint64_t samples() const { return samples_; }
    /// NaN and infinities over all channels so far.
    uint64_t notFinite() const { return sums_.notFinite(); }

private:
    uint64_t samples_ = 0;
    ChannelSums sums_;
    MagnitudeCounts magnitudes_;
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

/// Absolute limit that a channel's absmax is compared with under a rule. The standard deviation of the whole
/// tensor follows from the channels' means and standard deviations (equal samples).
double outlierLimit(const ChannelStats& stats, OutlierRule rule, double threshold);
/// Channels at or above the limit, highest absmax first (equal ones by channel). None when the limit is 0:
/// there is nothing to compare with.
std::vector<OutlierChannel> rankOutliers(const ChannelStats& stats, OutlierRule rule, double threshold);
/// max over channels of absmax / median over channels of absmax; 0 when the median is 0.
double maxMedianRatio(const ChannelStats& stats);

} // namespace qs
