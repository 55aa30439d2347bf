// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/kmeans.h"

#include "core/linalg/elements.h"
#include "core/linalg/parallel.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <numeric>
#include <random>

namespace qs::linalg {

namespace {

/// Different values in ascending order with their weights, as prefix sums: the loss of any run in O(1).
class SortedLine {
public:
    SortedLine(std::span<const float> values, std::span<const float> weights) {
        std::vector<uint32_t> order(values.size());
        std::iota(order.begin(), order.end(), 0u);
        std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return values[a] < values[b]; });
        // Sums of squares of values far from 0 would cancel.
        middle_ = double(values[order[order.size() / 2]]);
        weight_ = moment_ = square_ = {0};
        for (size_t i = 0; i < order.size(); ++i) {
            const float value = values[order[i]];
            const double w = weights.empty() ? 1.0 : double(weights[order[i]]);
            if (w <= 0 && !(values_.empty() && i + 1 == order.size())) continue;
            if (values_.empty() || value != values_.back()) {
                values_.push_back(value);
                weight_.push_back(weight_.back());
                moment_.push_back(moment_.back());
                square_.push_back(square_.back());
            }
            const double x = double(value) - middle_;
            weight_.back() += w;
            moment_.back() += w * x;
            square_.back() += w * x * x;
        }
    }

    size_t size() const { return values_.size(); }
    float value(size_t i) const { return values_[i]; }
    /// Of the values [begin, end) around their mean.
    double loss(size_t begin, size_t end) const {
        const double w = weight_[end] - weight_[begin], m = moment_[end] - moment_[begin];
        return w > 0 ? std::max(0.0, square_[end] - square_[begin] - m * m / w) : 0;
    }
    float mean(size_t begin, size_t end) const {
        const double w = weight_[end] - weight_[begin];
        return w > 0 ? float(middle_ + (moment_[end] - moment_[begin]) / w) : values_[begin];
    }

private:
    double middle_ = 0;
    std::vector<float> values_;
    std::vector<double> weight_, moment_, square_; ///< [size + 1]
};

/// best[i]: the least loss of the first i values in one cluster more than `before` has; start[i]: where its
/// last cluster begins. Best starts ascend with i, so that halves can be searched apart.
void addCluster(const SortedLine& line, const std::vector<double>& before, std::vector<double>& best,
                std::vector<uint32_t>& start, size_t lo, size_t hi, size_t from, size_t to) {
    if (lo > hi) return;
    const size_t i = lo + (hi - lo) / 2;
    best[i] = INFINITY;
    for (size_t j = from; j <= std::min(to, i - 1); ++j)
        if (const double loss = before[j] + line.loss(j, i); loss < best[i]) {
            best[i] = loss;
            start[i] = uint32_t(j);
        }
    if (i > lo) addCluster(line, before, best, start, lo, i - 1, from, start[i]);
    addCluster(line, before, best, start, i + 1, hi, start[i], to);
}

float weightOf(std::span<const float> weights, size_t i) {
    return weights.empty() ? 1.0f : weights[i];
}

/// k-means++: each center is drawn with the weighted squared distance to those before it.
Matrix drawCenters(ConstMatrixView points, std::span<const float> weights, const KMeansOptions& options,
                   std::mt19937_64& random) {
    const size_t n = points.rows, k = options.clusters;
    std::vector<uint32_t> sample(n);
    std::iota(sample.begin(), sample.end(), 0u);
    const size_t most = std::min(n, 16 * k);
    for (size_t i = 0; i < most; ++i)
        std::swap(sample[i], sample[i + random() % (n - i)]);
    sample.resize(most);
    std::vector<double> gain(most);
    for (size_t i = 0; i < most; ++i)
        gain[i] = double(weightOf(weights, sample[i]));
    std::vector<float> nearest(most, INFINITY);
    Matrix centers(k, points.cols);
    for (size_t c = 0; c < k; ++c) {
        const double total = std::accumulate(gain.begin(), gain.end(), 0.0);
        double left = total * (double(random() >> 11) * 0x1p-53);
        size_t chosen = random() % most; // where all points have centers already
        for (size_t i = 0; i < most && total > 0; ++i)
            if ((left -= gain[i]) < 0) {
                chosen = i;
                break;
            }
        std::copy_n(points.row(sample[chosen]), points.cols, centers.row(c));
        parallelFor(most, 4096, [&](size_t begin, size_t end) {
            for (size_t i = begin; i < end; ++i) {
                nearest[i] =
                    std::min(nearest[i], squaredDistance(points.row(sample[i]), centers.row(c), points.cols));
                gain[i] = double(nearest[i]) * double(weightOf(weights, sample[i]));
            }
        });
    }
    return centers;
}

