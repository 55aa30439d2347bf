// SPDX-License-Identifier: Apache-2.0
#include "core/model/forward.h"

#include "core/model/rope_table.h"

#include <fmt/format.h>
#include <set>

namespace qs {

namespace {

constexpr size_t kBatchTokens = 2048;

/// before(x); x itself when there is no such norm.
Result<Tensor> normedOr(const DeviceNorm& norm, const Tensor& x, Backend& backend) {
    if (norm.kind == NormSpec::Kind::None) return x;
    QS_TRY(Tensor y, backend.allocate(x.rows, x.cols));
    QS_CHECK(norm.apply(backend, x, y));
    return y;
}

/// hidden <- after(residual + output(f(before(hidden)))).
template<class F>
Result<void> sublayer(const DeviceBlock::Norms& norms, bool residualFromNorm, Tensor& hidden, Backend& be,
                      const F& f) {
    QS_TRY(Tensor x, normedOr(norms.before, hidden, be));
    QS_TRY(Tensor y, be.allocate(hidden.rows, hidden.cols));
    QS_CHECK(f(x, y));
    if (norms.output.kind != NormSpec::Kind::None) QS_CHECK(norms.output.apply(be, y, y));
    if (residualFromNorm) hidden = x;
    QS_CHECK(be.add(hidden, y));
    if (norms.after.kind != NormSpec::Kind::None) QS_CHECK(norms.after.apply(be, hidden, hidden));
    return {};
}

struct BatchRows {
    size_t first = 0, count = 0;
    bool operator==(const BatchRows&) const = default;
};

/// One block over rows of a store. Where memory is short the store's own go to the host first; then rows go
/// in halves, down to one window; sites that were shown all of the rows before it ran out are not shown their
/// halves.
class BlockRows {
public:
    BlockRows(Forward& forward, size_t index, const DeviceBlock& block, ActivationStore& store,
              const SiteHook& hook, bool keepInputs)
        : forward_(forward)
        , index_(index)
        , block_(block)
        , store_(store)
        , hook_(hook)
        , keepInputs_(keepInputs) {}

    /// The rows that the next run() is about: they are on their way to the device while it computes.
    void announce(BatchRows next) { next_ = next; }

    /// `divisible`: whether halves will do. `most` becomes the rows of a half where they had to.
    Result<void> run(BatchRows rows, bool divisible, size_t& most, const std::set<std::string>& before = {}) {
        std::set<std::string> shown = before;
        bool refused = false;
        const SiteHook once = [&](const std::string& site, const Tensor& x) -> Result<void> {
            if (before.count(site) > 0) return {};
            Result<void> r = hook_(site, x);
            if (r)
                shown.insert(site);
            else
                refused = true; // half of what it adds up may be there
            return r;
        };
        Result<void> r = runOnce(rows, hook_ ? once : hook_);
        if (r || r.error().code != ErrorCode::OutOfMemory || !divisible || refused) return r;
        QS_TRY(const bool more, giveUpMemory());
        if (more) return run(rows, divisible, most, shown);
        const size_t window = forward_.windowLength(), half = rows.count / window / 2 * window;
        if (half == 0) return r;
        most = std::min(most, rows.count - half);
        QS_CHECK(run({rows.first, half}, divisible, most, shown));
        return run({rows.first + half, rows.count - half}, divisible, most, shown);
    }

private:
    /// What the next rows or the store have of the device; false when that is nothing.
    Result<bool> giveUpMemory() {
        const bool ahead = ahead_.buffer != nullptr;
        x_ = ahead_ = {};
        next_ = {};
        QS_TRY(const bool held, store_.release());
        return ahead || held;
    }

    Result<void> runOnce(BatchRows rows, const SiteHook& hook) {
        Backend& be = forward_.backend();
        QS_CHECK(load(rows));
        QS_CHECK(forward_.runBlock(index_, block_, x_, hook));
        QS_CHECK(sendAhead());
        if (keepInputs_) return {};
        QS_CHECK(store_.put(be, rows.first, x_));
        if (store_.held(rows.first, rows.count)) x_ = {}; // it is the store's
        return {};
    }

