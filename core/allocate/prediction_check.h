// SPDX-License-Identifier: Apache-2.0
// How well a score predicts: random assignments of a table's candidates, each measured by running the model,
// beside what the score says of them.
#pragma once

#include "core/allocate/plan_measure.h"
#include "core/allocate/score.h"

namespace qs {

using Assignment = std::vector<std::optional<size_t>>; ///< a candidate for every row; none: kept

/// Each an assignment of legal candidates, rows without one kept: from mixtures of mostly few bits to mostly
/// many, the k-th of them at the k-th place of a sequence that fills that range evenly from the start on. The
/// same for a seed whatever the count, so that fewer are the first of more.
std::vector<Assignment> drawAssignments(const SensitivityTable& table, size_t count, uint64_t seed);

struct MeasuredAssignment {
    Assignment candidate;
    double bitsPerWeight = 0; ///< stored bits of all linears over their weights, kept ones included
    PlanDamage damage;
};

/// Called after each, on the calling thread.
using MeasuredAssignmentSink = std::function<void(const MeasuredAssignment&)>;

/// Which of drawAssignments() are measured.
struct AssignmentDraw {
    size_t first = 0, count = 20; ///< [first, first + count)
    uint64_t seed = 0;
};

/// Measures assignments in their order. `table`: what `measure` was made for. A cancelled job has handed what
/// is measured to the sink. Errors as PlanMeasure::measure().
Result<std::vector<MeasuredAssignment>> measureAssignments(PlanMeasure& measure,
                                                           const SensitivityTable& table,
                                                           const AssignmentDraw& draw, const JobContext& job,
                                                           const MeasuredAssignmentSink& measured = {});

/// Stored bits of all linears over their weights; 0 for a table without weights.
double bitsPerWeight(const SensitivityTable& table, std::span<const std::optional<size_t>> candidate);
/// The sum of the score over the linears that are not kept; NaN when a part of it is not measured, or the
/// assignment is not one of the table's.
double predictedCost(const SensitivityTable& table, const ScoreDescriptor& score,
                     std::span<const std::optional<size_t>> candidate);

struct PredictionPoint {
    double bitsPerWeight = 0;
    double predicted = 0;        ///< of the score; NaN when it is not known
    double kl = 0, klStderr = 0; ///< measured, nats per scored token
};

struct PredictionCheck {
    std::vector<PredictionPoint> points; ///< one per assignment
    /// Spearman's, of `predicted` and `kl` where both are known; NaN while it is not defined.
    double rankCorrelation = NAN;
    /// Geometric mean of kl / predicted where both are > 0; NaN when the score is no loss.
    double ratio = NAN;
    size_t known = 0; ///< points with a prediction
};

PredictionCheck checkPredictions(const SensitivityTable& table, const ScoreDescriptor& score,
                                 std::span<const MeasuredAssignment> measured);

/// Spearman's rank correlation, -1 .. 1: Pearson's of the ranks, equal values sharing the mean of theirs. NaN
/// below two pairs, or when all values of one side are equal. Values are finite, the sides of one length.
double rankCorrelation(std::span<const double> a, std::span<const double> b);

} // namespace qs
