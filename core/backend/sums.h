// SPDX-License-Identifier: Apache-2.0
// What Backend's sums over tensors answer with: small, in host memory.
#pragma once

#include "core/backend/backend.h"

#include <array>

namespace qs {

/// Of the finite values of a [rows, cols] matrix; NaN and infinities are counted and left out. Where a row or
/// a column has no finite value its entries are 0.
struct ColumnSums {
    std::vector<float> min, max;               ///< [cols]
    std::array<std::vector<double>, 4> powers; ///< [cols] each: sum (x - shift)^k, k = 1..4, in float64
    std::vector<uint64_t> notFinite;           ///< [cols]
    std::vector<float> rowAbsmax;              ///< [rows]
};

/// Counts in equal bins over [lo, hi]: bin i holds edge_i <= x < edge_{i+1}, edge_i = lo + i (hi - lo) /
/// bins, the last one hi too; where lo == hi, bin 0 holds x == lo. Every value is in one of the counts.
struct ValueCounts {
    std::vector<uint64_t> bins;
    uint64_t below = 0, above = 0; ///< outside [lo, hi]
    uint64_t notFinite = 0;
};

/// What some tokens of a text cost, in nats: [scored rows] each, those of the reference empty without one.
struct LogitScores {
    std::vector<float> nll, referenceNll;   ///< -log p of the target
    std::vector<int32_t> top, referenceTop; ///< the most likely token, of equal ones the first
    std::vector<float> kl;                  ///< KL(reference || own), 0 or more
};

/// What a ColumnTally has at its end.
struct TallySums {
    ColumnSums columns;           ///< without rowAbsmax
    MatrixT<uint32_t> magnitudes; ///< [cols, kMagnitudeBins], see linalg/elements.h
};

/// One round of Lloyd's algorithm over n points.
struct KMeansStep {
    double loss = 0; ///< sum_i w_i |x_i - c|^2, c the nearest center
    MatrixD sums;    ///< [centers, p + 1]: sums of w x over the points nearest to a center, and of w
    std::vector<uint32_t> nearest; ///< [n]: of equally near centers the first
    std::vector<float> losses;     ///< [n]: w_i |x_i - c|^2, float32
};

} // namespace qs
