// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/sensitivity.h"

#include "core/allocate/block_cca.h"
#include "core/allocate/cell_quantizer.h"
#include "core/allocate/plan_measure.h"
#include "core/base/file.h"
#include "core/evaluate/changed_linears.h"
#include "core/recipe/plan_rules.h"

#include <array>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr double kPruned = 0.5; ///< share of a linear's weights

/// A change of one linear and where its effect goes.
struct Wanted {
    enum class Kind { Cell, Noise, Pruned };
    size_t row = 0, index = 0; ///< candidate, or noise level
    Kind kind = Kind::Cell;
};

void fitAlpha(SensitivityRow& row, std::span<const double> kl) {
    double cross = 0, fourth = 0, square = 0, residual = 0;
    for (size_t i = 0; i < kNoise.size(); ++i) {
        const double t2 = kNoise[i] * kNoise[i];
        cross += kl[i] * t2;
        fourth += t2 * t2;
    }
    row.alpha = std::max(0.0, cross / fourth);
    for (size_t i = 0; i < kNoise.size(); ++i) {
        const double left = kl[i] - row.alpha * kNoise[i] * kNoise[i];
        residual += left * left;
        square += kl[i] * kl[i];
    }
    row.alphaError = square > 0 ? std::sqrt(residual / square) : 0;
}

/// Runs the model with each change alone.
Result<void> measureEffects(const Model& model, const SensitivityRequest& request, SensitivityTable& table,
                            CellQuantizer& quantizer, Backend& backend, const JobContext& job,
                            const SensitivitySink& measured) {
    std::vector<Wanted> wanted;
    std::vector<LinearChange> changes;
    std::vector<std::array<double, kNoise.size()>> noiseKl(table.rows.size());
    for (size_t r = 0; r < table.rows.size(); ++r) {
        const SensitivityRow& row = table.rows[r];
        if (model.targets()[r].block < 0) continue; // not part of a block: no effect can be measured
        if (request.linearity && std::isnan(row.alpha)) {
            noiseKl[r].fill(NAN);
            for (size_t level = 0; level < kNoise.size(); ++level) {
                wanted.push_back({r, level, Wanted::Kind::Noise});
                changes.push_back({row.module, [&quantizer, r, level](const JobContext& j) {
                                       return quantizer.withNoise(r, level, j);
                                   }});
            }
        }
        if (request.prune && std::isnan(row.pruneKl)) {
            wanted.push_back({r, 0, Wanted::Kind::Pruned});
            changes.push_back({row.module, [&quantizer, &table, r](const JobContext&) -> Result<Matrix> {
                                   QS_TRY(auto pruned, quantizer.pruned(r, kPruned));
                                   table.rows[r].pruneError = pruned.second;
                                   return std::move(pruned.first);
                               }});
        }
        for (size_t c = 0; request.alone && c < row.cells.size(); ++c) {
            if (row.cells[c].hasKl()) continue;
            wanted.push_back({r, c});
            QS_TRY(auto inputs, inputRounder(table.candidates[c]));
            QS_TRY(auto outputs, outputRounder(table.candidates[c]));
            changes.push_back(
                {row.module, [&quantizer, r, c](const JobContext& j) { return quantizer.quantize(r, c, j); },
                 std::move(inputs), std::move(outputs)});
        }
    }
    if (changes.empty()) return {};
    const auto sink = [&](size_t change, const ChangeEffect& effect) {
        const Wanted& w = wanted[change];
        SensitivityRow& row = table.rows[w.row];
        if (w.kind == Wanted::Kind::Pruned) {
            row.pruneKl = effect.kl;
        } else if (w.kind == Wanted::Kind::Noise) {
            auto& kl = noiseKl[w.row];
            kl[w.index] = effect.kl;
            if (std::any_of(kl.begin(), kl.end(), [](double v) { return std::isnan(v); })) return;
            fitAlpha(row, kl);
        } else {
            row.cells[w.index].kl = effect.kl;
            row.cells[w.index].klStderr = effect.klStderr;
        }
        if (measured) measured(table, w.row);
    };
    EvaluateOptions options;
    options.activationBudgetBytes = request.activationBudgetBytes;
    const auto weights = modelWeights(model);
    QS_TRY(const ChangeEffects effects,
           measureChanges(model.spec(), *weights, changes, *request.text, options, backend, job, sink));
    table.protocol = effects.protocol;
    return {};
}

