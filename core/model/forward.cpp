// SPDX-License-Identifier: Apache-2.0
#include "core/model/forward.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kBatchTokens = 2048;

Result<Tensor> uploadMatrix(const std::string& name, const WeightSource& weights, Backend& backend) {
    QS_TRY(Matrix m, weights.matrix(name));
    Tensor t;
    QS_CHECK(backend.upload(m.view(), t));
    return t;
}

Result<DeviceLinear> uploadLinear(const LinearSpec& spec, const WeightSource& weights, Backend& backend) {
    DeviceLinear l;
    QS_TRY(l.weight, uploadMatrix(spec.weight, weights, backend));
    if (!spec.bias.empty()) {
        QS_TRY(l.bias, uploadMatrix(spec.bias, weights, backend));
    }
    return l;
}

} // namespace

DeviceLinear& DeviceBlock::linear(const std::string& role) {
    const std::pair<const char*, DeviceLinear*> all[] = {
        {"q", &q}, {"k", &k}, {"v", &v}, {"o", &o}, {"gate", &gate}, {"up", &up}, {"down", &down}};
    for (const auto& [name, l] : all)
        if (role == name) return *l;
    assert(false && "unknown role");
    return q;
}

Result<Forward> Forward::create(const ModelSpec& spec, Backend& backend, size_t windowLength) {
    if (windowLength == 0) return Error::invalid("the window length must be at least 1");
    Forward f;
    f.spec_ = &spec;
    f.backend_ = &backend;
    f.windowLength_ = windowLength;
    const std::vector<double> frequencies = spec.rope.inverseFrequencies(spec.headDim);
    Matrix cosine(windowLength, frequencies.size()), sine(windowLength, frequencies.size());
    for (size_t t = 0; t < windowLength; ++t)
        for (size_t i = 0; i < frequencies.size(); ++i) {
            // float32 angles, as the published implementations compute them
            const float angle = float(t) * float(frequencies[i]);
            cosine(t, i) = float(std::cos(double(angle)));
            sine(t, i) = float(std::sin(double(angle)));
        }
    QS_CHECK(backend.upload(cosine.view(), f.rope_.cosine));
    QS_CHECK(backend.upload(sine.view(), f.rope_.sine));
    return f;
}

Result<DeviceBlock> Forward::loadBlock(size_t index, const WeightSource& weights) const {
    const BlockSpec& s = spec_->blocks.at(index);
    DeviceBlock b;
    QS_TRY(b.attentionNorm, uploadMatrix(s.attentionNorm, weights, *backend_));
    QS_TRY(b.mlpNorm, uploadMatrix(s.mlpNorm, weights, *backend_));
    for (const LinearSpec* l : s.linears()) {
        QS_TRY(b.linear(l->role), uploadLinear(*l, weights, *backend_));
    }
    return b;
}

size_t Forward::batchRows(size_t totalRows) const {
    const size_t windows = std::max<size_t>(1, kBatchTokens / windowLength_);
    return std::min(totalRows, windows * windowLength_);
}

Result<void> Forward::attentionPart(const BlockSpec& b, const DeviceBlock& w, Tensor& hidden,
                                    const SiteHook& hook) {
    Backend& be = *backend_;
    const auto apply = [&](const DeviceLinear& l, const Tensor& x, Tensor& y) {
        return be.linear(x, l.weight, l.bias.buffer ? &l.bias : nullptr, y);
    };
    QS_TRY(Tensor x, be.allocate(hidden.rows, hidden.cols));
    QS_CHECK(be.rmsNorm(hidden, w.attentionNorm, spec_->normEps, x));
    if (hook) QS_CHECK(hook(b.q.site, x));
    QS_TRY(Tensor q, be.allocate(x.rows, b.q.out));
    QS_TRY(Tensor k, be.allocate(x.rows, b.k.out));
    QS_TRY(Tensor v, be.allocate(x.rows, b.v.out));
    QS_CHECK(apply(w.q, x, q));
    QS_CHECK(apply(w.k, x, k));
    QS_CHECK(apply(w.v, x, v));
    QS_CHECK(be.rope(q, spec_->headDim, rope_, windowLength_));
    QS_CHECK(be.rope(k, spec_->headDim, rope_, windowLength_));
    QS_TRY(Tensor mixed, be.allocate(x.rows, b.q.out));
    QS_CHECK(be.attention(q, k, v, spec_->heads, spec_->kvHeads, windowLength_, mixed));
    if (hook) QS_CHECK(hook(b.o.site, mixed));
    QS_CHECK(apply(w.o, mixed, x));
    return be.add(hidden, x);
}

