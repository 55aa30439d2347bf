// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/plan_measure.h"

#include "core/evaluate/score_logits.h"

#include <fmt/format.h>

namespace qs {

/// The model's weights with an assignment in place. Asked on the thread of the measurement only.
class PlanMeasure::Assigned final : public WeightSource {
public:
    Assigned(PlanMeasure& measure, std::span<const std::optional<size_t>> candidate, const JobContext& job)
        : measure_(measure), candidate_(candidate), job_(job) {}

    Result<Matrix> matrix(const std::string& name) const override {
        const auto chosen = candidateOf(name);
        if (!chosen) return measure_.weights_->matrix(name);
        QS_TRY(const auto values, measure_.values(chosen->first, chosen->second, job_));
        return values->clone();
    }
    Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& weight) const override {
        if (const auto chosen = candidateOf(weight))
            if (const auto& rounder = measure_.rounders_[chosen->second].inputs) return rounder;
        return measure_.weights_->inputRounder(weight);
    }
    std::shared_ptr<const RowRounder> outputRounder(const std::string& weight) const override {
        if (const auto chosen = candidateOf(weight))
            if (const auto& rounder = measure_.rounders_[chosen->second].outputs) return rounder;
        return measure_.weights_->outputRounder(weight);
    }
    std::shared_ptr<const KvRounder> kvRounder(const std::string& keyWeight) const override {
        return measure_.weights_->kvRounder(keyWeight);
    }
    std::shared_ptr<const RowRounder> probabilityRounder(const std::string& keyWeight) const override {
        return measure_.weights_->probabilityRounder(keyWeight);
    }
    std::string fingerprint() const override { return "assignment"; }
    std::string label() const override { return "assignment"; }

private:
    std::optional<std::pair<size_t, size_t>> candidateOf(const std::string& weight) const {
        const auto it = measure_.rowOfWeight_.find(weight);
        if (it == measure_.rowOfWeight_.end() || !candidate_[it->second]) return std::nullopt;
        return std::pair(it->second, *candidate_[it->second]);
    }

    PlanMeasure& measure_;
    std::span<const std::optional<size_t>> candidate_;
    const JobContext& job_;
};

PlanMeasure::PlanMeasure(const Model& model, const SensitivityTable& table, const PlanMeasureOptions& options,
                         ScoredWindows windows, Backend& backend)
    : model_(model)
    , table_(table)
    , options_(options)
    , windows_(std::move(windows))
    , backend_(backend)
    , quantizer_(model, options.calibration, table_, backend)
    , weights_(modelWeights(model)) {
    for (size_t r = 0; r < model.targets().size(); ++r)
        rowOfWeight_[model.targets()[r].weight] = r;
}

Result<std::unique_ptr<PlanMeasure>> PlanMeasure::create(const Model& model, const SensitivityTable& table,
                                                         const TokenWindows& text,
                                                         const PlanMeasureOptions& options, Backend& backend,
                                                         const JobContext& job) {
    QS_CHECK(model.requireForward());
    QS_CHECK(checkCalibration(table, options.calibration));
    if (table.rows.size() != model.targets().size())
        return Error::invalid(
            fmt::format("the table has {} linears, the model {}", table.rows.size(), model.targets().size()));
    QS_TRY(ScoredWindows windows, scoredWindows(model.spec(), text, 0));
    std::unique_ptr<PlanMeasure> out(new PlanMeasure(model, table, options, std::move(windows), backend));
    for (const Scheme& s : table.candidates) {
        Rounders r;
        QS_TRY(r.inputs, inputRounder(s));
        QS_TRY(r.outputs, outputRounder(s));
        out->rounders_.push_back(std::move(r));
    }
    QS_TRY(ModelStream original, ModelStream::create(model.spec(), *out->weights_, out->windows_.input,
                                                     options.activationBudgetBytes, backend));
    const size_t blocks = model.spec().blocks.size();
    for (size_t b = 0; b < blocks; ++b) {
        job.report("Run the original", double(b), double(blocks));
        QS_CHECK(original.runBlock(b, job.silent()));
    }
    out->original_.emplace(std::move(original));
    return out;
}

Result<std::shared_ptr<const Matrix>> PlanMeasure::values(size_t row, size_t candidate,
                                                          const JobContext& job) {
    const auto key = std::pair(row, candidate);
    if (const auto it = kept_.find(key); it != kept_.end()) return it->second;
    QS_TRY(Matrix made, quantizer_.quantize(row, candidate, job));
    const auto shared = std::make_shared<const Matrix>(std::move(made));
    const size_t bytes = shared->size() * sizeof(float);
    if (keptBytes_ + bytes <= options_.weightBudgetBytes) {
        keptBytes_ += bytes;
        kept_[key] = shared;
    }
    return shared;
}

Result<PlanDamage> PlanMeasure::measure(std::span<const std::optional<size_t>> candidate,
                                        const JobContext& job) {
    if (candidate.size() != table_.rows.size())
        return Error::invalid(fmt::format("an assignment of {} linears for a table of {}", candidate.size(),
                                          table_.rows.size()));
    for (size_t r = 0; r < candidate.size(); ++r) {
        if (!candidate[r]) continue;
        if (*candidate[r] >= table_.candidates.size())
            return Error::invalid(fmt::format("candidate {} of {}", *candidate[r], table_.candidates.size()),
                                  table_.rows[r].module);
        if (const SensitivityCell& cell = table_.rows[r].cells[*candidate[r]]; !cell.legal())
            return Error::invalid(cell.refused, table_.rows[r].module);
    }
    const JobContext inner = job.silent();
    const Assigned weights(*this, candidate, inner);
    QS_TRY(ModelStream stream, ModelStream::create(model_.spec(), weights, windows_.input,
                                                   options_.activationBudgetBytes, backend_));
    for (size_t b = 0; b < model_.spec().blocks.size(); ++b) {
        QS_CHECK(job.checkpoint());
        QS_CHECK(stream.runBlock(b, inner));
    }
    return score(stream, job);
}

Result<PlanDamage> PlanMeasure::score(const ModelStream& changed, const JobContext& job) const {
    QS_TRY(Head head, changed.head());
    QS_TRY(Head reference, original_->head());
    Evaluation e;
    e.hasReference = true;
    resizeScores(e, windows_.scored.size(), true);
    const size_t batch = ModelStream::logitRows(model_.spec()), total = windows_.input.size();
    for (size_t first = 0; first < total; first += batch) {
        QS_CHECK(job.checkpoint());
        const size_t n = std::min(batch, total - first);
        const size_t begin = windows_.scoredBefore(first), end = windows_.scoredBefore(first + n);
        if (begin == end) continue;
        QS_TRY(const ConstMatrixView states, original_->rows(first, n));
        QS_TRY(const ConstMatrixView changedStates, changed.rows(first, n));
        QS_TRY(const Tensor before, reference.apply(states));
        QS_TRY(const Tensor after, head.apply(changedStates));
        QS_CHECK(scoreLogits(windows_, begin, end - begin, first, after, &before, e, backend_));
    }
    e.summarize();
    if (!std::isfinite(e.kl))
        return Error{ErrorCode::Backend, "the changed model's predictions are not finite", {}};
    return PlanDamage{e.kl, e.klStderr};
}

} // namespace qs
