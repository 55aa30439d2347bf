// SPDX-License-Identifier: Apache-2.0
#include "core/run/static_range.h"

#include "core/codec/codec.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

constexpr double kOutside = 1e-4; ///< of the values, on either side
constexpr int kShares = 81;       ///< of the range, in steps of 1 %
constexpr size_t kBins = 2048, kFirstBins = kBins / 16, kBinStep = 8;

class StaticSearch {
public:
    StaticSearch(std::shared_ptr<const Codec> codec, ConstMatrixView x, ValueRange all, const JobContext& job)
        : codec_(std::move(codec)), x_(x), all_(all), job_(job) {}

    Result<FixedRange> run(StaticRange how) {
        if (!(all_.high > all_.low) && all_.low == 0) return FixedRange{1, 0}; // inputs of nothing but 0
        switch (how) {
        case StaticRange::Percentile:
            return percentile();
        case StaticRange::Mse:
            return leastError();
        case StaticRange::Kl:
            return leastDivergence();
        default:
            return rangeOf(all_.low, all_.high);
        }
    }

private:
    FixedRange rangeOf(float low, float high) const {
        FixedRange r;
        codec_->fitRange(low, high, r.scale, r.zero);
        return r;
    }

    std::vector<float> values() const {
        std::vector<float> out;
        out.reserve(x_.rows * x_.cols);
        for (size_t t = 0; t < x_.rows; ++t)
            out.insert(out.end(), x_.row(t), x_.row(t) + x_.cols);
        return out;
    }

    FixedRange percentile() const {
        std::vector<float> v = values();
        const auto at = [&v](double share) {
            const auto rank = std::ptrdiff_t(std::llround(share * double(v.size() - 1)));
            std::nth_element(v.begin(), v.begin() + rank, v.end());
            return v[size_t(rank)];
        };
        if (codec_->symmetric()) {
            for (float& value : v)
                value = std::fabs(value);
            const float largest = at(1 - 2 * kOutside);
            return largest > 0 ? rangeOf(-largest, largest) : rangeOf(all_.low, all_.high);
        }
        const float low = at(kOutside), high = at(1 - kOutside);
        return high > low ? rangeOf(low, high) : rangeOf(all_.low, all_.high);
    }

    /// `rounded` [n]: the values of `v` on the grid of a range.
    void round(std::span<const float> v, const FixedRange& r, std::vector<float>& rounded) {
        scales_.assign(v.size(), r.scale);
        zeros_.assign(v.size(), r.zero);
        codes_.resize(v.size());
        rounded.resize(v.size());
        codec_->round(v.data(), v.size(), scales_.data(), zeros_.data(), codes_.data(), rounded.data());
    }

    Result<FixedRange> leastError() {
        const std::vector<float> v = values();
        std::vector<float> rounded;
        FixedRange best;
        double least = INFINITY;
        for (int i = 0; i < kShares; ++i) {
            QS_CHECK(job_.checkpoint());
            const float share = 1 - float(i) / 100;
            const FixedRange r = rangeOf(share * all_.low, share * all_.high);
            round(v, r, rounded);
            double error = 0;
            for (size_t k = 0; k < v.size(); ++k)
                error += (double(rounded[k]) - double(v[k])) * (double(rounded[k]) - double(v[k]));
            if (!(error < least)) continue;
            least = error;
            best = r;
        }
        return best;
    }

    /// Of magnitudes; an asymmetric grid is shrunk on both sides alike.
    Result<FixedRange> leastDivergence() {
        const float top = std::max(-all_.low, all_.high);
        std::vector<double> histogram(kBins);
        for (size_t t = 0; t < x_.rows; ++t)
            for (size_t c = 0; c < x_.cols; ++c) {
                const double place = double(std::fabs(x_(t, c))) / double(top) * double(kBins);
                histogram[std::min(kBins - 1, size_t(place))] += 1;
            }
        FixedRange best = rangeOf(all_.low, all_.high);
        double least = INFINITY;
        for (size_t bins = kFirstBins; bins <= kBins; bins += kBinStep) {
            QS_CHECK(job_.checkpoint());
            const float share = float(bins) / float(kBins);
            const FixedRange r = rangeOf(share * all_.low, share * all_.high);
            const double own = divergence(histogram, bins, r, double(top) / double(kBins));
            if (!(own < least)) continue;
            least = own;
            best = r;
        }
        return best;
    }

    /// Of the first `bins`; what is beyond them counts in the last of the first histogram alone.
    double divergence(const std::vector<double>& histogram, size_t bins, const FixedRange& r, double width) {
        std::vector<float> centers(bins), rounded;
        for (size_t i = 0; i < bins; ++i)
            centers[i] = float((double(i) + 0.5) * width);
        round(centers, r, rounded);
        double outside = 0, all = 0, inside = 0;
        for (size_t i = 0; i < kBins; ++i) {
            all += histogram[i];
            (i < bins ? inside : outside) += histogram[i];
        }
        if (inside == 0) return INFINITY;
        double sum = 0;
        for (size_t first = 0, last = 0; first < bins; first = last) { // bins of one value
            double mass = 0, filled = 0;
            for (last = first; last < bins && rounded[last] == rounded[first]; ++last) {
                mass += histogram[last];
                filled += histogram[last] > 0 ? 1 : 0;
            }
            for (size_t i = first; i < last; ++i) {
                const double p = (histogram[i] + (i + 1 == bins ? outside : 0)) / all;
                if (p == 0) continue;
                if (histogram[i] == 0) return INFINITY; // the last bin holds nothing but what is outside
                sum += p * std::log(p / (mass / filled / inside));
            }
        }
        return sum;
    }

    std::shared_ptr<const Codec> codec_;
    ConstMatrixView x_;
    ValueRange all_;
    const JobContext& job_;
    std::vector<float> scales_, zeros_;
    std::vector<uint8_t> codes_;
};

} // namespace

Result<FixedRange> searchStaticRange(const InputScheme& inputs, ConstMatrixView x, ValueRange all,
                                     const JobContext& job) {
    QS_TRY(auto codec, createCodec(inputs.codec, inputs.codecParams));
    return StaticSearch(std::move(codec), x, all, job).run(inputs.staticRange);
}

} // namespace qs
