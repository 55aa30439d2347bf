// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/changed_linears.h"

#include "core/evaluate/model_stream.h"
#include "core/evaluate/score_logits.h"

#include <fmt/format.h>
#include <unordered_map>

namespace qs {

namespace {

/// A change and where it belongs.
struct Placed {
    size_t change;
    const LinearSpec* linear;
};

/// By block.
Result<std::vector<std::vector<Placed>>> placesOf(const ModelSpec& spec,
                                                  std::span<const LinearChange> changes) {
    std::unordered_map<std::string, std::pair<size_t, const LinearSpec*>> known;
    for (size_t b = 0; b < spec.blocks.size(); ++b)
        for (const LinearSpec* l : spec.blocks[b].linears())
            known.try_emplace(l->module, b, l);
    std::vector<std::vector<Placed>> out(spec.blocks.size());
    for (size_t i = 0; i < changes.size(); ++i) {
        const auto it = known.find(changes[i].module);
        if (it == known.end()) return Error::invalid("no block has a linear of this name", changes[i].module);
        out[it->second.first].push_back({i, it->second.second});
    }
    return out;
}

class Measurement {
public:
    Measurement(const ModelSpec& spec, const WeightSource& weights, std::span<const LinearChange> changes,
                const EvaluateOptions& options, const ScoredWindows& windows, Forward forward,
                const JobContext& job, const ChangeEffectSink& measured)
        : spec_(spec)
        , weights_(weights)
        , changes_(changes)
        , budget_(options.activationBudgetBytes)
        , windows_(windows)
        , forward_(std::move(forward))
        , job_(job)
        , measured_(measured) {
        const size_t bytes = windows.input.size() * spec.hidden * sizeof(float);
        width_ = std::max<size_t>(1, budget_ / std::max<size_t>(1, bytes));
    }

    Result<ChangeEffects> run(const std::vector<std::vector<Placed>>& places) {
        out_.effects.resize(changes_.size());
        out_.protocol = windows_.protocol;
        out_.tokens = windows_.scored.size();
        size_t last = 0;
        for (size_t b = 0; b < places.size(); ++b)
            if (!places[b].empty()) last = b;
        work_ = double(spec_.blocks.size() + last);
        for (size_t b = 0; b < places.size(); ++b)
            work_ += double(places[b].size() * (places.size() - b));
        // What every change is compared with.
        QS_TRY(ActivationStore original, embedded());
        for (size_t b = 0; b < spec_.blocks.size(); ++b)
            QS_CHECK(runBlock(b, {&original, 1}, "Run the original"));
        original_.emplace(std::move(original));
        QS_TRY(Head head, Head::create(spec_, weights_, forward_.backend()));
        head_.emplace(std::move(head));
        QS_TRY(ActivationStore hidden, embedded());
        for (size_t b = 0; b <= last; ++b) {
            for (size_t first = 0; first < places[b].size(); first += width_)
                QS_CHECK(measure(
                    b, std::span(places[b]).subspan(first, std::min(width_, places[b].size() - first)),
                    hidden));
            if (b < last) QS_CHECK(runBlock(b, {&hidden, 1}, phase()));
        }
        return std::move(out_);
    }

private:
    std::string phase() const { return fmt::format("Measure change {} of {}", done_ + 1, changes_.size()); }

    Result<ActivationStore> store() const {
        return ActivationStore::create(windows_.input.size(), spec_.hidden, budget_);
    }

    Result<ActivationStore> embedded() const {
        QS_TRY(ActivationStore hidden, store());
        QS_CHECK(forward_.embed(windows_.input.span(), weights_, hidden));
        return hidden;
    }

    Result<ActivationStore> copyOf(const ActivationStore& from) const {
        QS_TRY(ActivationStore to, store());
        QS_TRY(const ConstMatrixView source, from.values(0, from.rowCount()));
        QS_TRY(const MatrixView target, to.rows(0, to.rowCount()));
        for (size_t r = 0; r < source.rows; ++r)
            std::copy_n(source.row(r), source.cols, target.row(r));
        return to;
    }

    /// One block of work of one stream.
    Result<void> step(size_t block, const DeviceBlock& weights, ActivationStore& stream,
                      const std::string& phase) {
        job_.report(phase, worked_, work_);
        QS_CHECK(forward_.runBlock(block, weights, stream, {}, false, job_.silent()));
        ++worked_;
        return {};
    }

    Result<void> runBlock(size_t index, std::span<ActivationStore> streams, const std::string& phase) {
        QS_TRY(const DeviceBlock block, forward_.loadBlock(index, weights_));
        for (ActivationStore& s : streams)
            QS_CHECK(step(index, block, s, phase));
        return {};
    }

