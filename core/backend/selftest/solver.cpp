// SPDX-License-Identifier: Apache-2.0
// GPTQ's operations, and those around them.
#include "core/backend/selftest/cases.h"

#include "core/backend/codes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace qs::selftest {

namespace {

/// What a factor says of itself in float32 and by blocks, beside the whole: 0, or the largest difference.
Result<double> copiesOfFactor(Backend& be, UpperFactor& factor, const MatrixD& whole) {
    const size_t n = whole.rows(), first = n / 3, count = (n - first + 1) / 2;
    QS_TRY(const Tensor values, factor.values());
    QS_TRY(const Matrix narrow, down(be, values));
    QS_TRY(const MatrixD block, factor.block(first, count));
    double worst = 0;
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j)
            if (narrow(i, j) != float(whole(i, j))) worst = HUGE_VAL;
    for (size_t i = 0; i < count; ++i)
        for (size_t j = 0; j < count; ++j)
            if (block(i, j) != whole(first + i, first + j)) worst = HUGE_VAL;
    return worst;
}

/// R of H = R R^T by elimination from the last column: a positive diagonal determines it. The columns are
/// taken from the last one on, those at odd places first, with a diagonal of their own.
Result<double> upperFactor(Backend& be, size_t n) {
    const Matrix a = randomMatrix(2 * n + 3, n, 30);
    MatrixD sigma(n, n);
    for (size_t t = 0; t < a.rows(); ++t)
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j)
                sigma(i, j) += double(a(t, i)) * double(a(t, j));
    std::vector<uint32_t> order;
    for (const size_t odd : {1, 0})
        for (size_t i = n; i-- > 0;)
            if (i % 2 == odd) order.push_back(uint32_t(i));
    MatrixD h(n, n);
    std::vector<double> diagonal(n);
    for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < n; ++j)
            h(i, j) = sigma(order[i], order[j]);
        h(i, i) = diagonal[i] = 1.5 * h(i, i) + double(i);
    }
    QS_TRY(const auto result, be.upperFactor(sigma, order, diagonal));
    QS_TRY(const MatrixD factor, result->block(0, n));
    MatrixD rest = h.clone();
    QS_TRY(double worst, copiesOfFactor(be, *result, factor));
    for (size_t p = n; p-- > 0;) {
        const double pivot = rest(p, p);
        for (size_t i = 0; i < n; ++i) {
            const double expected = i > p ? 0 : rest(i, p) / std::sqrt(pivot),
                         d = std::fabs(factor(i, p) - expected) / std::sqrt(h(i, i));
            if (!(d <= worst)) worst = std::isnan(d) ? HUGE_VAL : d;
        }
        for (size_t i = 0; i < p; ++i)
            for (size_t j = 0; j < p; ++j)
                rest(i, j) -= rest(i, p) * rest(p, j) / pivot;
    }
    return worst;
}

/// Columns of x in any order or side by side, some of them none.
Result<double> gatherColumns(Backend& be, size_t rows, size_t cols, bool inOrder) {
    const Matrix x = randomMatrix(rows, cols + 5, 60);
    std::vector<uint32_t> columns;
    for (size_t i = 0; i < cols; ++i)
        columns.push_back(i % 7 == 3 ? kNoColumn : uint32_t(inOrder ? i + 2 : (i * 11 + 3) % cols));
    QS_TRY(const TensorBlock from, be.borrow(x.view().block(0, rows, 1, cols + 3)));
    QS_TRY(const Tensor to, up(be, randomMatrix(cols + 2, rows, 61)));
    const TensorBlock out = TensorBlock(to).rowsOf(1, cols);
    QS_CHECK(be.gatherColumns(from, columns, out));
    Matrix got(cols, rows);
    QS_CHECK(be.download(out, got.view()));
    double worst = 0;
    for (size_t i = 0; i < cols; ++i)
        for (size_t r = 0; r < rows; ++r)
            if (got(i, r) != (columns[i] == kNoColumn ? 0.0f : x(r, columns[i] + 1))) worst = HUGE_VAL;
    // A copy of rows elsewhere, and one onto themselves.
    QS_CHECK(be.copy(TensorBlock(to).rowsOf(2, 1), TensorBlock(to).rowsOf(0, 1)));
    QS_CHECK(be.copy(out, out));
    QS_TRY(const Matrix all, down(be, to));
    for (size_t r = 0; r < rows; ++r)
        if (all(0, r) != all(2, r)) worst = HUGE_VAL;
    return worst;
}

