// SPDX-License-Identifier: Apache-2.0
// The kernel is compiled once per instruction set; the best one is chosen at the first call. Channels are the
// lanes and every channel's sums run over its values in order, without fused multiply-add, so every machine
// computes the same bits.
#include "core/metrics/moments.h"

#include "core/backend/sums.h"
#include "core/linalg/parallel.h"
#include "core/metrics/power_sums.h"

#include <atomic>
#include <cmath>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/metrics/moments.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef QS_METRICS_MOMENTS_ONCE
#define QS_METRICS_MOMENTS_ONCE
namespace qs {
/// The sums of consecutive channels, as the kernel sees them.
struct SumPointers {
    const float* shift;
    float *min, *max;
    double *s1, *s2, *s3, *s4;
    SumPointers from(size_t channel) const {
        return {shift + channel, min + channel, max + channel, s1 + channel,
                s2 + channel,    s3 + channel,  s4 + channel};
    }
};
} // namespace qs
#endif

HWY_BEFORE_NAMESPACE();
namespace qs {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Rows taken together, so that the sums are loaded and stored once for all of them.
constexpr size_t kRowsTogether = 8;

/// Adds `rows` values to each of the Lanes(dd) channels at `x`. True when one of them is not finite.
template<class DD>
HWY_INLINE bool addLanes(DD dd, const float* x, size_t rows, size_t stride, const SumPointers& sums) {
    const hn::Rebind<float, DD> df;
    const auto infinity = hn::Set(df, std::numeric_limits<float>::infinity());
    const auto shift = hn::LoadU(df, sums.shift);
    const auto shiftD = hn::PromoteTo(dd, shift);
    auto low = hn::LoadU(df, sums.min), high = hn::LoadU(df, sums.max);
    auto s1 = hn::LoadU(dd, sums.s1), s2 = hn::LoadU(dd, sums.s2);
    auto s3 = hn::LoadU(dd, sums.s3), s4 = hn::LoadU(dd, sums.s4);
    auto allFinite = hn::Eq(shift, shift); // shifts are finite: all true
    for (size_t r = 0; r < rows; ++r) {
        __builtin_prefetch(x +
                           (r + kRowsTogether) * stride); // rows lie too far apart for the processor to guess
        auto v = hn::LoadU(df, x + r * stride);
        const auto finite = hn::Lt(hn::Abs(v), infinity);
        allFinite = hn::And(allFinite, finite);
        v = hn::IfThenElse(finite, v, shift);
        low = hn::Min(low, v);
        high = hn::Max(high, v);
        const auto d = hn::Sub(hn::PromoteTo(dd, v), shiftD);
        const auto d2 = hn::Mul(d, d);
        s1 = hn::Add(s1, d);
        s2 = hn::Add(s2, d2);
        s3 = hn::Add(s3, hn::Mul(d2, d));
        s4 = hn::Add(s4, hn::Mul(d2, d2));
    }
    hn::StoreU(low, df, sums.min);
    hn::StoreU(high, df, sums.max);
    hn::StoreU(s1, dd, sums.s1);
    hn::StoreU(s2, dd, sums.s2);
    hn::StoreU(s3, dd, sums.s3);
    hn::StoreU(s4, dd, sums.s4);
    return !hn::AllTrue(df, allFinite);
}

bool addTile(const float* x, size_t rows, size_t cols, size_t stride, const SumPointers& sums) {
    const hn::ScalableTag<double> dd;
    const hn::CappedTag<double, 1> one;
    const size_t lanes = hn::Lanes(dd);
    bool bad = false;
    for (size_t r = 0; r < rows; r += kRowsTogether) {
        const size_t n = std::min(kRowsTogether, rows - r);
        const float* base = x + r * stride;
        size_t c = 0;
        for (; c + lanes <= cols; c += lanes)
            bad |= addLanes(dd, base + c, n, stride, sums.from(c));
        for (; c < cols; ++c)
            bad |= addLanes(one, base + c, n, stride, sums.from(c));
    }
    return bad;
}

} // namespace HWY_NAMESPACE
} // namespace qs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace qs {

