// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/space_use.h"

#include "core/linalg/blas.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

/// Of chi squared with d degrees of freedom.
double quantile99(double d) {
    constexpr double kNormal = 2.3263478740408408;
    return d * std::pow(1 - 2 / (9 * d) + kNormal * std::sqrt(2 / (9 * d)), 3);
}

} // namespace

double flatness(const ChannelStats& stats) {
    double sum = 0, squares = 0;
    for (size_t c = 0; c < stats.channels(); ++c) {
        const double square =
            double(stats.mean[c]) * double(stats.mean[c]) + double(stats.stddev[c]) * double(stats.stddev[c]);
        sum += std::sqrt(square);
        squares += square;
    }
    if (squares == 0) return 0;
    // ||l - g||^2 = 2 ||l||^2 - 2 <l, g>
    const double along = sum / std::sqrt(double(stats.channels()) * squares);
    return std::sqrt(std::max(0.0, 2 - 2 * along));
}

double spaceUse(const MatrixD& sigma, uint64_t tokens, const ChannelStats& stats) {
    const size_t n = sigma.rows();
    const double d = double(n);
    if (tokens <= n) return NAN;
    MatrixD covariance(n, n);
    double largest = 0, variances = 0;
    for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < n; ++j)
            covariance(i, j) = sigma(i, j) / double(tokens) - double(stats.mean[i]) * double(stats.mean[j]);
        largest = std::max(largest, double(stats.absmax[i]));
        variances = std::max(variances, covariance(i, i));
    }
    if (!linalg::choleskyLower(covariance.view())) return NAN;
    constexpr double kNothing = 1e-14; // of the largest variance: what rounding leaves of a constant channel
    double halfLogDet = 0;
    for (size_t i = 0; i < n; ++i) {
        if (!(covariance(i, i) * covariance(i, i) > kNothing * variances)) return NAN;
        halfLogDet += std::log(covariance(i, i));
    }
    const double ellipsoid =
        d / 2 * std::log(M_PI) - std::lgamma(d / 2 + 1) + d / 2 * std::log(quantile99(d)) + halfLogDet;
    return (ellipsoid - d * std::log(2 * largest)) / (d * std::log(2.0));
}

} // namespace qs
