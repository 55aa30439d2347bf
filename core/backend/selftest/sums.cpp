// SPDX-License-Identifier: Apache-2.0
#include "core/backend/sums.h"

#include "core/backend/selftest/cases.h"
#include "core/linalg/elements.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs::selftest {

namespace {

/// The largest |a - b| / (1 + |b|) so far; infinity once something was not a number.
struct Worst {
    double value = 0;
    void see(double a, double b) {
        const double d = a == b ? 0 : std::fabs(a - b) / (1 + std::fabs(b));
        if (!(d <= value)) value = std::isnan(d) ? HUGE_VAL : d;
    }
};

/// Some values are no numbers, and one row and one column hold nothing else.
Matrix withHoles(size_t rows, size_t cols) {
    Matrix x = randomMatrix(rows, cols, 70, 3);
    for (size_t i = 0; i < x.size(); i += 37)
        x.data()[i] = i % 2 ? NAN : INFINITY;
    for (size_t r = 0; r < rows; ++r)
        x(r, cols / 2) = -INFINITY;
    for (size_t c = 0; c < cols; ++c)
        x(rows / 2, c) = NAN;
    return x;
}

/// Of everything but rowAbsmax.
double differenceOfSums(const ColumnSums& got, const Matrix& x, std::span<const float> shift) {
    Worst worst;
    for (size_t c = 0; c < x.cols(); ++c) {
        double low = HUGE_VAL, high = -HUGE_VAL, powers[4] = {};
        size_t missing = 0;
        for (size_t r = 0; r < x.rows(); ++r) {
            const double v = double(x(r, c)), d = v - double(shift[c]);
            missing += !std::isfinite(v);
            if (!std::isfinite(v)) continue;
            low = std::min(low, v);
            high = std::max(high, v);
            for (int k = 0; k < 4; ++k)
                powers[k] += std::pow(d, k + 1);
        }
        const bool none = missing == x.rows();
        worst.see(double(got.min[c]), none ? 0 : low);
        worst.see(double(got.max[c]), none ? 0 : high);
        worst.see(double(got.notFinite[c]), double(missing));
        for (size_t k = 0; k < 4; ++k)
            worst.see(got.powers[k][c], powers[k]);
    }
    return worst.value;
}

Result<double> columnSums(Backend& be, const Matrix& x) {
    const Matrix about = randomMatrix(1, x.cols(), 71);
    const std::span<const float> shift = about.view().rowSpan(0);
    QS_TRY(const Tensor t, up(be, x));
    QS_TRY(const ColumnSums got, be.columnSums(t, shift));
    Worst worst;
    worst.see(differenceOfSums(got, x, shift), 0);
    for (size_t r = 0; r < x.rows(); ++r) {
        double most = 0;
        for (size_t c = 0; c < x.cols(); ++c)
            if (std::isfinite(x(r, c))) most = std::max(most, std::fabs(double(x(r, c))));
        worst.see(double(got.rowAbsmax[r]), most);
    }
    return worst.value;
}

/// Each bin by its two edges; some values stand on them.
Result<double> counts(Backend& be, size_t bins, double lo, double hi) {
    Matrix x = withHoles(23, 71);
    for (size_t i = 0; i <= 20; ++i)
        x.data()[3 * i + 1] = float(lo + (hi - lo) * double(i) / 20);
    QS_TRY(const Tensor t, up(be, x));
    QS_TRY(const ValueCounts got, be.countValues(t, lo, hi, bins));
    if (got.bins.size() != bins) return HUGE_VAL;
    const double width = (hi - lo) / double(bins);
    Worst worst;
    size_t below = 0, above = 0, missing = 0;
    for (const float v : x.span()) {
        missing += !std::isfinite(v);
        below += std::isfinite(v) && double(v) < lo;
        above += std::isfinite(v) && double(v) > hi;
    }
    for (size_t i = 0; i < bins; ++i) {
        const double from = lo + double(i) * width, to = i + 1 == bins ? hi : lo + double(i + 1) * width;
        size_t n = 0;
        for (const float v : x.span())
            n += lo == hi ? i == 0 && double(v) == lo
                          : double(v) >= from && (double(v) < to || (i + 1 == bins && double(v) == hi));
        worst.see(double(got.bins[i]), double(n));
    }
    worst.see(double(got.below), double(below));
    worst.see(double(got.above), double(above));
    worst.see(double(got.notFinite), double(missing));
    return worst.value;
}

/// A tally over two tensors, value by value; 0 where the backend has none.
Result<double> tally(Backend& be) {
    const size_t cols = 45;
    const Matrix about = randomMatrix(1, cols, 80), a = withHoles(300, cols),
                 b = randomMatrix(7, cols, 81, 1e-9);
    const std::span<const float> shift = about.view().rowSpan(0);
    QS_TRY(const auto tally, be.columnTally(shift));
    if (!tally) return 0;
    MatrixT<uint32_t> counts(cols, kMagnitudeBins);
    Matrix both(a.rows() + b.rows(), cols);
    std::copy_n(a.data(), a.size(), both.data());
    std::copy_n(b.data(), b.size(), both.row(a.rows()));
    for (const Matrix* m : {&a, &b}) {
        QS_TRY(const Tensor t, up(be, *m));
        QS_CHECK(tally->add(t));
    }
    QS_TRY(const TallySums got, tally->take());
    if (got.magnitudes.rows() != cols || got.magnitudes.cols() != kMagnitudeBins) return HUGE_VAL;
    for (size_t r = 0; r < both.rows(); ++r)
        for (size_t c = 0; c < cols; ++c) {
            const double v = std::fabs(double(both(r, c)));
            if (!std::isfinite(v)) continue;
            // Eighths of the power of two below |x|, from 2^-32 on.
            const int power = v > 0 ? std::ilogb(v) : -1000;
            const int bin =
                power < -32 ? 0 : 1 + 8 * (power + 32) + int(std::floor(8 * (std::ldexp(v, -power) - 1)));
            ++counts(c, std::min(size_t(bin), kMagnitudeBins - 1));
        }
    Worst worst;
    for (size_t i = 0; i < counts.size(); ++i)
        worst.see(double(got.magnitudes.data()[i]), double(counts.data()[i]));
    worst.see(differenceOfSums(got.columns, both, shift), 0);
    return worst.value;
}

/// Rows 7, 3 and 7 again, with and without a reference; a shifted row has the same probabilities.
Result<double> scores(Backend& be, size_t vocabulary, bool compared) {
    const Matrix own = randomMatrix(9, vocabulary, 82, 8);
    Matrix other = randomMatrix(9, vocabulary, 83, 8);
    other(3, vocabulary - 1) = other(3, vocabulary / 2) = 20; // two equal ones
    const std::vector<uint32_t> rows = {7, 3, 7},
                                targets = {0, uint32_t(vocabulary - 1), uint32_t(vocabulary / 2)};
    QS_TRY(const Tensor a, up(be, own));
    QS_TRY(const Tensor b, up(be, other));
    QS_TRY(const LogitScores got, be.scoreLogits(a, rows, targets, compared ? &b : nullptr));
    if (got.nll.size() != 3 || got.kl.size() != (compared ? 3u : 0u)) return HUGE_VAL;
    const auto probabilities = [&](const Matrix& m, size_t row) {
        std::vector<double> p(vocabulary);
        double sum = 0;
        for (size_t i = 0; i < vocabulary; ++i)
            sum += p[i] = std::exp(double(m(row, i)) - 20);
        for (double& v : p)
            v /= sum;
        return p;
    };
    const auto first = [](const std::vector<double>& p) {
        return double(std::max_element(p.begin(), p.end()) - p.begin());
    };
    Worst worst;
    for (size_t i = 0; i < rows.size(); ++i) {
        const auto p = probabilities(own, rows[i]), q = probabilities(other, rows[i]);
        worst.see(double(got.nll[i]), -std::log(p[targets[i]]));
        worst.see(double(got.top[i]), first(p));
        if (!compared) continue;
        double kl = 0;
        for (size_t v = 0; v < vocabulary; ++v)
            kl += q[v] * std::log(q[v] / p[v]);
        worst.see(double(got.kl[i]), kl);
        worst.see(double(got.referenceNll[i]), -std::log(q[targets[i]]));
        worst.see(double(got.referenceTop[i]), first(q));
    }
    return worst.value;
}

/// The center that was taken is as near as any, the first of equal ones; sums and losses follow from it.
Result<double> kMeans(Backend& be, size_t n, size_t p, size_t k, bool weighted) {
    const Matrix points = randomMatrix(n, p, 72);
    Matrix centers = randomMatrix(k, p, 73), weights = randomMatrix(n, 1, 74);
    std::copy_n(centers.row(0), p,
                centers.row(k - 1)); // never the first of equals, unless it is the only one
    for (float& w : weights.span())
        w = weighted ? std::fabs(w) : 1;
    QS_TRY(const Tensor tx, up(be, points));
    QS_TRY(const Tensor tw, up(be, weights));
    QS_TRY(const KMeansStep got, be.kMeansStep(tx, weighted ? &tw : nullptr, std::as_const(centers).view()));
    if (got.nearest.size() != n || got.losses.size() != n || got.sums.rows() != k || got.sums.cols() != p + 1)
        return HUGE_VAL;
    const auto squares = [&](size_t i, size_t c) {
        double sum = 0;
        for (size_t j = 0; j < p; ++j)
            sum += std::pow(double(points(i, j)) - double(centers(c, j)), 2);
        return sum;
    };
    MatrixD sums(k, p + 1);
    double loss = 0;
    Worst worst;
    for (size_t i = 0; i < n; ++i) {
        const size_t c = got.nearest[i];
        if (c >= k || (k > 1 && c == k - 1)) return HUGE_VAL;
        double least = HUGE_VAL;
        for (size_t other = 0; other < k; ++other)
            least = std::min(least, squares(i, other));
        const auto w = double(weights(i, 0));
        worst.see(squares(i, c), least);
        worst.see(double(got.losses[i]), w * squares(i, c));
        loss += w * squares(i, c);
        for (size_t j = 0; j < p; ++j)
            sums(c, j) += w * double(points(i, j));
        sums(c, p) += w;
    }
    worst.see(got.loss, loss);
    for (size_t i = 0; i < sums.size(); ++i)
        worst.see(got.sums.data()[i], sums.data()[i]);
    return worst.value;
}

Result<double> kMeansRefusesNaN(Backend& be) {
    Matrix points = randomMatrix(300, 2, 75);
    points(299, 1) = NAN;
    QS_TRY(const Tensor t, up(be, points));
    const auto r = be.kMeansStep(t, nullptr, randomMatrix(4, 2, 76).view());
    if (!r && r.error().code != ErrorCode::InvalidArgument) return r.error();
    return r ? HUGE_VAL : 0;
}

} // namespace

