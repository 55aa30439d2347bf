// SPDX-License-Identifier: Apache-2.0
// The kernel is compiled once per instruction set; the best one is chosen at the first call.
#include "core/metrics/weight_scan.h"

#include "core/linalg/parallel.h"
#include "core/metrics/power_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/metrics/weight_scan.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef QS_METRICS_WEIGHT_SCAN_ONCE
#define QS_METRICS_WEIGHT_SCAN_ONCE
namespace qs {
/// About a shift, over finite values.
struct PowerSums {
    double s1 = 0, s2 = 0, s3 = 0, s4 = 0;
    uint64_t notFinite = 0;
};
} // namespace qs
#endif

HWY_BEFORE_NAMESPACE();
namespace qs {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Sums of one row, a lane each.
template<class D>
struct RowSums {
    explicit RowSums(D d) : most(hn::Zero(d)), s1(most), s2(most), s3(most), s4(most) {}
    hn::Vec<D> most, s1, s2, s3, s4;

    HWY_INLINE void add(D d, hn::Vec<D> v, hn::Vec<D> a, hn::Vec<D> shift) {
        most = hn::Max(most, a);
        const auto e = hn::Sub(v, shift), e2 = hn::Mul(e, e);
        s1 = hn::Add(s1, e);
        s2 = hn::Add(s2, e2);
        s3 = hn::MulAdd(e2, e, s3);
        s4 = hn::MulAdd(e2, e2, s4);
    }
    void addTo(D d, float& row, PowerSums& sums) const {
        row = std::max(row, hn::GetLane(hn::MaxOfLanes(d, most)));
        sums.s1 += double(hn::GetLane(hn::SumOfLanes(d, s1)));
        sums.s2 += double(hn::GetLane(hn::SumOfLanes(d, s2)));
        sums.s3 += double(hn::GetLane(hn::SumOfLanes(d, s3)));
        sums.s4 += double(hn::GetLane(hn::SumOfLanes(d, s4)));
    }
};

/// `n` values of each of `Rows` rows, `stride` apart, into the sums, the columns' and the rows' largest
/// magnitudes. Two rows at once: their sums do not wait for each other, and columns are read once for both.
template<size_t Rows, class D>
HWY_INLINE void addValues(D d, const float* x, size_t stride, size_t n, float shift, float* columns,
                          float* rows, PowerSums& sums) {
    static_assert(Rows == 1 || Rows == 2);
    const size_t lanes = hn::Lanes(d);
    const auto k = hn::Set(d, shift), infinity = hn::Set(d, std::numeric_limits<float>::infinity());
    const float* other = x + (Rows - 1) * stride;
    RowSums<D> one(d), two(d);
    for (size_t c = 0; c + lanes <= n; c += lanes) {
        auto v = hn::LoadU(d, x + c), w = hn::LoadU(d, other + c);
        auto a = hn::Abs(v), b = hn::Abs(w);
        auto most = Rows == 1 ? a : hn::Max(a, b);
        // Max may lose a NaN, sums do not.
        if (!hn::AllTrue(d, hn::Lt(hn::Add(a, b), infinity))) {
            const auto finite = hn::Lt(a, infinity), alsoFinite = hn::Lt(b, infinity);
            sums.notFinite += lanes - hn::CountTrue(d, finite);
            if (Rows == 2) sums.notFinite += lanes - hn::CountTrue(d, alsoFinite);
            a = hn::IfThenElseZero(finite, a);
            v = hn::IfThenElse(finite, v, k);
            b = hn::IfThenElseZero(alsoFinite, b);
            w = hn::IfThenElse(alsoFinite, w, k);
            most = hn::Max(a, b);
        }
        hn::StoreU(hn::Max(hn::LoadU(d, columns + c), most), d, columns + c);
        one.add(d, v, a, k);
        if (Rows == 2) two.add(d, w, b, k);
    }
    one.addTo(d, rows[0], sums);
    if (Rows == 2) two.addTo(d, rows[1], sums);
}

template<size_t Rows>
void addSomeRows(const float* x, size_t stride, size_t n, float shift, float* columns, float* rows,
                 PowerSums& sums) {
    constexpr size_t kTogether = 4096; // float32 sums run over so many values at most
    const hn::ScalableTag<float> d;
    const hn::CappedTag<float, 1> one;
    for (size_t c = 0; c < n; c += kTogether) {
        const size_t count = std::min(kTogether, n - c), whole = count / hn::Lanes(d) * hn::Lanes(d);
        addValues<Rows>(d, x + c, stride, whole, shift, columns + c, rows, sums);
        addValues<Rows>(one, x + c + whole, stride, count - whole, shift, columns + c + whole, rows, sums);
    }
}

/// `rows` has the largest magnitude of each.
void addRows(ConstMatrixView x, float shift, float* columns, float* rows, PowerSums& sums) {
    size_t r = 0;
    for (; r + 2 <= x.rows; r += 2)
        addSomeRows<2>(x.row(r), x.stride, x.cols, shift, columns, rows + r, sums);
    if (r < x.rows) addSomeRows<1>(x.row(r), x.stride, x.cols, shift, columns, rows + r, sums);
}

} // namespace HWY_NAMESPACE
} // namespace qs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace qs {

HWY_EXPORT(addRows);

