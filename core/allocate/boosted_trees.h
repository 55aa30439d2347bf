// SPDX-License-Identifier: Apache-2.0
// Gradient-boosted regression trees, small: squared loss, exact greedy splits (Chen and Guestrin 2016,
// XGBoost, arXiv:1603.02754, algorithm 1). For tens to hundreds of samples.
#pragma once

#include "core/tensor/matrix.h"

#include <span>
#include <vector>

namespace qs {

struct BoostOptions {
    size_t trees = 120;
    size_t depth = 3;  ///< splits from root to leaf
    double rate = 0.1; ///< of each tree's leaves
    double lambda = 1; ///< added to the number of samples of a leaf: pulls it to 0
    double least = 0;  ///< gain that a split must exceed
};

class BoostedTrees {
public:
    /// x [samples, features], y [samples]; at least one sample. Deterministic: of equal splits the first
    /// feature's smallest threshold is taken. O(trees depth samples log(samples) features).
    static BoostedTrees fit(const MatrixD& x, std::span<const double> y, const BoostOptions& options);

    double predict(std::span<const double> features) const;

    /// A node: left when feature < threshold; a leaf when left == 0.
    struct Node {
        size_t feature = 0;
        double threshold = 0;
        double value = 0; ///< of a leaf, the rate in it
        size_t left = 0, right = 0;
    };
    const std::vector<std::vector<Node>>& trees() const { return trees_; }

private:
    double base_ = 0; ///< the mean of y
    std::vector<std::vector<Node>> trees_;
};

} // namespace qs
