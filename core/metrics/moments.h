// SPDX-License-Identifier: Apache-2.0
// Moments by channel in one pass. For every channel the sums S_k = sum (x - s)^k, k = 1..4, are kept in
// float64 about a shift s, the channel's first finite value. Then with d = S_1 / n
//   mean = s + d, m2 = S_2 - n d^2, m3 = S_3 - 3 d S_2 + 2 n d^3, m4 = S_4 - 4 d S_3 + 6 d^2 S_2 - 3 n d^4.
// Because s is one of the values, (s - mean)^2 <= m2 and (s - mean)^4 <= m4: the cancellation costs at most a
// factor n of the float64 precision, and a constant channel gives exact zeros.
#pragma once

#include "core/tensor/matrix.h"

#include <cstdint>
#include <vector>

namespace qs {

struct ColumnSums; // backend/sums.h

/// Central moment sums of n values: m_k = sum (x - mean)^k.
struct Moments {
    double n = 0, mean = 0, m2 = 0, m3 = 0, m4 = 0;
    /// Chan, Golub, LeVeque 1983; Pebay 2008 for the third and fourth.
    void merge(const Moments& other);
    double stddev() const;   ///< population; 0 without values
    double kurtosis() const; ///< m4 n / m2^2; 0 when m2 = 0
};

/// Sums of a set of channels; NaN and infinities are counted and left out. Results do not depend on the
/// machine's vector width. Not thread-safe.
class ChannelSums {
public:
    explicit ChannelSums(size_t channels);
    /// What Backend::columnSums or a ColumnTally found about `shift` [channels] in so many rows.
    ChannelSums(std::span<const float> shift, uint64_t rows, const ColumnSums& sums);

    size_t channels() const { return shift_.size(); }
    /// Adds a [values, channels] block: one more value per row for every channel.
    void addRows(ConstMatrixView block);
    /// Adds values of one channel. Several threads may, each to channels of its own.
    void addValues(size_t channel, std::span<const float> values);
    /// Channel c of `other` joins channel c.
    void merge(const ChannelSums& other);

    Moments moments(size_t channel) const;
    /// Of the finite values; 0 when there are none.
    float min(size_t channel) const { return count(channel) ? min_[channel] : 0.0f; }
    float max(size_t channel) const { return count(channel) ? max_[channel] : 0.0f; }
    float absmax(size_t channel) const { return std::max(-min(channel), max(channel)); }
    uint64_t count(size_t channel) const { return seen_[channel] - notFinite_[channel]; }
    uint64_t notFinite(size_t channel) const { return notFinite_[channel]; }
    uint64_t notFinite() const;

private:
    void startChannels(ConstMatrixView block);
    void startChannel(size_t channel, float value);

    size_t notStarted_; ///< at least as many as the channels that addRows() still has to start
    std::vector<float> shift_, min_, max_;
    std::vector<double> s1_, s2_, s3_, s4_;
    std::vector<uint64_t> seen_, notFinite_;
};

} // namespace qs