namespace {

/// Values that a thread reads at once: they stay in its second-level cache.
constexpr size_t kStripeValues = size_t(1) << 16;
constexpr size_t kStripesTogether = 256;
/// Stripes of one thread at once, for which it keeps the columns' magnitudes apart.
constexpr size_t kStripeGrain = 8;
constexpr size_t kSampledRows = 8;
/// Sums about a shift so many standard deviations off lose the digits that the answer needs.
constexpr double kFarOff = 4;

struct Stripe {
    PowerSums sums;
    size_t values = 0;
};

/// Rows of the matrix; what is not in memory is read into the buffer, which grows for it.
using Rows = std::function<Result<ConstMatrixView>(size_t first, size_t count, Matrix& buffer)>;

class Scanner {
public:
    Scanner(size_t rows, size_t cols, const Rows& read, const JobContext& job)
        : rows_(rows)
        , cols_(cols)
        , height_(std::clamp<size_t>(kStripeValues / std::max<size_t>(1, cols), 1, std::max<size_t>(1, rows)))
        , read_(read)
        , job_(job) {}

    Result<WeightScan> run() {
        if (rows_ == 0 || cols_ == 0) return WeightScan{};
        QS_TRY(float shift, sampledMean());
        QS_TRY(Moments total, pass(shift));
        if (std::fabs(total.mean - double(shift)) > kFarOff * total.stddev()) {
            shift = float(total.mean);
            QS_TRY(total, pass(shift));
        }
        out_.count = uint64_t(rows_) * cols_;
        out_.mean = total.mean;
        out_.stddev = total.stddev();
        out_.kurtosis = total.kurtosis();
        out_.absmax = double(*std::max_element(out_.outputAbsmax.begin(), out_.outputAbsmax.end()));
        return std::move(out_);
    }

private:
    /// Of rows that lie evenly: what the mean will be, roughly.
    Result<float> sampledMean() {
        const size_t count = std::min(rows_, kSampledRows);
        Matrix buffer;
        double sum = 0;
        size_t n = 0;
        for (size_t k = 0; k < count; ++k) {
            QS_TRY(const ConstMatrixView row, read_(k * rows_ / count, 1, buffer));
            for (const float v : row.rowSpan(0))
                if (std::isfinite(v)) {
                    sum += v;
                    ++n;
                }
        }
        return n > 0 ? float(sum / double(n)) : 0.0f;
    }

    Result<Moments> pass(float shift) {
        out_.outputAbsmax.assign(rows_, 0);
        out_.inputAbsmax.assign(cols_, 0);
        out_.notFinite = 0;
        Moments total;
        const size_t stripes = (rows_ + height_ - 1) / height_;
        for (size_t first = 0; first < stripes; first += kStripesTogether) {
            std::vector<Stripe> done(std::min(kStripesTogether, stripes - first));
            linalg::FirstError error;
            linalg::parallelFor(done.size(), kStripeGrain, [&](size_t begin, size_t end) {
                error.note(someStripes(first, begin, end, shift, done));
            });
            QS_CHECK(error.result());
            for (const Stripe& s : done) { // in their order, whoever made them
                out_.notFinite += s.sums.notFinite;
                total.merge(momentsOf(s, shift));
            }
            QS_CHECK(job_.checkpoint());
        }
        return total;
    }

    Result<void> someStripes(size_t first, size_t begin, size_t end, float shift, std::vector<Stripe>& done) {
        Matrix buffer;
        std::vector<float> columns(cols_, 0.0f);
        for (size_t i = begin; i < end; ++i) {
            const size_t row = (first + i) * height_, n = std::min(height_, rows_ - row);
            QS_TRY(const ConstMatrixView part, read_(row, n, buffer));
            HWY_DYNAMIC_DISPATCH(addRows)
            (part, shift, columns.data(), out_.outputAbsmax.data() + row, done[i].sums);
            done[i].values = n * cols_;
        }
        const std::lock_guard lock(mutex_);
        for (size_t c = 0; c < cols_; ++c)
            out_.inputAbsmax[c] = std::max(out_.inputAbsmax[c], columns[c]);
        return {};
    }

    static Moments momentsOf(const Stripe& s, float shift) {
        const PowerSums& p = s.sums;
        return momentsAbout(double(shift), double(s.values - p.notFinite), {p.s1, p.s2, p.s3, p.s4});
    }

    size_t rows_, cols_, height_;
    const Rows& read_;
    const JobContext& job_;
    WeightScan out_;
    std::mutex mutex_; ///< of out_.inputAbsmax
};

} // namespace

Result<WeightScan> scanWeights(size_t rows, size_t cols, const RowReader& readRows, const JobContext& job) {
    const Rows read = [&](size_t first, size_t count, Matrix& buffer) -> Result<ConstMatrixView> {
        if (buffer.rows() < count) buffer = Matrix(count, cols);
        const MatrixView part = buffer.view().block(0, count, 0, cols);
        QS_CHECK(readRows(first, part));
        return ConstMatrixView(part);
    };
    return Scanner(rows, cols, read, job).run();
}

Result<WeightScan> scanWeights(ConstMatrixView m, const JobContext& job) {
    const Rows read = [&](size_t first, size_t count, Matrix&) -> Result<ConstMatrixView> {
        return m.block(first, count, 0, m.cols);
    };
    return Scanner(m.rows, m.cols, read, job).run();
}

} // namespace qs
#endif // HWY_ONCE