/// With every scheme in turn on all linears that can have it, each of them kept.
Result<void> measureKept(const Model& model, const SensitivityRequest& request, SensitivityTable& table,
                         Backend& backend, const JobContext& job, const SensitivitySink& measured) {
    const auto isMissing = [&](size_t r, size_t c) {
        const SensitivityCell& cell = table.rows[r].cells[c];
        return cell.legal() && std::isnan(cell.keptGain);
    };
    PlanMeasureOptions options;
    options.calibration = request.calibration;
    options.activationBudgetBytes = request.activationBudgetBytes;
    std::unique_ptr<PlanMeasure> measure;
    const size_t rows = table.rows.size(), candidates = table.candidates.size();
    for (size_t c = 0; c < candidates; ++c) {
        std::vector<std::optional<size_t>> plan(rows);
        std::vector<size_t> missing;
        for (size_t r = 0; r < rows; ++r) {
            if (table.rows[r].cells[c].legal()) plan[r] = c;
            if (isMissing(r, c)) missing.push_back(r);
        }
        if (missing.empty()) continue;
        if (!measure) {
            QS_TRY(measure, PlanMeasure::create(model, table, *request.text, options, backend, job.silent()));
        }
        QS_TRY(const PlanDamage all, measure->measure(plan, job));
        for (size_t i = 0; i < missing.size(); ++i) {
            const size_t r = missing[i];
            job.report("Keep each linear", double(c * rows + i), double(candidates * rows));
            plan[r] = std::nullopt;
            QS_TRY(const PlanDamage kept, measure->measure(plan, job));
            plan[r] = c;
            table.rows[r].cells[c].keptGain = std::max(0.0, all.kl - kept.kl);
            if (measured) measured(table, r);
        }
    }
    return {};
}

Result<void> measureCca(const Model& model, const SensitivityRequest& request, SensitivityTable& table,
                        Backend& backend, const JobContext& job) {
    const auto weights = modelWeights(model);
    QS_TRY(const std::vector<double> blocks,
           blockCca(model.spec(), *weights, *request.text, request.activationBudgetBytes, backend, job));
    for (size_t r = 0; r < table.rows.size(); ++r)
        if (const int block = model.targets()[r].block; block >= 0)
            table.rows[r].blockCca = blocks[size_t(block)];
    return {};
}

/// What is read from the weights alone.
bool lacksError(const SensitivityCell& cell, const SensitivityRequest& request) {
    if (!cell.hasError()) return true;
    if (!cell.legal()) return false;
    return (request.entropy && std::isnan(cell.entropyLoss)) ||
           (request.salience && std::isnan(cell.salienceError));
}

} // namespace

std::string sensitivityTextFingerprint(const TokenWindows& text, Precision precision) {
    std::string hash = sha256Hex(std::as_bytes(text.span()));
    return precision == Precision::F32 ? hash : hash + "-" + precisionName(precision);
}

Result<SensitivityTable> SensitivityTable::begin(const Model& model, std::vector<Scheme> candidates,
                                                 uint64_t seed) {
    SensitivityTable table;
    QS_TRY(table.modelFingerprint, model.checkpoint().fingerprint());
    table.seed = seed;
    table.checkpointBytes = model.checkpoint().totalBytes();
    table.candidates = std::move(candidates);
    for (const QuantTarget& target : model.targets()) {
        SensitivityRow row;
        row.module = target.module;
        row.fusedGroup = target.fusedGroup;
        row.weights = uint64_t(target.rows) * target.cols;
        row.keptBytes = model.storedBytes(target);
        for (const Scheme& scheme : table.candidates) {
            const TargetRuling ruling = ruleOnTarget(target, &scheme, row.keptBytes, model);
            SensitivityCell cell;
            cell.bytes = ruling.bytesAfter;
            if (ruling.issue) cell.refused = ruling.issue->message;
            row.cells.push_back(std::move(cell));
        }
        table.rows.push_back(std::move(row));
    }
    return table;
}