Result<double> columnRanges(Backend& be, size_t rows, size_t cols) {
    const Matrix x = randomMatrix(rows + 1, cols, 62);
    QS_TRY(const Tensor t, up(be, x));
    std::vector<float> low(cols), high(cols);
    QS_CHECK(be.columnRanges(TensorBlock(t).rowsOf(1, rows), low, high));
    double worst = 0;
    for (size_t c = 0; c < cols; ++c) {
        float least = x(1, c), most = x(1, c);
        for (size_t r = 1; r <= rows; ++r) {
            least = std::min(least, x(r, c));
            most = std::max(most, x(r, c));
        }
        if (low[c] != least || high[c] != most) worst = HUGE_VAL;
    }
    return worst;
}

Result<double> groupRanges(Backend& be, size_t rows, size_t cols, size_t groupSize) {
    const Matrix x = randomMatrix(rows, cols, 63);
    QS_TRY(const Tensor t, up(be, x));
    const size_t groups = (cols + groupSize - 1) / groupSize;
    Matrix low(rows, groups), high(rows, groups);
    QS_CHECK(be.groupRanges(t, groupSize, low.view(), high.view()));
    double worst = 0;
    for (size_t r = 0; r < rows; ++r)
        for (size_t g = 0; g < groups; ++g) {
            const auto [least, most] =
                std::minmax_element(x.row(r) + g * groupSize, x.row(r) + std::min(cols, (g + 1) * groupSize));
            if (low(r, g) != *least || high(r, g) != *most) worst = HUGE_VAL;
        }
    return worst;
}

Result<double> transposedCodes(Backend& be, size_t rows, size_t cols) {
    MatrixT<uint8_t> codes(rows + 2, cols);
    for (size_t i = 0; i < codes.size(); ++i)
        codes.data()[i] = uint8_t(i * 131 + i / 7);
    CodeTensor t;
    QS_CHECK(be.uploadCodes(std::as_const(codes).view(), t));
    MatrixT<uint8_t> all(cols, rows + 9);
    QS_CHECK(be.downloadTransposed(t, all.view().block(0, cols, 4, rows)));
    for (size_t c = 0; c < cols; ++c)
        for (size_t r = 0; r < rows + 9; ++r)
            if (all(c, r) != (r < 4 || r >= rows + 4 ? 0 : codes(r - 4, c))) return HUGE_VAL;
    return 0.0;
}