HWY_EXPORT(addTile);

namespace {

/// Channels per tile: their sums (44 bytes each) stay in the first-level cache while the rows pass.
constexpr size_t kTileChannels = 512;
/// One channel's values are summed in this many interleaved lanes.
constexpr size_t kValueLanes = 16;

/// Sums about another shift, which is `delta` below the old one (old - new = delta).
struct Sums {
    double n, s1, s2, s3, s4;
    Sums translated(double delta) const {
        const double d2 = delta * delta;
        return {n, s1 + n * delta, s2 + 2 * delta * s1 + n * d2,
                s3 + 3 * delta * s2 + 3 * d2 * s1 + n * d2 * delta,
                s4 + 4 * delta * s3 + 6 * d2 * s2 + 4 * d2 * delta * s1 + n * d2 * d2};
    }
};

} // namespace

Moments momentsAbout(double shift, double n, const double (&s)[4]) {
    Moments m;
    if (n == 0) return m;
    const double d = s[0] / n;
    m.n = n;
    m.mean = shift + d;
    m.m2 = std::max(0.0, s[1] - n * d * d);
    m.m3 = s[2] - 3 * d * s[1] + 2 * n * d * d * d;
    m.m4 = std::max(0.0, s[3] - 4 * d * s[2] + 6 * d * d * s[1] - 3 * n * d * d * d * d);
    return m;
}

void Moments::merge(const Moments& b) {
    if (b.n == 0) return;
    if (n == 0) {
        *this = b;
        return;
    }
    const double na = n, nb = b.n, total = na + nb;
    const double d = b.mean - mean, dn = d / total;
    const double m2New = m2 + b.m2 + d * dn * na * nb;
    const double m3New = m3 + b.m3 + d * dn * dn * na * nb * (na - nb) + 3 * dn * (na * b.m2 - nb * m2);
    m4 += b.m4 + d * dn * dn * dn * na * nb * (na * na - na * nb + nb * nb) +
          6 * dn * dn * (na * na * b.m2 + nb * nb * m2) + 4 * dn * (na * b.m3 - nb * m3);
    m3 = m3New;
    m2 = m2New;
    mean += dn * nb;
    n = total;
}

double Moments::stddev() const {
    return n > 0 ? std::sqrt(m2 / n) : 0.0;
}
double Moments::kurtosis() const {
    return m2 > 0 ? m4 / m2 * n / m2 : 0.0;
}

ChannelSums::ChannelSums(size_t channels)
    : notStarted_(channels)
    , shift_(channels)
    , min_(channels)
    , max_(channels)
    , s1_(channels)
    , s2_(channels)
    , s3_(channels)
    , s4_(channels)
    , seen_(channels)
    , notFinite_(channels) {}

ChannelSums::ChannelSums(std::span<const float> shift, uint64_t rows, const ColumnSums& sums)
    : notStarted_(shift.size())
    , shift_(shift.begin(), shift.end())
    , min_(sums.min)
    , max_(sums.max)
    , s1_(sums.powers[0])
    , s2_(sums.powers[1])
    , s3_(sums.powers[2])
    , s4_(sums.powers[3])
    , seen_(shift.size(), rows)
    , notFinite_(sums.notFinite) {}

void ChannelSums::startChannel(size_t channel, float value) {
    shift_[channel] = min_[channel] = max_[channel] = value;
}

void ChannelSums::startChannels(ConstMatrixView block) {
    for (size_t c = 0; c < channels() && notStarted_ > 0; ++c) {
        if (count(c) > 0) continue;
        for (size_t r = 0; r < block.rows; ++r)
            if (std::isfinite(block(r, c))) {
                startChannel(c, block(r, c));
                --notStarted_;
                break;
            }
    }
}

