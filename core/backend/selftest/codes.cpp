// SPDX-License-Identifier: Apache-2.0
#include "core/backend/codes.h"

#include "core/backend/selftest/cases.h"

#include <bit>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace qs::selftest {

namespace {

/// How scales lie in the matrix of a case.
struct Layout {
    size_t rows, cols, groupSize, blockRows;
    bool oneRow, shuffled; ///< one row of scales for all; columns in groups out of order

    size_t groups() const { return (cols + groupSize - 1) / groupSize; }
    size_t scaleRows() const { return oneRow ? 1 : (rows + blockRows - 1) / blockRows; }
    size_t groupOf(size_t column) const {
        return shuffled ? (column * 5 + 2) % groups() : column / groupSize;
    }
    size_t scaleRowOf(size_t row) const { return oneRow ? 0 : row / blockRows; }
    std::string text() const {
        return fmt::format("x [{}, {}], scales [{}, {}]{}", rows, cols, scaleRows(), groups(),
                           shuffled ? " by index" : "");
    }
};

/// Values of the codes on a scale of 1, and where one code ends: the midpoints.
struct Table {
    std::vector<float> levels, bounds;

    explicit Table(std::vector<float> ascending) : levels(std::move(ascending)) {
        for (size_t i = 0; i + 1 < levels.size(); ++i)
            bounds.push_back((levels[i] + levels[i + 1]) / 2);
        bounds.resize(std::bit_ceil(levels.size()) - 1, std::numeric_limits<float>::infinity());
    }
    CodeGrid grid() const {
        CodeGrid g;
        g.maxCode = int(levels.size()) - 1;
        g.levels = levels;
        g.bounds = bounds;
        return g;
    }
};

double valueOf(const CodeGrid& grid, int code, double scale, double zero) {
    return grid.levels.empty() ? scale * (code - zero) : scale * double(grid.levels[size_t(code)]);
}

/// Every code against all others, in float64. Near the middle of two either may be taken: what counts is how
/// much farther off the one taken is.
Result<double> roundAndDecode(Backend& be, const CodeGrid& grid, const Layout& l) {
    const Matrix x = randomMatrix(l.rows, l.cols, 60, 2);
    Matrix scale = randomMatrix(l.scaleRows(), l.groups(), 61, 0.1), zero(scale.rows(), scale.cols());
    std::vector<int32_t> index;
    for (size_t c = 0; l.shuffled && c < l.cols; ++c)
        index.push_back(int32_t(l.groupOf(c)));
    for (size_t i = 0; i < scale.size(); ++i) {
        scale.data()[i] += grid.levels.empty() ? 4.5f / float(grid.maxCode) : 1.2f;
        zero.data()[i] = float(std::min(grid.maxCode, int(i % 3) + grid.maxCode / 2));
    }
    CodeGroups groups;
    QS_TRY(groups.scale, up(be, scale));
    if (grid.levels.empty()) {
        QS_TRY(groups.zero, up(be, zero));
    }
    groups.groupSize = l.groupSize;
    groups.blockRows = l.blockRows;
    groups.groupOfColumn = index;
    QS_TRY(const Tensor from, up(be, x));
    QS_TRY(Tensor values, be.allocate(l.rows, l.cols));
    QS_TRY(Tensor decoded, be.allocate(l.rows, l.cols));
    CodeTensor codes;
    QS_CHECK(be.roundToGrid(from, grid, groups, codes, &values));
    QS_CHECK(be.decodeCodes(codes, grid, groups, decoded));
    MatrixT<uint8_t> got(l.rows, l.cols);
    QS_CHECK(be.downloadCodes(codes, got.view()));
    MatrixD expected(l.rows, l.cols);
    double worst = 0;
    for (size_t r = 0; r < l.rows; ++r)
        for (size_t c = 0; c < l.cols; ++c) {
            const size_t row = l.scaleRowOf(r), group = l.groupOf(c);
            const double s = double(scale(row, group)), z = double(zero(row, group)), w = double(x(r, c));
            if (got(r, c) > grid.maxCode) return HUGE_VAL;
            double least = HUGE_VAL;
            for (int code = 0; code <= grid.maxCode; ++code)
                least = std::min(least, std::fabs(w - valueOf(grid, code, s, z)));
            expected(r, c) = valueOf(grid, got(r, c), s, z);
            worst = std::max(worst, std::fabs(w - expected(r, c)) - least);
        }
    QS_TRY(const double a, distance(be, values, expected));
    QS_TRY(const double b, distance(be, decoded, expected));
    return std::max({worst, a, b});
}

/// Middles of two codes go to the even one, what is outside to the ends; a scale of 0 gives the level of 0;
/// codes that do not exist count as the last one.
Result<double> corners(Backend& be) {
    const std::vector<float> x = {-0.5f, 0.5f, 1.5f, 2.5f, 100, -100, 7, -8};
    const std::vector<uint8_t> uniform = {8, 8, 10, 10, 15, 0, 15, 0}, zeros(8, 1);
    const auto matrixOf = [](const std::vector<float>& v) {
        Matrix m(1, v.size());
        std::copy(v.begin(), v.end(), m.data());
        return m;
    };
    const auto codesOf = [&](const CodeGrid& grid, float scale, float zero,
                             const std::vector<uint8_t>& expected) -> Result<double> {
        CodeGroups groups;
        QS_TRY(groups.scale, up(be, matrixOf({scale})));
        QS_TRY(groups.zero, up(be, matrixOf({zero})));
        groups.groupSize = x.size();
        QS_TRY(const Tensor from, up(be, matrixOf(x)));
        CodeTensor codes;
        QS_CHECK(be.roundToGrid(from, grid, groups, codes, nullptr));
        MatrixT<uint8_t> got(1, x.size());
        QS_CHECK(be.downloadCodes(codes, got.view()));
        return double(!std::equal(expected.begin(), expected.end(), got.data()));
    };
    CodeGrid four;
    four.maxCode = 15;
    const Table ternary({-1, 0, 1});
    CodeGrid three = ternary.grid();
    three.zeroCode = 1;
    QS_TRY(const double a, codesOf(four, 1, 8, uniform));
    QS_TRY(const double b, codesOf(three, 0, 0, zeros));

    MatrixT<uint8_t> outside(1, 2);
    outside(0, 0) = 2;
    outside(0, 1) = 255;
    CodeTensor codes;
    QS_CHECK(be.uploadCodes(std::as_const(outside).view(), codes));
    CodeGroups groups;
    QS_TRY(groups.scale, up(be, matrixOf({3})));
    groups.groupSize = 2;
    QS_TRY(Tensor values, be.allocate(1, 2));
    QS_CHECK(be.decodeCodes(codes, three, groups, values));
    MatrixD last(1, 2);
    last(0, 0) = last(0, 1) = 3;
    QS_TRY(const double c, distance(be, values, last));
    return a + b + c;
}

/// 0 when it is refused.
Result<double> refusesNaN(Backend& be, float bad) {
    Matrix x = randomMatrix(5, 33, 62);
    x(4, 32) = bad;
    Matrix scale(1, 1);
    scale(0, 0) = 1;
    CodeGrid grid;
    grid.maxCode = 15;
    CodeGroups groups;
    QS_TRY(groups.scale, up(be, scale));
    groups.groupSize = 33;
    QS_TRY(const Tensor from, up(be, x));
    CodeTensor codes;
    const auto r = be.roundToGrid(from, grid, groups, codes, nullptr);
    if (!r && r.error().code != ErrorCode::InvalidArgument) return r.error();
    return r ? HUGE_VAL : 0;
}

/// Against the dense matrix (H (x) Q) S, H(i, j) = (-1)^(bits that i and j share). Q need not be orthogonal
/// for this.
Result<double> rotation(Backend& be, size_t power, size_t rest, bool back) {
    const size_t n = power * rest, rows = 3;
    const Matrix x = randomMatrix(rows, n, 63), q = randomMatrix(rest, rest, 64);
    std::vector<float> signs(n);
    for (size_t i = 0; i < n; ++i)
        signs[i] = float((i * 7 % 3 == 0 ? -1.0 : 1.0) / std::sqrt(double(power)));
    MatrixD expected(rows, n);
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j) {
            const double h = std::popcount((i / rest) & (j / rest)) % 2 == 0 ? 1 : -1,
                         entry = h * (rest == 1 ? 1.0 : double(q(i % rest, j % rest))) * double(signs[j]);
            for (size_t r = 0; r < rows; ++r) {
                if (back)
                    expected(r, j) += entry * double(x(r, i));
                else
                    expected(r, i) += entry * double(x(r, j));
            }
        }
    QS_TRY(Tensor y, up(be, x));
    QS_CHECK(be.rotateRows(y, signs, rest == 1 ? MatrixD() : toDouble(q), back));
    return distance(be, y, expected);
}

} // namespace