Result<void> Forward::mlpPart(const BlockSpec& b, const DeviceBlock& w, Tensor& hidden,
                              const SiteHook& hook) {
    Backend& be = *backend_;
    const auto apply = [&](const DeviceLinear& l, const Tensor& x, Tensor& y) {
        return be.linear(x, l.weight, l.bias.buffer ? &l.bias : nullptr, y);
    };
    QS_TRY(Tensor x, be.allocate(hidden.rows, hidden.cols));
    QS_CHECK(be.rmsNorm(hidden, w.mlpNorm, spec_->normEps, x));
    if (hook) QS_CHECK(hook(b.gate.site, x));
    QS_TRY(Tensor gate, be.allocate(x.rows, b.gate.out));
    QS_TRY(Tensor up, be.allocate(x.rows, b.up.out));
    QS_CHECK(apply(w.gate, x, gate));
    QS_CHECK(apply(w.up, x, up));
    QS_CHECK(be.siluMultiply(gate, up));
    if (hook) QS_CHECK(hook(b.down.site, gate));
    QS_CHECK(apply(w.down, gate, x));
    return be.add(hidden, x);
}

Result<void> Forward::runBlock(size_t index, const DeviceBlock& block, Tensor& hidden, const SiteHook& hook) {
    if (hidden.cols != spec_->hidden || hidden.rows % windowLength_ != 0)
        return Error::invalid(fmt::format("hidden states must be [k * {}, {}], got [{}, {}]", windowLength_,
                                          spec_->hidden, hidden.rows, hidden.cols));
    const BlockSpec& b = spec_->blocks.at(index);
    QS_CHECK(attentionPart(b, block, hidden, hook));
    return mlpPart(b, block, hidden, hook);
}

Result<void> Forward::runBlock(size_t index, const DeviceBlock& block, ActivationStore& hidden,
                               const SiteHook& hook, bool keepInputs, const JobContext& job) {
    const size_t total = hidden.rowCount(), batch = batchRows(total);
    Tensor x;
    for (size_t first = 0; first < total; first += batch) {
        QS_CHECK(job.checkpoint());
        const MatrixView rows = hidden.rows(first, std::min(batch, total - first));
        QS_CHECK(backend_->upload(rows, x));
        QS_CHECK(runBlock(index, block, x, hook));
        if (!keepInputs) QS_CHECK(backend_->download(x, rows));
        job.report(fmt::format("Forward, block {} of {}", index + 1, spec_->blocks.size()),
                   double(first + rows.rows), double(total));
    }
    return {};
}

Result<void> Forward::embed(std::span<const int32_t> ids, const WeightSource& weights,
                            ActivationStore& out) const {
    QS_TRY(Matrix table, weights.matrix(spec_->embedding));
    for (size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] < 0 || size_t(ids[i]) >= table.rows())
            return Error::invalid(fmt::format("token id {} at position {} is outside the vocabulary of {}",
                                              ids[i], i, table.rows()));
        std::copy_n(table.row(size_t(ids[i])), table.cols(), out.rows(i, 1).data);
    }
    return {};
}

Result<Head> Head::create(const ModelSpec& spec, const WeightSource& weights, Backend& backend) {
    Head h;
    h.backend_ = &backend;
    h.eps_ = spec.normEps;
    QS_TRY(h.norm_, uploadMatrix(spec.finalNorm, weights, backend));
    QS_TRY(h.weight_, uploadMatrix(spec.head, weights, backend));
    return h;
}

Result<Matrix> Head::logits(ConstMatrixView hidden) {
    Tensor x;
    QS_CHECK(backend_->upload(hidden, x));
    QS_TRY(Tensor normed, backend_->allocate(x.rows, x.cols));
    QS_CHECK(backend_->rmsNorm(x, norm_, eps_, normed));
    QS_TRY(Tensor y, backend_->allocate(x.rows, weight_.rows));
    QS_CHECK(backend_->linear(normed, weight_, nullptr, y));
    Matrix out(y.rows, y.cols);
    QS_CHECK(backend_->download(y, out.view()));
    return out;
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
    return head.logits(hidden.rows(0, ids.size()));
}

} // namespace qs