void ChannelSums::addRows(ConstMatrixView block) {
    assert(block.cols == channels());
    if (notStarted_ > 0) startChannels(block);
    const SumPointers all{shift_.data(), min_.data(), max_.data(), s1_.data(),
                          s2_.data(),    s3_.data(),  s4_.data()};
    std::atomic<bool> bad{false};
    linalg::parallelFor((block.cols + kTileChannels - 1) / kTileChannels, 1, [&](size_t begin, size_t end) {
        for (size_t t = begin; t < end; ++t) {
            const size_t c = t * kTileChannels, n = std::min(kTileChannels, block.cols - c);
            if (HWY_DYNAMIC_DISPATCH(addTile)(block.data + c, block.rows, n, block.stride, all.from(c)))
                bad = true;
        }
    });
    for (uint64_t& seen : seen_)
        seen += block.rows;
    if (!bad) return;
    for (size_t r = 0; r < block.rows; ++r)
        for (size_t c = 0; c < block.cols; ++c)
            notFinite_[c] += !std::isfinite(block(r, c));
}

void ChannelSums::addValues(size_t channel, std::span<const float> values) {
    if (count(channel) == 0) {
        const auto first =
            std::find_if(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
        if (first != values.end()) startChannel(channel, *first);
    }
    seen_[channel] += values.size();
    float shift[kValueLanes], low[kValueLanes], high[kValueLanes];
    double s[4][kValueLanes] = {};
    std::fill_n(shift, kValueLanes, shift_[channel]);
    std::fill_n(low, kValueLanes, min_[channel]);
    std::fill_n(high, kValueLanes, max_[channel]);
    const SumPointers lanes{shift, low, high, s[0], s[1], s[2], s[3]};
    const size_t whole = values.size() / kValueLanes, rest = values.size() % kValueLanes;
    const auto add = HWY_DYNAMIC_DISPATCH(addTile);
    bool bad = add(values.data(), whole, kValueLanes, kValueLanes, lanes);
    bad |= add(values.data() + whole * kValueLanes, rest ? 1 : 0, rest, kValueLanes, lanes);
    min_[channel] = *std::min_element(low, low + kValueLanes);
    max_[channel] = *std::max_element(high, high + kValueLanes);
    std::vector<double>* sums[4] = {&s1_, &s2_, &s3_, &s4_};
    for (int k = 0; k < 4; ++k)
        (*sums[k])[channel] = std::accumulate(s[k], s[k] + kValueLanes, (*sums[k])[channel]);
    if (bad)
        notFinite_[channel] +=
            size_t(std::count_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); }));
}

void ChannelSums::merge(const ChannelSums& other) {
    assert(other.channels() == channels());
    for (size_t c = 0; c < channels(); ++c) {
        if (other.count(c) > 0) {
            if (count(c) == 0) startChannel(c, other.shift_[c]);
            const Sums t =
                Sums{double(other.count(c)), other.s1_[c], other.s2_[c], other.s3_[c], other.s4_[c]}
                    .translated(double(other.shift_[c]) - double(shift_[c]));
            s1_[c] += t.s1;
            s2_[c] += t.s2;
            s3_[c] += t.s3;
            s4_[c] += t.s4;
            min_[c] = std::min(min_[c], other.min_[c]);
            max_[c] = std::max(max_[c], other.max_[c]);
        }
        seen_[c] += other.seen_[c];
        notFinite_[c] += other.notFinite_[c];
    }
}

Moments ChannelSums::moments(size_t c) const {
    return momentsAbout(double(shift_[c]), double(count(c)), {s1_[c], s2_[c], s3_[c], s4_[c]});
}

uint64_t ChannelSums::notFinite() const {
    return std::accumulate(notFinite_.begin(), notFinite_.end(), uint64_t(0));
}

} // namespace qs
#endif // HWY_ONCE