    /// Into x_, which is changed: what the store holds on the device is whole until the block has run.
    Result<void> load(BatchRows rows) {
        Backend& be = forward_.backend();
        const bool sent = ahead_.buffer && aheadOf_ == rows;
        if (sent) std::swap(x_, ahead_);
        aheadOf_ = {};
        if (sent) return {};
        if (const auto held = store_.held(rows.first, rows.count)) {
            if (x_.rows != rows.count) {
                QS_TRY(x_, be.allocate(rows.count, store_.cols()));
            }
            return be.copy(*held, x_);
        }
        QS_TRY(const ConstMatrixView values, store_.values(rows.first, rows.count));
        return be.upload(values, x_);
    }

    Result<void> sendAhead() {
        if (next_.count == 0 || store_.held(next_.first, next_.count)) return {};
        QS_TRY(const ConstMatrixView values, store_.values(next_.first, next_.count));
        auto sent = forward_.backend().upload(values, ahead_);
        if (sent)
            aheadOf_ = next_;
        else if (sent.error().code == ErrorCode::OutOfMemory)
            ahead_ = {}; // its turn comes
        else
            return sent;
        return {};
    }

    Forward& forward_;
    size_t index_;
    const DeviceBlock& block_;
    ActivationStore& store_;
    const SiteHook& hook_;
    bool keepInputs_;
    BatchRows next_;
    Tensor x_, ahead_;
    BatchRows aheadOf_; ///< the rows that ahead_ holds
};

} // namespace

Result<Forward> Forward::create(const ModelSpec& spec, Backend& backend, size_t windowLength) {
    if (windowLength == 0) return Error::invalid("the window length must be at least 1");
    Forward f;
    f.spec_ = &spec;
    f.backend_ = &backend;
    f.windowLength_ = windowLength;
    for (const RopeSpec& r : spec.ropes) {
        QS_TRY(RopeTable table, ropeTable(r, windowLength, backend, 0, windowLength));
        f.ropes_.push_back(std::move(table));
    }
    return f;
}

Result<DeviceBlock> Forward::loadBlock(size_t index, const WeightSource& weights) const {
    return DeviceBlock::load(spec_->blocks.at(index), weights, *backend_);
}

size_t Forward::batchRows(size_t totalRows) const {
    const size_t windows = std::max<size_t>(1, kBatchTokens / windowLength_);
    return std::min(totalRows, windows * windowLength_);
}

Result<void> Forward::showOutput(BlockHalf half, const Tensor& y) const {
    return watch_.output ? watch_.output(half, y) : Result<void>();
}

Result<void> Forward::showResidual(BlockHalf half, const Tensor& hidden) const {
    return watch_.residual ? watch_.residual(half, hidden) : Result<void>();
}

Result<void> Forward::sequentialBlock(const BlockSpec& b, const DeviceBlock& w, Tensor& hidden,
                                      const SiteHook& hook) {
    const auto attend = [&](const Tensor& x, Tensor& y) -> Result<void> {
        QS_CHECK(attention(b.attention, w.attention, x, y, hook));
        return showOutput(BlockHalf::Attention, y);
    };
    const auto feed = [&](const Tensor& x, Tensor& y) -> Result<void> {
        QS_CHECK(feedForward(b, w, x, y, hook));
        return showOutput(BlockHalf::FeedForward, y);
    };
    QS_CHECK(sublayer(w.attentionNorms, b.residualFromNorm, hidden, *backend_, attend));
    QS_CHECK(showResidual(BlockHalf::Attention, hidden));
    QS_CHECK(sublayer(w.mlpNorms, b.residualFromNorm, hidden, *backend_, feed));
    return showResidual(BlockHalf::FeedForward, hidden);
}

Result<void> Forward::parallelBlock(const BlockSpec& b, const DeviceBlock& w, Tensor& hidden,
                                    const SiteHook& hook) {
    Backend& be = *backend_;
    QS_TRY(Tensor x, normedOr(w.attentionNorms.before, hidden, be));
    QS_TRY(Tensor y, be.allocate(hidden.rows, hidden.cols));
    QS_CHECK(attention(b.attention, w.attention, x, y, hook));
    QS_CHECK(showOutput(BlockHalf::Attention, y));
    if (w.mlpNorms.before.kind != NormSpec::Kind::None) {
        QS_TRY(x, normedOr(w.mlpNorms.before, hidden, be));
    }
    QS_TRY(Tensor z, be.allocate(hidden.rows, hidden.cols));
    // One site for both halves when they share their input: its tokens count once.
    const SiteHook once = [&](const std::string& site, const Tensor& at) {
        return site == b.attention.q.site ? Result<void>() : hook(site, at);
    };
    QS_CHECK(feedForward(b, w, x, z, hook ? once : hook));
    QS_CHECK(showOutput(BlockHalf::FeedForward, z));
    QS_CHECK(be.add(hidden, y));
    QS_CHECK(showResidual(BlockHalf::Attention, hidden));
    QS_CHECK(be.add(hidden, z));
    return showResidual(BlockHalf::FeedForward, hidden);
}

Result<void> Forward::runBlock(size_t index, const DeviceBlock& block, Tensor& hidden, const SiteHook& hook) {
    if (hidden.cols != spec_->hidden || hidden.rows % windowLength_ != 0)
        return Error::invalid(fmt::format("hidden states must be [k * {}, {}], got [{}, {}]", windowLength_,
                                          spec_->hidden, hidden.rows, hidden.cols));
    const BlockSpec& b = spec_->blocks.at(index);
    return b.parallel ? parallelBlock(b, block, hidden, hook) : sequentialBlock(b, block, hidden, hook);
}

Result<void> Forward::runBlock(size_t index, const DeviceBlock& block, ActivationStore& hidden,
                               const SiteHook& hook, bool keepInputs, const JobContext& job) {
    const size_t total = hidden.rowCount();
    const bool watched = watch_.attention || watch_.output || watch_.residual; // they take each row once
    size_t batch = batchRows(total);
    BlockRows part(*this, index, block, hidden, hook, keepInputs);
    for (size_t first = 0, count = 0; first < total; first += count) {
        QS_CHECK(job.checkpoint());
        count = std::min(batch, total - first);
        const size_t end = first + count;
        part.announce(end < total ? BatchRows{end, std::min(batch, total - end)} : BatchRows());
        QS_CHECK(part.run({first, count}, !watched, batch));
        job.report(fmt::format("Forward, block {} of {}", index + 1, spec_->blocks.size()),
                   double(first + count), double(total));
    }
    return {};
}

Result<void> Forward::embed(std::span<const int32_t> ids, const WeightSource& weights,
                            ActivationStore& out) const {
    QS_TRY(Embedding embedding, Embedding::load(*spec_, weights, *backend_));
    QS_TRY(const MatrixView to, out.rows(0, ids.size()));
    return embedding.embed(ids, windowLength_, to);
}

Result<Matrix> computeLogits(const ModelSpec& spec, const WeightSource& weights, std::span<const int32_t> ids,
                             Backend& backend, const JobContext& job) {
    if (ids.empty()) return Error::invalid("at least one token is needed");
    QS_TRY(Forward forward, Forward::create(spec, backend, ids.size()));
    QS_TRY(ActivationStore hidden, ActivationStore::create(ids.size(), spec.hidden, SIZE_MAX));
    QS_CHECK(forward.embed(ids, weights, hidden));
    for (size_t b = 0; b < spec.blocks.size(); ++b) {
        QS_TRY(DeviceBlock block, forward.loadBlock(b, weights));
        QS_CHECK(forward.runBlock(
            b, block, hidden, {}, false,
            job.part(double(b) / double(spec.blocks.size()), double(b + 1) / double(spec.blocks.size()))));
    }
    QS_TRY(Head head, Head::create(spec, weights, backend));
    QS_TRY(const ConstMatrixView states, hidden.values(0, ids.size()));
    return head.logits(states);
}

} // namespace qs
