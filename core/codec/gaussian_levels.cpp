// SPDX-License-Identifier: Apache-2.0
#include "core/codec/gaussian_levels.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>

namespace qs {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double density(double x) {
    return std::exp(-x * x / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
}

/// Probability above x; exact in the tail.
double above(double x) {
    return std::erfc(x / std::numbers::sqrt2) / 2;
}

/// Probability and mean of an interval that is not left of 0.
struct Cell {
    Cell(double low, double high)
        : probability(above(low) - above(high)), mean((density(low) - density(high)) / probability) {}
    double probability, mean;
};

/// x with P(X < x) = p, by bisection.
double quantile(double p) {
    double low = -40, high = 40;
    for (int i = 0; i < 80; ++i) {
        const double middle = (low + high) / 2;
        (1 - above(middle) < p ? low : high) = middle;
    }
    return low;
}

/// Solves a tridiagonal system in place; the solution is in `right`.
void solveTridiagonal(const std::vector<double>& below, std::vector<double>& diagonal,
                      const std::vector<double>& beyond, std::vector<double>& right) {
    for (size_t k = 1; k < right.size(); ++k) {
        const double f = below[k] / diagonal[k - 1];
        diagonal[k] -= f * beyond[k - 1];
        right[k] -= f * right[k - 1];
    }
    right.back() /= diagonal.back();
    for (size_t k = right.size() - 1; k-- > 0;)
        right[k] = (right[k] - beyond[k] * right[k + 1]) / diagonal[k];
}

/// One Newton step for v_k = mean of the cell around v_k, on the levels above 0. Returns the largest move.
double improve(std::vector<double>& v) {
    const size_t n = v.size();
    std::vector<double> below(n), diagonal(n), beyond(n), move(n);
    for (size_t k = 0; k < n; ++k) {
        const double low = k == 0 ? 0 : (v[k - 1] + v[k]) / 2,
                     high = k + 1 == n ? kInfinity : (v[k] + v[k + 1]) / 2;
        const Cell cell(low, high);
        // Half the derivative of the mean by either end; each end moves by half of what a level does.
        const double byLow = k == 0 ? 0 : density(low) * (cell.mean - low) / cell.probability / 2;
        const double byHigh = k + 1 == n ? 0 : density(high) * (high - cell.mean) / cell.probability / 2;
        below[k] = -byLow;
        diagonal[k] = 1 - byLow - byHigh;
        beyond[k] = -byHigh;
        move[k] = v[k] - cell.mean;
    }
    solveTridiagonal(below, diagonal, beyond, move);
    double most = 0;
    for (size_t k = 0; k < n; ++k) {
        v[k] -= move[k];
        most = std::max(most, std::fabs(move[k]));
    }
    return most;
}

} // namespace

std::vector<double> evenLevels(double clip, int bits) {
    const int top = (1 << bits) - 1;
    std::vector<double> levels;
    for (int k = 0; k <= top; ++k)
        levels.push_back(clip * double(2 * k - top) / double(top));
    return levels;
}

double gaussianError(const std::vector<double>& levels) {
    double error = 1; // E x^2 - 2 E x v + E v^2
    for (size_t k = 0; k < levels.size(); ++k) {
        const double low = k == 0 ? -kInfinity : (levels[k - 1] + levels[k]) / 2,
                     high = k + 1 == levels.size() ? kInfinity : (levels[k] + levels[k + 1]) / 2;
        error += levels[k] * levels[k] * (above(low) - above(high)) -
                 2 * levels[k] * (density(low) - density(high));
    }
    return error;
}

double gaussianClip(int bits) {
    assert(bits >= 1 && bits <= 8);
    // At the best c the levels c u_k are the least squares fit of the values nearest to them: c E u^2 = E u
    // x.
    const std::vector<double> u = evenLevels(1, bits);
    const auto excess = [&](double clip) {
        double sum = 0;
        for (size_t k = u.size() / 2; k < u.size(); ++k) {
            const double low = clip * (k == u.size() / 2 ? 0 : (u[k - 1] + u[k]) / 2),
                         high = k + 1 == u.size() ? kInfinity : clip * (u[k] + u[k + 1]) / 2;
            sum += u[k] * (clip * u[k] * (above(low) - above(high)) - (density(low) - density(high)));
        }
        return sum;
    };
    double low = 0.1, high = 10;
    for (int i = 0; i < 60; ++i) {
        const double middle = (low + high) / 2;
        (excess(middle) < 0 ? low : high) = middle;
    }
    return low;
}

std::vector<double> lloydMaxLevels(int bits) {
    assert(bits >= 1 && bits <= 8);
    // From the levels of a compander, which are right for many bits (Panter and Dite 1951), a few steps.
    const size_t half = size_t(1) << (bits - 1);
    std::vector<double> upper(half);
    for (size_t k = 0; k < half; ++k)
        upper[k] = std::numbers::sqrt3 * quantile(0.5 + (double(k) + 0.5) / double(2 * half));
    for (int step = 0; step < 20 && improve(upper) > 1e-12;)
        ++step;
    std::vector<double> levels;
    for (size_t k = half; k-- > 0;)
        levels.push_back(-upper[k]);
    levels.insert(levels.end(), upper.begin(), upper.end());
    return levels;
}

} // namespace qs