/// Centers become the means of their points; those that have none take the points with the largest losses.
void moveCenters(ConstMatrixView points, std::span<const float> weights,
                 const std::vector<uint32_t>& centerOf, const std::vector<float>& losses, Matrix& centers) {
    const size_t p = points.cols;
    const MatrixD sums = sumsByCenter(points, weights, centerOf, centers.rows());
    std::vector<size_t> without;
    for (size_t c = 0; c < centers.rows(); ++c) {
        if (sums(c, p) <= 0) {
            without.push_back(c);
            continue;
        }
        for (size_t j = 0; j < p; ++j)
            centers(c, j) = float(sums(c, j) / sums(c, p));
    }
    std::vector<uint32_t> worst(points.rows);
    std::iota(worst.begin(), worst.end(), 0u);
    const size_t count = std::min(without.size(), worst.size());
    std::partial_sort(worst.begin(), worst.begin() + long(count), worst.end(), [&](uint32_t a, uint32_t b) {
        return losses[a] != losses[b] ? losses[a] > losses[b] : a < b;
    });
    for (size_t i = 0; i < count; ++i)
        std::copy_n(points.row(worst[i]), p, centers.row(without[i]));
}

} // namespace

std::vector<float> kMeansOfLine(std::span<const float> values, std::span<const float> weights, size_t k) {
    assert(!values.empty() && k > 0 && (weights.empty() || weights.size() == values.size()));
    const SortedLine line(values, weights);
    const size_t n = line.size(), clusters = std::min(n, k);
    std::vector<double> before(n + 1, INFINITY), best(n + 1, INFINITY);
    before[0] = best[0] = 0;
    std::vector<std::vector<uint32_t>> starts;
    for (size_t c = 1; c <= clusters; ++c) {
        starts.emplace_back(n + 1, 0u);
        addCluster(line, before, best, starts.back(), c, n, c - 1, n - 1);
        before.assign(n + 1, INFINITY);
        std::copy(best.begin() + long(c), best.end(), before.begin() + long(c));
    }
    std::vector<float> centers(k, line.value(n - 1));
    for (size_t c = clusters, end = n; c > 0; --c) {
        const size_t begin = starts[c - 1][end];
        centers[c - 1] = line.mean(begin, end);
        end = begin;
    }
    return centers;
}

Matrix kMeans(ConstMatrixView points, std::span<const float> weights, const KMeansOptions& options) {
    assert(points.rows > 0 && options.clusters > 0);
    std::mt19937_64 random(options.seed);
    Matrix centers = drawCenters(points, weights, options, random);
    std::vector<uint32_t> centerOf(points.rows);
    std::vector<float> losses(points.rows);
    double last = INFINITY;
    for (int round = 0; round < options.rounds; ++round) {
        assignToCenters(points, weights, std::as_const(centers).view(), centerOf, losses);
        double loss = 0;
        for (const float l : losses)
            loss += double(l);
        moveCenters(points, weights, centerOf, losses, centers);
        if (loss >= last * (1 - options.stop)) break;
        last = loss;
    }
    return centers;
}

void assignToCenters(ConstMatrixView points, std::span<const float> weights, ConstMatrixView centers,
                     std::span<uint32_t> nearest, std::span<float> losses) {
    const NearestCenter table(centers);
    const std::vector<float> ones(points.cols, 1.0f);
    parallelFor(points.rows, 64, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
            nearest[i] = uint32_t(table.nearest(points.rowSpan(i), ones, table.count()));
            losses[i] =
                weightOf(weights, i) * squaredDistance(points.row(i), centers.row(nearest[i]), points.cols);
        }
    });
}

MatrixD sumsByCenter(ConstMatrixView points, std::span<const float> weights,
                     std::span<const uint32_t> nearest, size_t k) {
    const size_t p = points.cols;
    MatrixD sums(k, p + 1);
    for (size_t i = 0; i < points.rows; ++i) {
        double* sum = sums.row(nearest[i]);
        const auto w = double(weightOf(weights, i));
        for (size_t j = 0; j < p; ++j)
            sum[j] += w * double(points(i, j));
        sum[p] += w;
    }
    return sums;
}

NearestCenter::NearestCenter(ConstMatrixView centers)
    : count_(centers.rows), columns_(centers.rows * centers.cols) {
    for (size_t c = 0; c < centers.rows; ++c)
        for (size_t j = 0; j < centers.cols; ++j)
            columns_[j * count_ + c] = centers(c, j);
}

size_t NearestCenter::nearest(std::span<const float> x, std::span<const float> scale, size_t among) const {
    constexpr size_t kTile = 256, kLanes = 16; // lanes: minima that a compiler can keep side by side
    std::array<float, kTile> losses;
    std::array<float, kLanes> low;
    float least = INFINITY;
    size_t best = 0;
    for (size_t first = 0; first < among; first += kTile) {
        const size_t n = std::min(kTile, among - first);
        std::fill_n(losses.begin(), n, 0.0f);
        std::fill(losses.begin() + long(n), losses.end(), INFINITY);
        for (size_t j = 0; j < x.size(); ++j) {
            const float* c = columns_.data() + j * count_ + first;
            const float value = x[j], s = scale[j];
            for (size_t i = 0; i < n; ++i) {
                const float d = value - s * c[i];
                losses[i] += d * d;
            }
        }
        low.fill(INFINITY);
        for (size_t i = 0; i < kTile; i += kLanes)
            for (size_t k = 0; k < kLanes; ++k)
                low[k] = losses[i + k] < low[k] ? losses[i + k] : low[k];
        const float lowest = *std::min_element(low.begin(), low.end());
        if (!(lowest < least)) continue;
        least = lowest;
        best = first + size_t(std::find(losses.begin(), losses.end(), lowest) - losses.begin());
    }
    return best;
}

} // namespace qs::linalg
