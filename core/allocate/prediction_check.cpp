// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/prediction_check.h"

#include <fmt/format.h>
#include <numeric>
#include <random>

namespace qs {

namespace {

/// How much likelier the largest candidate is than the smallest, at the ends of the range: e^4 = 55 times.
constexpr double kTilt = 4;
/// Multiples of it, modulo 1, fill 0 .. 1 evenly at every length.
constexpr double kGoldenRatio = 0.6180339887498949;

/// The legal candidates of a row by bytes.
std::vector<size_t> ladderOf(const SensitivityRow& row) {
    std::vector<size_t> out;
    for (size_t c = 0; c < row.cells.size(); ++c)
        if (row.cells[c].legal()) out.push_back(c);
    std::ranges::stable_sort(out, {}, [&](size_t c) { return row.cells[c].bytes; });
    return out;
}

/// Place 0 .. n - 1 with probability proportional to e^(tilt * place / (n - 1)). `unit`: 0 <= unit < 1.
size_t tiltedPlace(size_t n, double tilt, double unit) {
    std::vector<double> weight(n);
    for (size_t k = 0; k < n; ++k)
        weight[k] = std::exp(n > 1 ? tilt * double(k) / double(n - 1) : 0.0);
    double left = unit * std::accumulate(weight.begin(), weight.end(), 0.0);
    for (size_t k = 0; k + 1 < n; ++k) {
        if (left < weight[k]) return k;
        left -= weight[k];
    }
    return n - 1;
}

/// 1 .. n, equal values sharing the mean of their ranks.
std::vector<double> meanRanks(std::span<const double> values) {
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::ranges::sort(order, {}, [&](size_t i) { return values[i]; });
    std::vector<double> ranks(values.size());
    for (size_t first = 0, end = 0; first < order.size(); first = end) {
        while (end < order.size() && values[order[end]] == values[order[first]])
            ++end;
        for (size_t k = first; k < end; ++k)
            ranks[order[k]] = (double(first + 1) + double(end)) / 2;
    }
    return ranks;
}

bool fits(const SensitivityTable& table, std::span<const std::optional<size_t>> candidate) {
    if (candidate.size() != table.rows.size()) return false;
    for (size_t r = 0; r < candidate.size(); ++r)
        if (candidate[r] && *candidate[r] >= table.rows[r].cells.size()) return false;
    return true;
}

} // namespace

std::vector<Assignment> drawAssignments(const SensitivityTable& table, size_t count, uint64_t seed) {
    // The generator's own numbers: distributions of the standard library differ between systems.
    std::mt19937_64 random(seed);
    const auto unit = [&] { return double(random() >> 11) * 0x1p-53; };
    std::vector<std::vector<size_t>> ladders;
    for (const SensitivityRow& row : table.rows)
        ladders.push_back(ladderOf(row));
    std::vector<Assignment> out(count);
    for (size_t k = 0; k < count; ++k) {
        double whole = 0;
        const double level = std::modf((double(k) + 0.5) * kGoldenRatio, &whole);
        for (const auto& ladder : ladders)
            out[k].push_back(ladder.empty()
                                 ? std::optional<size_t>()
                                 : ladder[tiltedPlace(ladder.size(), kTilt * (2 * level - 1), unit())]);
    }
    return out;
}

Result<std::vector<MeasuredAssignment>> measureAssignments(PlanMeasure& measure,
                                                           const SensitivityTable& table,
                                                           const AssignmentDraw& draw, const JobContext& job,
                                                           const MeasuredAssignmentSink& measured) {
    std::vector<Assignment> drawn = drawAssignments(table, draw.first + draw.count, draw.seed);
    std::vector<MeasuredAssignment> out;
    for (size_t k = 0; k < draw.count; ++k) {
        Assignment& candidate = drawn[draw.first + k];
        QS_CHECK(job.checkpoint());
        job.report(fmt::format("Measure recipe {} of {}", k + 1, draw.count), double(k), double(draw.count));
        QS_TRY(const PlanDamage damage, measure.measure(candidate, job.silent()));
        const double bits = bitsPerWeight(table, candidate);
        out.push_back({std::move(candidate), bits, damage});
        if (measured) measured(out.back());
    }
    return out;
}

double bitsPerWeight(const SensitivityTable& table, std::span<const std::optional<size_t>> candidate) {
    uint64_t bytes = 0, weights = 0;
    for (size_t r = 0; r < table.rows.size(); ++r) {
        const SensitivityRow& row = table.rows[r];
        bytes += candidate[r] ? row.cells[*candidate[r]].bytes : row.keptBytes;
        weights += row.weights;
    }
    return weights > 0 ? 8.0 * double(bytes) / double(weights) : 0;
}

double predictedCost(const SensitivityTable& table, const ScoreDescriptor& score,
                     std::span<const std::optional<size_t>> candidate) {
    if (!fits(table, candidate)) return NAN;
    double sum = 0;
    for (size_t r = 0; r < candidate.size(); ++r) {
        if (!candidate[r]) continue;
        const SensitivityRow& row = table.rows[r];
        const SensitivityCell& cell = row.cells[*candidate[r]];
        sum += cell.legal() ? score.cost(row, cell) : NAN;
    }
    return sum;
}

PredictionCheck checkPredictions(const SensitivityTable& table, const ScoreDescriptor& score,
                                 std::span<const MeasuredAssignment> measured) {
    PredictionCheck out;
    std::vector<double> predicted, kl;
    double logRatio = 0;
    size_t positive = 0;
    for (const MeasuredAssignment& m : measured) {
        const PredictionPoint p{m.bitsPerWeight, predictedCost(table, score, m.candidate), m.damage.kl,
                                m.damage.klStderr};
        out.points.push_back(p);
        if (!std::isfinite(p.predicted) || !std::isfinite(p.kl)) continue;
        predicted.push_back(p.predicted);
        kl.push_back(p.kl);
        if (!(p.predicted > 0) || !(p.kl > 0)) continue;
        logRatio += std::log(p.kl / p.predicted);
        ++positive;
    }
    out.known = predicted.size();
    out.rankCorrelation = rankCorrelation(predicted, kl);
    if (score.isLoss && positive > 0) out.ratio = std::exp(logRatio / double(positive));
    return out;
}

double rankCorrelation(std::span<const double> a, std::span<const double> b) {
    if (a.size() != b.size() || a.size() < 2) return NAN;
    const std::vector<double> x = meanRanks(a), y = meanRanks(b);
    const double mean = (double(a.size()) + 1) / 2; // of ranks, tied or not
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < x.size(); ++i) {
        xy += (x[i] - mean) * (y[i] - mean);
        xx += (x[i] - mean) * (x[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
    }
    return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : NAN;
}

} // namespace qs
