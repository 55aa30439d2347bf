// SPDX-License-Identifier: Apache-2.0
#include "core/quant/range/observers.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

class Divergence {
public:
    Divergence(const Codec& codec, std::span<const float> values, Interval whole)
        : codec_(codec)
        , whole_(whole)
        , top_(double(std::max(-whole.low, whole.high)))
        , counts_(std::clamp<size_t>(values.size() / 8 / kFirst * kFirst, 128, 2048)) {
        for (const float v : values) {
            const double place = double(std::fabs(v)) / top_ * double(counts_.size());
            counts_[std::min(counts_.size() - 1, size_t(place))] += 1;
        }
    }

    Interval least() {
        const size_t all = counts_.size(), step = std::max<size_t>(1, all / 256);
        Interval best = whole_;
        double found = INFINITY;
        for (size_t bins = all / kFirst; bins <= all; bins += step) {
            const float share = float(bins) / float(all);
            const Interval tried{share * whole_.low, share * whole_.high};
            const double own = of(bins, tried);
            if (!(own < found)) continue;
            found = own;
            best = tried;
        }
        return best;
    }

private:
    static constexpr size_t kFirst = 16;

    /// Of the first `bins`; what is beyond them counts in the last of the first histogram alone.
    double of(size_t bins, Interval interval) {
        round(bins, interval);
        double outside = 0, all = 0, inside = 0;
        for (size_t i = 0; i < counts_.size(); ++i) {
            all += counts_[i];
            (i < bins ? inside : outside) += counts_[i];
        }
        if (inside == 0) return INFINITY;
        double sum = 0;
        for (size_t first = 0, last = 0; first < bins; first = last) { // bins of one value
            double mass = 0, filled = 0;
            for (last = first; last < bins && rounded_[last] == rounded_[first]; ++last) {
                mass += counts_[last];
                filled += counts_[last] > 0 ? 1 : 0;
            }
            for (size_t i = first; i < last; ++i) {
                const double p = (counts_[i] + (i + 1 == bins ? outside : 0)) / all;
                if (p == 0) continue;
                if (counts_[i] == 0) return INFINITY; // the last bin holds nothing but what is outside
                sum += p * std::log(p / (mass / filled / inside));
            }
        }
        return sum;
    }

    /// The bins' centers on the grid of the interval.
    void round(size_t bins, Interval interval) {
        float scale = 0, zero = 0;
        codec_.fitRange(interval.low, interval.high, scale, zero);
        centers_.resize(bins);
        for (size_t i = 0; i < bins; ++i)
            centers_[i] = float((double(i) + 0.5) * top_ / double(counts_.size()));
        scales_.assign(bins, scale);
        zeros_.assign(bins, zero);
        codes_.resize(bins);
        rounded_.resize(bins);
        codec_.round(centers_.data(), bins, scales_.data(), zeros_.data(), codes_.data(), rounded_.data());
    }

    const Codec& codec_;
    Interval whole_;
    double top_;
    std::vector<double> counts_; ///< of magnitudes, in bins of 0 .. top_
    std::vector<float> centers_, rounded_, scales_, zeros_;
    std::vector<uint8_t> codes_;
};

} // namespace

Interval percentileInterval(const Codec& codec, std::span<const float> values, double outside,
                            Interval whole) {
    std::vector<float> v(values.begin(), values.end());
    const auto at = [&v](double share) {
        const auto rank = std::ptrdiff_t(std::llround(share * double(v.size() - 1)));
        std::nth_element(v.begin(), v.begin() + rank, v.end());
        return v[size_t(rank)];
    };
    if (codec.symmetric()) {
        for (float& value : v)
            value = std::fabs(value);
        const float largest = at(1 - 2 * outside);
        return largest > 0 ? Interval{-largest, largest} : whole;
    }
    const float low = at(outside), high = at(1 - outside);
    return high > low ? Interval{low, high} : whole;
}

Interval leastDivergence(const Codec& codec, std::span<const float> values, Interval whole) {
    if (!(std::max(-whole.low, whole.high) > 0)) return whole;
    return Divergence(codec, values, whole).least();
}

} // namespace qs
