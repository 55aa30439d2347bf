// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/sensitivity.h"

#include "core/base/file.h"
#include "core/base/gaussian.h"
#include "core/evaluate/changed_linears.h"
#include "core/quant/quantize_common.h"
#include "core/recipe/plan_rules.h"

#include <array>
#include <fmt/format.h>

namespace qs {

namespace {

/// Relative sizes of the errors that alpha is fitted through.
constexpr std::array<double, 5> kNoise = {0.04, 0.08, 0.12, 0.16, 0.2};

/// Quantizes linears one at a time; the last site's Sigma is kept, which linears beside it share.
class CellQuantizer {
public:
    CellQuantizer(const Model& model, const Calibration* calibration, SensitivityTable& table,
                  Backend& backend)
        : model_(model), calibration_(calibration), table_(table), backend_(backend) {}

    /// Values of the quantized weight, [out, in]; the cell gets its errors.
    Result<Matrix> quantize(size_t row, size_t candidate, const JobContext& job) {
        const QuantTarget& target = model_.targets()[row];
        const Scheme& scheme = table_.candidates[candidate];
        QS_CHECK(readInputs(target, row));
        QS_TRY(const auto codec, createCodec(scheme.codec, scheme.codecParams));
        QS_TRY(const MethodDescriptor* method, findMethod(scheme.method));
        QuantizeInput in;
        in.weight = weight_.view();
        in.codec = codec.get();
        in.params = scheme.methodParams;
        in.seed = table_.seed;
        in.backend = &backend_;
        if (method->needs != Needs::Nothing) {
            if (sigma_.empty())
                return Error::invalid(fmt::format("{} needs the inputs of {}, which no token of the "
                                                  "calibration reached",
                                                  method->label, target.module));
            in.sigma = &sigma_;
        }
        QS_TRY(const QuantizedTensor q, method->quantize(in, job));
        Matrix values = codec->dequantize(q);
        QS_TRY(const QuantError error,
               measureError(weight_.view(), values.view(), sigma_.empty() ? nullptr : &sigma_));
        SensitivityCell& cell = table_.rows[row].cells[candidate];
        cell.weightError = error.weight;
        if (error.output >= 0) cell.outputError = error.output;
        return values;
    }

    /// W + t ||W|| / ||E|| E, E the errors of a candidate in the middle; of standard normal values where no
    /// candidate can be applied, or one makes no error.
    Result<Matrix> withNoise(size_t row, size_t level, const JobContext& job) {
        if (noiseRow_ != row) QS_CHECK(drawNoise(row, job));
        Matrix weight = weight_.clone();
        const auto norm = [](const Matrix& m) {
            double sum = 0;
            for (const float v : m.span())
                sum += double(v) * double(v);
            return sum;
        };
        const auto factor = float(kNoise[level] * std::sqrt(norm(weight) / norm(noise_)));
        for (size_t i = 0; i < weight.size(); ++i)
            weight.data()[i] += factor * noise_.data()[i];
        return weight;
    }

private:
    Result<void> drawNoise(size_t row, const JobContext& job) {
        QS_CHECK(readInputs(model_.targets()[row], row));
        noiseRow_ = row;
        noise_ = Matrix();
        if (const auto candidate = middleCandidate(row)) {
            QS_TRY(Matrix values, quantize(row, *candidate, job));
            noise_ = residual(weight_.view(), std::move(values));
        }
        const auto none = [](float v) { return v == 0; };
        if (!noise_.empty() && !std::all_of(noise_.span().begin(), noise_.span().end(), none)) return {};
        std::mt19937_64 random(table_.seed + row + 1);
        noise_ = Matrix(weight_.rows(), weight_.cols());
        for (float& v : noise_.span())
            v = float(gaussian(random));
        return {};
    }

    /// By bytes, of those that can be applied.
    std::optional<size_t> middleCandidate(size_t row) const {
        const auto& cells = table_.rows[row].cells;
        std::vector<size_t> order;
        for (size_t c = 0; c < cells.size(); ++c)
            if (cells[c].legal()) order.push_back(c);
        if (order.empty()) return std::nullopt;
        std::stable_sort(order.begin(), order.end(),
                         [&](size_t a, size_t b) { return cells[a].bytes < cells[b].bytes; });
        return order[(order.size() - 1) / 2];
    }

