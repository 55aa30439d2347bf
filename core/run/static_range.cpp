// SPDX-License-Identifier: Apache-2.0
#include "core/run/static_range.h"

#include "core/codec/codec.h"
#include "core/quant/range/observers.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

constexpr double kOutside = 1e-4; ///< of the values, on either side
constexpr int kShares = 81;       ///< of the range, in steps of 1 %

class StaticSearch {
public:
    StaticSearch(std::shared_ptr<const Codec> codec, ConstMatrixView x, ValueRange all, const JobContext& job)
        : codec_(std::move(codec)), x_(x), all_(all), job_(job) {}

    Result<FixedRange> run(StaticRange how) {
        if (!(all_.high > all_.low) && all_.low == 0) return FixedRange{1, 0}; // inputs of nothing but 0
        switch (how) {
        case StaticRange::Percentile:
            return rangeOf(percentileInterval(*codec_, values(), kOutside, {all_.low, all_.high}));
        case StaticRange::Mse:
            return leastError();
        case StaticRange::Kl:
            return rangeOf(leastDivergence(*codec_, values(), {all_.low, all_.high}));
        default:
            return rangeOf({all_.low, all_.high});
        }
    }

private:
    FixedRange rangeOf(Interval interval) const {
        FixedRange r;
        codec_->fitRange(interval.low, interval.high, r.scale, r.zero);
        return r;
    }

    std::vector<float> values() const {
        std::vector<float> out;
        out.reserve(x_.rows * x_.cols);
        for (size_t t = 0; t < x_.rows; ++t)
            out.insert(out.end(), x_.row(t), x_.row(t) + x_.cols);
        return out;
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
            const FixedRange r = rangeOf({share * all_.low, share * all_.high});
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