void addCodes(Cases& cases) {
    const Layout layouts[] = {{5, 70, 32, 1, false, false},
                              {9, 300, 300, 1, true, false},
                              {7, 64, 16, 3, false, false},
                              {20, 33, 8, 1, false, true}};
    for (const Layout& l : layouts)
        for (const int maxCode : {1, 7, 15, 255})
            cases.push_back(
                {fmt::format("round to {} steps", maxCode + 1), l.text(), 1e-6, [l, maxCode](Backend& be) {
                     CodeGrid grid;
                     grid.maxCode = maxCode;
                     return roundAndDecode(be, grid, l);
                 }});
    std::vector<float> squares, few = {-1.5f, 0, 1};
    for (int i = -8; i <= 8; ++i)
        squares.push_back(float(i * std::abs(i)) / 40);
    for (const Layout& l : layouts)
        for (const std::vector<float>& levels : {squares, few})
            cases.push_back(
                {fmt::format("round to {} levels", levels.size()), l.text(), 1e-6, [l, levels](Backend& be) {
                     const Table table(levels);
                     return roundAndDecode(be, table.grid(), l);
                 }});
    cases.push_back({"round to a grid", "ties, ends, scale 0", 0, corners});
    for (const float bad : {NAN, -INFINITY})
        cases.push_back({"round to a grid", fmt::format("{} is refused", bad), 0,
                         [bad](Backend& be) { return refusesNaN(be, bad); }});
    for (const auto& [power, rest] :
         {std::pair<size_t, size_t>{1, 1}, {64, 1}, {512, 1}, {4, 3}, {32, 5}, {1, 7}, {2, 43}})
        for (const bool back : {false, true})
            cases.push_back({back ? "rotate back" : "rotate", fmt::format("x [3, {} * {}]", power, rest),
                             1e-5, [power = power, rest = rest, back](Backend& be) {
                                 return rotation(be, power, rest, back);
                             }});
}

} // namespace qs::selftest