    Result<void> readInputs(const QuantTarget& target, size_t row) {
        if (row_ != row) {
            QS_TRY(weight_, model_.readTarget(target));
            row_ = row;
        }
        if (!calibration_ || site_ == target.site) return {};
        sigma_ = MatrixD();
        site_ = target.site;
        const SiteRecord* record = calibration_->find(target.site);
        if (!record || record->tokens == 0) return {};
        QS_TRY(sigma_, calibration_->sigma(target.site));
        return {};
    }

    const Model& model_;
    const Calibration* calibration_;
    SensitivityTable& table_;
    Backend& backend_;
    std::optional<size_t> row_;
    Matrix weight_;
    std::string site_;
    MatrixD sigma_;
    std::optional<size_t> noiseRow_;
    Matrix noise_;
};

/// A change of one linear and where its effect goes.
struct Wanted {
    size_t row = 0, index = 0; ///< candidate, or noise level
    bool isNoise = false;
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

Result<void> checkCalibration(const SensitivityTable& table, const Calibration* calibration) {
    for (const Scheme& s : table.candidates) {
        QS_TRY(const MethodDescriptor* method, findMethod(s.method));
        if (method->needs != Needs::Nothing && !calibration)
            return Error::invalid(fmt::format("{} needs a calibration, and there is none", method->label));
    }
    return {};
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
                wanted.push_back({r, level, true});
                changes.push_back({row.module, [&quantizer, r, level](const JobContext& j) {
                                       return quantizer.withNoise(r, level, j);
                                   }});
            }
        }
        for (size_t c = 0; request.alone && c < row.cells.size(); ++c) {
            if (row.cells[c].hasKl()) continue;
            wanted.push_back({r, c, false});
            QS_TRY(auto inputs, inputRounder(table.candidates[c]));
            changes.push_back(
                {row.module, [&quantizer, r, c](const JobContext& j) { return quantizer.quantize(r, c, j); },
                 std::move(inputs)});
        }
    }
    if (changes.empty()) return {};
    const auto sink = [&](size_t change, const ChangeEffect& effect) {
        const Wanted& w = wanted[change];
        SensitivityRow& row = table.rows[w.row];
        if (w.isNoise) {
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

} // namespace

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
        }
        for (size_t c = 0; c < candidates.size() && sameInputs; ++c) {
            const auto same = std::find(known.candidates.begin(), known.candidates.end(), candidates[c]);
            if (same == known.candidates.end()) continue;
            SensitivityCell& cell = rows[r].cells[c];
            const SensitivityCell& from = known.rows[r].cells[size_t(same - known.candidates.begin())];
            if (!cell.legal() || !from.legal()) continue;
            cell.weightError = from.weightError;
            cell.outputError = from.outputError;
            if (!sameText) continue;
            cell.kl = from.kl;
            cell.klStderr = from.klStderr;
        }
    }
}

Result<void> measureSensitivity(const Model& model, const SensitivityRequest& request,
                                SensitivityTable& table, Backend& backend, const JobContext& job,
                                const SensitivitySink& measured) {
    QS_CHECK(checkCalibration(table, request.calibration));
    if ((request.linearity || request.alone) && !request.text)
        return Error::invalid("what a linear does to the model is measured on a text, and there is none");
    if (request.text) QS_CHECK(model.requireForward());
    CellQuantizer quantizer(model, request.calibration, table, backend);
    const bool runs = request.linearity || request.alone;
    const JobContext errors = runs ? job.part(0, request.alone ? 0.05 : 0.3) : job;
    for (size_t r = 0; r < table.rows.size(); ++r) {
        bool changed = false;
        for (size_t c = 0; c < table.candidates.size(); ++c) {
            const SensitivityCell& cell = table.rows[r].cells[c];
            // Cells that are run alone are quantized then.
            if (cell.hasError() || (request.alone && model.targets()[r].block >= 0 && !cell.hasKl()))
                continue;
            QS_CHECK(errors.checkpoint());
            QS_TRY(const Matrix values, quantizer.quantize(r, c, errors.silent()));
            changed = true;
        }
        errors.report("Quantize each linear", double(r + 1), double(table.rows.size()));
        if (changed && measured) measured(table, r);
    }
    if (!runs) return {};
    return measureEffects(model, request, table, quantizer, backend, job.part(request.alone ? 0.05 : 0.3, 1),
                          measured);
}

} // namespace qs