void SensitivityTable::adopt(const SensitivityTable& known) {
    if (known.modelFingerprint != modelFingerprint || known.seed != seed) return;
    const bool sameInputs = known.calibrationFingerprint == calibrationFingerprint,
               sameText = known.textFingerprint == textFingerprint && !textFingerprint.empty();
    for (size_t r = 0; r < rows.size() && r < known.rows.size(); ++r) {
        if (known.rows[r].module != rows[r].module) continue;
        if (sameText) {
            rows[r].alpha = known.rows[r].alpha;
            rows[r].alphaError = known.rows[r].alphaError;
            rows[r].pruneKl = known.rows[r].pruneKl;
            rows[r].pruneError = known.rows[r].pruneError;
            rows[r].blockCca = known.rows[r].blockCca;
        }
        for (size_t c = 0; c < candidates.size() && sameInputs; ++c) {
            const auto same = std::find(known.candidates.begin(), known.candidates.end(), candidates[c]);
            if (same == known.candidates.end()) continue;
            SensitivityCell& cell = rows[r].cells[c];
            const SensitivityCell& from = known.rows[r].cells[size_t(same - known.candidates.begin())];
            if (!cell.legal() || !from.legal()) continue;
            cell.weightError = from.weightError;
            cell.outputError = from.outputError;
            cell.entropyLoss = from.entropyLoss;
            cell.salienceError = from.salienceError;
            if (!sameText) continue;
            cell.keptGain = from.keptGain;
            cell.kl = from.kl;
            cell.klStderr = from.klStderr;
        }
    }
}

Result<void> measureSensitivity(const Model& model, const SensitivityRequest& request,
                                SensitivityTable& table, Backend& backend, const JobContext& job,
                                const SensitivitySink& measured) {
    QS_CHECK(checkCalibration(table, request.calibration));
    const bool runs = request.runs();
    if (runs && !request.text)
        return Error::invalid("what a linear does to the model is measured on a text, and there is none");
    if (request.salience && !request.calibration)
        return Error::invalid("errors are weighted by the inputs of a calibration, and there is none");
    if (request.text) QS_CHECK(model.requireForward());
    CellQuantizer quantizer(model, request.calibration, table, backend, {request.entropy, request.salience});
    const double weightsPart = request.alone || request.keepAlone ? 0.05 : 0.3,
                 keptPart = request.keepAlone ? 0.5 : 1;
    const JobContext errors = runs ? job.part(0, weightsPart) : job;
    for (size_t r = 0; r < table.rows.size(); ++r) {
        bool changed = false;
        for (size_t c = 0; c < table.candidates.size(); ++c) {
            const SensitivityCell& cell = table.rows[r].cells[c];
            // Cells that are run alone are quantized then.
            if (!lacksError(cell, request) ||
                (request.alone && model.targets()[r].block >= 0 && !cell.hasKl()))
                continue;
            QS_CHECK(errors.checkpoint());
            QS_TRY(const Matrix values, quantizer.quantize(r, c, errors.silent()));
            changed = true;
        }
        errors.report("Quantize each linear", double(r + 1), double(table.rows.size()));
        if (changed && measured) measured(table, r);
    }
    if (!runs) return {};
    if (request.cca) QS_CHECK(measureCca(model, request, table, backend, errors));
    QS_CHECK(
        measureEffects(model, request, table, quantizer, backend, job.part(weightsPart, keptPart), measured));
    if (!request.keepAlone) return {};
    return measureKept(model, request, table, backend, job.part(keptPart, 1), measured);
}

} // namespace qs