/// The recursion on a 4-bit grid. Codes may differ where a weight stands half-way between two grid points:
/// each later column is therefore expected from the codes that the backend chose, and a code is right when
/// its grid point is the nearest one but for rounding.
Result<double> gptqColumns(Backend& be, size_t columns, size_t rows, bool shared) {
    const Matrix original = randomMatrix(columns, rows, 50);
    Matrix scale(columns, rows), zero(columns, rows), factor(columns, columns);
    MatrixT<uint8_t> codes(columns, rows);
    constexpr size_t kFirst = 3; // codes of other columns come before
    const Matrix offsets = randomMatrix(columns, columns, 51, 0.1);
    for (size_t i = 0; i < columns; ++i)
        for (size_t j = i; j < columns; ++j)
            factor(i, j) = i == j ? 0.8f : offsets(i, j);
    for (size_t i = 0; i < scale.size(); ++i) {
        scale.data()[i] = shared ? 0.1f + 0.05f * float(i % rows) / float(rows) : 0.1f + 0.01f * float(i % 5);
        zero.data()[i] = 7;
    }
    constexpr int kMaxCode = 15;
    QS_TRY(const Tensor weight, up(be, original));
    QS_TRY(const Tensor before, up(be, original));
    QS_TRY(const Tensor errors, be.allocate(columns, rows));
    QS_TRY(const Tensor changes, be.allocate(columns, rows));
    QS_TRY(const Tensor u, up(be, factor));
    QS_TRY(const Tensor scales, up(be, scale));
    QS_TRY(const Tensor zeros, up(be, zero));
    QS_TRY(const CodeTensor found, be.allocateCodes(columns + kFirst, rows));
    TensorBlock s = scales, z = zeros;
    if (shared) s.stride = z.stride = 0;
    QS_CHECK(be.gptqColumnBlock({weight, before, errors, changes, u, s, z, found, kFirst, kMaxCode}));
    MatrixT<uint8_t> turned(rows, columns + kFirst);
    QS_CHECK(be.downloadTransposed(found, turned.view()));
    for (size_t i = 0; i < columns; ++i)
        for (size_t r = 0; r < rows; ++r)
            codes(i, r) = turned(r, kFirst + i);
    QS_TRY(const Matrix error, down(be, errors));
    QS_TRY(const Matrix change, down(be, changes));
    MatrixD now = toDouble(original);
    double worst = 0;
    const auto see = [&](double d) {
        if (!(d <= worst)) worst = std::isnan(d) ? HUGE_VAL : d;
    };
    for (size_t i = 0; i < columns; ++i)
        for (size_t r = 0; r < rows; ++r) {
            const double w = now(i, r), step = double(scale(i, r)), value = step * (codes(i, r) - 7.0),
                         nearest =
                             step * (std::clamp(std::nearbyint(w / step) + 7.0, 0.0, double(kMaxCode)) - 7.0),
                         e = (w - value) / double(factor(i, i));
            see(std::fabs(w - value) - std::fabs(w - nearest));
            see(std::fabs(double(change(i, r)) - (double(original(i, r)) - value)));
            see(std::fabs(double(error(i, r)) - e));
            for (size_t j = i + 1; j < columns; ++j)
                now(j, r) -= double(factor(i, j)) * e;
        }
    return worst;
}

} // namespace

void addSolver(Cases& cases) {
    for (const auto& [r, c, g] : {std::array<size_t, 3>{1, 1, 1}, {70, 300, 300}, {33, 200, 64}})
        cases.push_back({"group ranges", fmt::format("x [{}, {}] in groups of {}", r, c, g), 0,
                         [r = r, c = c, g = g](Backend& be) { return groupRanges(be, r, c, g); }});
    for (const size_t n : {1, 83, 200, 600})
        cases.push_back({"upper factor", fmt::format("H [{0}, {0}]", n), 1e-9,
                         [n](Backend& be) { return upperFactor(be, n); }});
    for (const auto& [r, c] : {std::array<size_t, 2>{1, 1}, {70, 33}, {33, 200}})
        for (const bool inOrder : {true, false})
            cases.push_back(
                {"gather columns",
                 fmt::format("w [{}, {}], {}", r, c + 3, inOrder ? "side by side" : "any order"), 0,
                 [r = r, c = c, inOrder](Backend& be) { return gatherColumns(be, r, c, inOrder); }});
    for (const auto& [r, c] : {std::array<size_t, 2>{1, 1}, {128, 300}, {5, 33}}) {
        cases.push_back({"column ranges", fmt::format("x [{}, {}]", r, c), 0,
                         [r = r, c = c](Backend& be) { return columnRanges(be, r, c); }});
        cases.push_back({"transposed codes", fmt::format("codes [{}, {}]", r, c), 0,
                         [r = r, c = c](Backend& be) { return transposedCodes(be, r, c); }});
    }
    for (const auto& [c, r] : {std::array<size_t, 2>{1, 1}, {16, 70}, {128, 33}, {150, 300}})
        for (const bool shared : {true, false})
            cases.push_back({"GPTQ columns",
                             fmt::format("w [{}, {}], {}", c, r, shared ? "one group" : "a scale each"), 1e-4,
                             [c = c, r = r, shared](Backend& be) { return gptqColumns(be, c, r, shared); }});
}

} // namespace qs::selftest