    /// The changes of one block side by side: a later block is loaded once for all of them.
    Result<void> measure(size_t block, std::span<const Placed> placed, const ActivationStore& before) {
        std::vector<ActivationStore> streams;
        {
            QS_TRY(DeviceBlock changed, forward_.loadBlock(block, weights_));
            for (const Placed& p : placed) {
                QS_TRY(ActivationStore stream, copyOf(before));
                QS_CHECK(runChanged(block, changed, p, stream));
                streams.push_back(std::move(stream));
            }
        }
        for (size_t b = block + 1; b < spec_.blocks.size(); ++b)
            QS_CHECK(runBlock(b, streams, phase()));
        return score(placed, streams);
    }

    Result<void> runChanged(size_t block, DeviceBlock& weights, const Placed& p, ActivationStore& stream) {
        QS_CHECK(job_.checkpoint());
        QS_TRY(const Matrix values, changes_[p.change].values(job_.silent()));
        if (values.rows() != p.linear->out || values.cols() != p.linear->in)
            return Error::invalid(fmt::format("the changed values must be [{}, {}], got [{}, {}]",
                                              p.linear->out, p.linear->in, values.rows(), values.cols()),
                                  p.linear->module);
        const BlockSpec& spec = spec_.blocks[block];
        const auto &rounder = changes_[p.change].inputs, &outputs = changes_[p.change].outputs;
        QS_CHECK(weights.replaceWeight(spec, p.linear->module, values.view(), forward_.backend()));
        if (rounder) QS_CHECK(weights.roundInputs(spec, p.linear->module, rounder));
        if (outputs) QS_CHECK(weights.roundOutputs(spec, p.linear->module, outputs));
        QS_CHECK(step(block, weights, stream, phase()));
        if (outputs)
            QS_CHECK(weights.roundOutputs(spec, p.linear->module, weights_.outputRounder(p.linear->weight)));
        if (rounder) {
            QS_TRY(auto own, weights_.inputRounder(p.linear->weight));
            QS_CHECK(weights.roundInputs(spec, p.linear->module, std::move(own)));
        }
        QS_TRY(const Matrix original, weights_.matrix(p.linear->weight));
        return weights.replaceWeight(spec, p.linear->module, original.view(), forward_.backend());
    }

    Result<void> score(std::span<const Placed> placed, const std::vector<ActivationStore>& streams) {
        std::vector<Evaluation> scores(streams.size());
        for (Evaluation& e : scores) {
            e.hasReference = true;
            resizeScores(e, windows_.scored.size(), true);
        }
        const size_t batch = ModelStream::logitRows(spec_), total = windows_.input.size();
        for (size_t first = 0; first < total; first += batch) {
            const size_t n = std::min(batch, total - first);
            const size_t begin = windows_.scoredBefore(first), end = windows_.scoredBefore(first + n);
            if (begin == end) continue;
            QS_TRY(const ConstMatrixView states, original_->values(first, n));
            QS_TRY(const Tensor reference, head_->apply(states));
            for (size_t i = 0; i < streams.size(); ++i) {
                QS_CHECK(job_.checkpoint());
                QS_TRY(const ConstMatrixView own, streams[i].values(first, n));
                QS_TRY(const Tensor logits, head_->apply(own));
                QS_CHECK(scoreLogits(windows_, begin, end - begin, first, logits, &reference, scores[i],
                                     forward_.backend()));
            }
        }
        for (size_t i = 0; i < scores.size(); ++i) {
            Evaluation& e = scores[i];
            e.summarize();
            if (!std::isfinite(e.nll) || !std::isfinite(e.kl))
                return Error{ErrorCode::Backend, "the changed model's loss is not finite",
                             placed[i].linear->module};
            out_.loss = e.referenceNll;
            out_.effects[placed[i].change] = {e.nll, e.kl, e.klStderr};
            ++done_;
            if (measured_) measured_(placed[i].change, out_.effects[placed[i].change]);
        }
        return {};
    }

    const ModelSpec& spec_;
    const WeightSource& weights_;
    std::span<const LinearChange> changes_;
    size_t budget_, width_ = 1;
    const ScoredWindows& windows_;
    Forward forward_;
    const JobContext& job_;
    const ChangeEffectSink& measured_;
    std::optional<ActivationStore> original_; ///< behind the last block
    std::optional<Head> head_;
    ChangeEffects out_;
    size_t done_ = 0;              ///< changes
    double worked_ = 0, work_ = 0; ///< block runs
};

} // namespace

Result<ChangeEffects> measureChanges(const ModelSpec& spec, const WeightSource& weights,
                                     std::span<const LinearChange> changes, const TokenWindows& tokens,
                                     const EvaluateOptions& options, Backend& backend, const JobContext& job,
                                     const ChangeEffectSink& measured) {
    if (changes.empty()) return Error::invalid("there is no change to measure");
    QS_TRY(const auto places, placesOf(spec, changes));
    QS_TRY(const ScoredWindows windows, scoredWindows(spec, tokens, options.maskSeed));
    QS_TRY(Forward forward, Forward::create(spec, backend, windows.input.cols()));
    return Measurement(spec, weights, changes, options, windows, std::move(forward), job, measured)
        .run(places);
}

} // namespace qs