void addSums(Cases& cases) {
    for (const auto& [rows, cols] : {std::array<size_t, 2>{1, 1}, {600, 33}, {3, 270}})
        cases.push_back({"column sums", fmt::format("x [{}, {}]", rows, cols), 1e-9,
                         [rows = rows, cols = cols](Backend& be) {
                             return columnSums(be, randomMatrix(rows, cols, 77, 2));
                         }});
    cases.push_back({"column sums", "x [41, 19], not all finite", 1e-9,
                     [](Backend& be) { return columnSums(be, withHoles(41, 19)); }});
    cases.push_back({"column tally", "x [300, 45] and [7, 45], not all finite", 1e-9, tally});
    for (const size_t vocabulary : {1, 31, 1000, 5003})
        for (const bool compared : {false, true})
            cases.push_back(
                {compared ? "compared scores" : "scores", fmt::format("logits [9, {}]", vocabulary), 1e-6,
                 [vocabulary, compared](Backend& be) { return scores(be, vocabulary, compared); }});
    for (const size_t bins : {1, 10, 100, 5000})
        cases.push_back({"histogram", fmt::format("x [23, 71], {} bins", bins), 0,
                         [bins](Backend& be) { return counts(be, bins, -2, 1.7); }});
    cases.push_back(
        {"histogram", "x [23, 71], one value", 0, [](Backend& be) { return counts(be, 3, 0.5, 0.5); }});
    for (const auto& [n, p, k] : {std::array<size_t, 3>{1, 1, 1},
                                  {500, 1, 16},
                                  {300, 2, 260},
                                  {130, 4, 7},
                                  {90, 8, 33},
                                  {70, 13, 20}})
        for (const bool weighted : {false, true})
            cases.push_back(
                {weighted ? "weighted k-means" : "k-means",
                 fmt::format("{} points [{}], {} centers", n, p, k), 1e-5,
                 [n = n, p = p, k = k, weighted](Backend& be) { return kMeans(be, n, p, k, weighted); }});
    cases.push_back({"k-means", "NaN is refused", 0, kMeansRefusesNaN});
}

} // namespace qs::selftest
