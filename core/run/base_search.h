// SPDX-License-Identifier: Apache-2.0
// AdaLog's search (Wu et al. 2024, arXiv:2407.12951) for the base of a log grid: the one with the least
// squared error on values that a model shows.
#pragma once

#include "core/recipe/input_scheme.h"

#include <mutex>

namespace qs {

/// The bases 2 q / 74, q = 1 .. 74, that the format can have. Thread-safe.
class BaseSearch {
public:
    /// `format` is a log grid.
    static Result<std::unique_ptr<BaseSearch>> create(const InputScheme& format);

    /// rows [n, channels], each rounded by itself; `importance` [channels] weighs squared errors, empty: 1.
    Result<void> add(ConstMatrixView rows, std::span<const double> importance);
    /// The least of equals; the format's own before anything was added.
    int best() const;

private:
    struct Candidate {
        int base;
        std::shared_ptr<const RowRounder> rounder;
        double error = 0;
    };
    BaseSearch() = default;
    mutable std::mutex mutex_; ///< guards the errors
    std::vector<Candidate> candidates_;
    bool seen_ = false;
    int own_ = 0;
};

} // namespace qs
