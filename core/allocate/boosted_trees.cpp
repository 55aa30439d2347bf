// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/boosted_trees.h"

#include <algorithm>
#include <numeric>

namespace qs {

namespace {

using Node = BoostedTrees::Node;

/// For squared loss the gradient of a sample is minus its residual and the second derivative 1, so that
/// equation 5 of the paper makes a leaf's value sum / (count + lambda), and equation 7 the gain of a split
/// (sumL^2 / (countL + lambda) + sumR^2 / (countR + lambda) - sum^2 / (count + lambda)) / 2.
class Tree {
public:
    Tree(const MatrixD& x, std::span<const double> residual, const BoostOptions& options)
        : x_(x), residual_(residual), options_(options) {}

    std::vector<Node> grow() {
        std::vector<size_t> all(residual_.size());
        std::iota(all.begin(), all.end(), size_t(0));
        nodes_.emplace_back();
        split(0, std::move(all), 0);
        return std::move(nodes_);
    }

private:
    struct Best {
        double gain = 0, threshold = 0;
        size_t feature = 0;
    };

    double share(double sum, size_t count) const { return sum * sum / (double(count) + options_.lambda); }

    double sumOf(const std::vector<size_t>& samples) const {
        double sum = 0;
        for (const size_t s : samples)
            sum += residual_[s];
        return sum;
    }

    Best bestSplit(std::vector<size_t> samples) const {
        Best best;
        const double sum = sumOf(samples), whole = share(sum, samples.size());
        for (size_t f = 0; f < x_.cols(); ++f) {
            std::ranges::stable_sort(samples, {}, [&](size_t s) { return x_(s, f); });
            double left = 0;
            for (size_t i = 1; i < samples.size(); ++i) {
                left += residual_[samples[i - 1]];
                const double below = x_(samples[i - 1], f), above = x_(samples[i], f);
                if (!(below < above)) continue;
                const double gain =
                    (share(left, i) + share(sum - left, samples.size() - i) - whole) / 2 - options_.least;
                // Neighbouring numbers can have no middle that is above the lower one.
                const double middle = below + (above - below) / 2;
                if (gain > best.gain) best = {gain, middle > below ? middle : above, f};
            }
        }
        return best;
    }

    void split(size_t node, std::vector<size_t> samples, size_t depth) {
        const Best best = depth < options_.depth ? bestSplit(samples) : Best{};
        if (!(best.gain > 0)) {
            nodes_[node].value = options_.rate * sumOf(samples) / (double(samples.size()) + options_.lambda);
            return;
        }
        const auto middle = std::stable_partition(
            samples.begin(), samples.end(), [&](size_t s) { return x_(s, best.feature) < best.threshold; });
        std::vector<size_t> right(middle, samples.end());
        samples.erase(middle, samples.end());
        const size_t first = nodes_.size();
        nodes_.resize(first + 2);
        nodes_[node] = {best.feature, best.threshold, 0, first, first + 1};
        split(first, std::move(samples), depth + 1);
        split(first + 1, std::move(right), depth + 1);
    }

    const MatrixD& x_;
    std::span<const double> residual_;
    const BoostOptions& options_;
    std::vector<Node> nodes_;
};

double leafOf(const std::vector<Node>& nodes, std::span<const double> features) {
    size_t at = 0;
    while (nodes[at].left != 0)
        at = features[nodes[at].feature] < nodes[at].threshold ? nodes[at].left : nodes[at].right;
    return nodes[at].value;
}

} // namespace

BoostedTrees BoostedTrees::fit(const MatrixD& x, std::span<const double> y, const BoostOptions& options) {
    BoostedTrees out;
    out.base_ = std::accumulate(y.begin(), y.end(), 0.0) / double(y.size());
    std::vector<double> residual(y.begin(), y.end());
    for (double& r : residual)
        r -= out.base_;
    for (size_t t = 0; t < options.trees; ++t) {
        out.trees_.push_back(Tree(x, residual, options).grow());
        for (size_t s = 0; s < residual.size(); ++s)
            residual[s] -= leafOf(out.trees_.back(), {x.data() + s * x.cols(), x.cols()});
    }
    return out;
}

double BoostedTrees::predict(std::span<const double> features) const {
    double sum = base_;
    for (const auto& tree : trees_)
        sum += leafOf(tree, features);
    return sum;
}

} // namespace qs
