// SPDX-License-Identifier: Apache-2.0
#include "core/codec/binary_fit.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace qs {

namespace {

constexpr int kUnknowns = kMostPlanes + 1; ///< the scales and the offset

double weightOf(std::span<const float> importance, size_t i) {
    return importance.empty() ? 1.0 : double(importance[i]);
}

/// Scales without a sign, the largest first: neither changes which values there are.
void normalize(BinaryBasis& basis) {
    for (double& s : basis.scales)
        s = std::fabs(s);
    std::sort(basis.scales.begin(), basis.scales.begin() + basis.planes, std::greater<>());
}

BinaryBasis greedyBasis(std::span<const float> values, std::span<const float> importance, int planes) {
    BinaryBasis basis{planes};
    double total = 0, sum = 0;
    for (size_t i = 0; i < values.size(); ++i) {
        total += weightOf(importance, i);
        sum += weightOf(importance, i) * double(values[i]);
    }
    basis.offset = sum / total;
    std::vector<double> rest(values.begin(), values.end());
    for (double& r : rest)
        r -= basis.offset;
    for (int p = 0; p < planes; ++p) {
        double magnitude = 0;
        for (size_t i = 0; i < rest.size(); ++i)
            magnitude += weightOf(importance, i) * std::fabs(rest[i]);
        const double scale = basis.scales[size_t(p)] = magnitude / total;
        for (double& r : rest)
            r -= r < 0 ? -scale : scale;
    }
    normalize(basis);
    return basis;
}

/// The normal equations of the scales and the offset for given codes.
class LeastSquares {
public:
    explicit LeastSquares(int planes) : unknowns_(size_t(planes) + 1) {}

    void add(uint8_t code, double value, double weight) {
        std::array<double, kUnknowns> sign;
        for (size_t p = 0; p + 1 < unknowns_; ++p)
            sign[p] = (code >> (unknowns_ - 2 - p) & 1) != 0 ? 1 : -1;
        sign[unknowns_ - 1] = 1;
        for (size_t i = 0; i < unknowns_; ++i) {
            for (size_t j = 0; j < unknowns_; ++j)
                matrix_[i][j] += weight * sign[i] * sign[j];
            right_[i] += weight * sign[i] * value;
        }
    }

    /// Planes that cannot be told apart, or one of a constant sign from the offset, leave some of the
    /// unknowns without a say: these become 0, which costs nothing.
    void solve(BinaryBasis& basis) {
        const double total = matrix_[0][0];
        std::array<bool, kUnknowns> free{};
        for (size_t k = 0; k < unknowns_; ++k) {
            const double pivot =
                matrix_[k][k]; // not negative, by the form of the matrix: no exchange of rows
            free[k] = !(pivot > 1e-9 * total);
            if (free[k]) continue;
            for (size_t i = k + 1; i < unknowns_; ++i) {
                const double f = matrix_[i][k] / pivot;
                for (size_t j = k; j < unknowns_; ++j)
                    matrix_[i][j] -= f * matrix_[k][j];
                right_[i] -= f * right_[k];
            }
        }
        for (size_t k = unknowns_; k-- > 0;) {
            for (size_t j = k + 1; j < unknowns_; ++j)
                right_[k] -= matrix_[k][j] * right_[j];
            right_[k] = free[k] ? 0 : right_[k] / matrix_[k][k];
        }
        std::copy_n(right_.begin(), basis.planes, basis.scales.begin());
        basis.offset = right_[unknowns_ - 1];
        normalize(basis);
    }

private:
    size_t unknowns_;
    std::array<std::array<double, kUnknowns>, kUnknowns> matrix_{};
    std::array<double, kUnknowns> right_{};
};

} // namespace

uint8_t BinaryLevels::nearest(double v) const {
    int best = 0;
    double least = std::fabs(values[0] - v);
    for (int code = 1; code < count; ++code)
        if (const double d = std::fabs(values[size_t(code)] - v); d < least) {
            least = d;
            best = code;
        }
    return uint8_t(best);
}

double BinaryBasis::value(int code) const {
    double v = offset;
    for (int p = 0; p < planes; ++p)
        v += (code >> (planes - 1 - p) & 1) != 0 ? scales[size_t(p)] : -scales[size_t(p)];
    return v;
}

BinaryLevels BinaryBasis::levels() const {
    BinaryLevels out;
    out.count = 1 << planes;
    for (int code = 0; code < out.count; ++code)
        out.values[size_t(code)] = value(code);
    return out;
}

BinaryBasis offsetAsPlane(const BinaryBasis& basis) {
    BinaryBasis out = basis;
    out.scales[size_t(out.planes++)] = basis.offset;
    out.offset = 0;
    normalize(out);
    return out;
}

double binaryError(const BinaryBasis& basis, std::span<const float> values,
                   std::span<const float> importance) {
    const BinaryLevels levels = basis.levels();
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) {
        const double e = levels.values[levels.nearest(double(values[i]))] - double(values[i]);
        sum += weightOf(importance, i) * e * e;
    }
    return sum;
}

BinaryBasis fitBinary(std::span<const float> values, std::span<const float> importance, int planes,
                      int rounds) {
    BinaryBasis best = greedyBasis(values, importance, planes);
    double least = rounds > 0 ? binaryError(best, values, importance) : 0;
    for (int round = 0; round < rounds; ++round) {
        LeastSquares equations(planes);
        const BinaryLevels levels = best.levels();
        for (size_t i = 0; i < values.size(); ++i)
            equations.add(levels.nearest(double(values[i])), double(values[i]), weightOf(importance, i));
        BinaryBasis next = best;
        equations.solve(next);
        const double error = binaryError(next, values, importance);
        if (!(error < least)) break; // settled
        least = error;
        best = next;
    }
    return best;
}

} // namespace qs
