// SPDX-License-Identifier: Apache-2.0
// k-means: centers with the least weighted sum of squared distances from points to their nearest center.
#pragma once

#include "core/tensor/matrix.h"

#include <cstdint>
#include <span>
#include <vector>

namespace qs::linalg {

/// The best `k` centers of values on a line, ascending: exactly, by dynamic programming over the sorted
/// values, of which a cluster is always a run (Wang and Song 2011, Ckmeans.1d.dp). `weights` >= 0, not all 0;
/// empty: all 1. At least one finite value; where there are fewer different ones than k the largest comes
/// several times. O(n log n + k n log n) for n different values.
std::vector<float> kMeansOfLine(std::span<const float> values, std::span<const float> weights, size_t k);

struct KMeansOptions {
    size_t clusters = 0;
    int rounds = 25;    ///< of Lloyd's algorithm at most
    double stop = 1e-4; ///< ends when a round lowers the loss by less than this share
    uint64_t seed = 0;
};

/// Lloyd's algorithm from a k-means++ start (Arthur and Vassilvitskii 2007) on `points` [n, p]; a local
/// minimum, [clusters, p]. A center without points takes the point with the largest loss. `weights` [n] as
/// above. Deterministic for a seed, independent of the number of threads. At least one point. 3 n p clusters
/// flops for the start (on at most 16 points a cluster) and for each round.
Matrix kMeans(ConstMatrixView points, std::span<const float> weights, const KMeansOptions& options);

/// The nearest of `centers` [k, p] to each of `points` [n, p], the first of equals, and w |x - c|^2 in
/// float32; both [n]. `weights` [n] or empty.
void assignToCenters(ConstMatrixView points, std::span<const float> weights, ConstMatrixView centers,
                     std::span<uint32_t> nearest, std::span<float> losses);
/// [k, p + 1]: float64 sums of w x over the points of each center, and of w. The points are added in their
/// order.
MatrixD sumsByCenter(ConstMatrixView points, std::span<const float> weights,
                     std::span<const uint32_t> nearest, size_t k);

/// Centers [k, p] laid out for nearest(): dimension by dimension.
class NearestCenter {
public:
    explicit NearestCenter(ConstMatrixView centers);
    size_t count() const { return count_; }

    /// Index of the center c, among the first `among`, with the least sum_j (x[j] - scale[j] c[j])^2 over the
    /// first x.size() dimensions; the first of equals. Sizes of x and scale agree. 4 p among flops.
    size_t nearest(std::span<const float> x, std::span<const float> scale, size_t among) const;
    float value(size_t center, size_t dimension) const { return columns_[dimension * count_ + center]; }

private:
    size_t count_;
    std::vector<float> columns_; ///< [p, count]
};

} // namespace qs::linalg
