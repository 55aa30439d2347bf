// SPDX-License-Identifier: Apache-2.0
// The two halves of a block: attention, and the feed-forward layer (dense or a mixture of experts).
#include "core/model/aged_attention.h"
#include "core/model/forward.h"
#include "core/model/rope_table.h"
#include "core/model/routing.h"
#include "core/tensor/convert.h"

#include <cmath>
#include <numeric>

namespace qs {

namespace {

Result<Tensor> keyBias(const AlibiSpec& alibi, size_t windowLength, Backend& backend) {
    const auto stored = [&](float v) { return alibi.bfloat16 ? bfloatToFloat(floatToBfloat(v)) : v; };
    Matrix bias(alibi.slopes.size(), windowLength);
    for (size_t h = 0; h < bias.rows(); ++h)
        for (size_t j = 0; j < windowLength; ++j)
            bias(h, j) = float(alibi.scale) * stored(stored(alibi.slopes[h]) * stored(float(j)));
    Tensor t;
    QS_CHECK(backend.upload(bias.view(), t));
    return t;
}

} // namespace

Result<void> Forward::attention(const AttentionSpec& a, const DeviceAttention& w, const Tensor& x, Tensor& y,
                                const SiteHook& hook) {
    Backend& be = *backend_;
    if (hook) QS_CHECK(hook(a.q.site, x));
    QS_TRY(Tensor q, be.allocate(x.rows, a.q.out));
    QS_TRY(Tensor k, be.allocate(x.rows, a.k.out));
    QS_TRY(Tensor v, be.allocate(x.rows, a.v.out));
    SharedInput input(be, x);
    QS_CHECK(input.apply(w.q, q));
    QS_CHECK(input.apply(w.k, k));
    QS_CHECK(input.apply(w.v, v));
    if (a.qNorm) QS_CHECK(w.qNorm.apply(be, q, q));
    if (a.kNorm) QS_CHECK(w.kNorm.apply(be, k, k));
    QS_TRY(Tensor mixed, be.allocate(x.rows, a.q.out));
    QS_CHECK(attend(a, w, q, k, v, mixed));
    if (hook) QS_CHECK(hook(a.o.site, mixed));
    return w.o.apply(be, mixed, y);
}

Result<void> Forward::attend(const AttentionSpec& a, const DeviceAttention& w, Tensor& q, Tensor& k,
                             Tensor& v, Tensor& out) {
    Backend& be = *backend_;
    QS_TRY(const AttentionShape shape, shapeOf(a));
    std::vector<AgedCache> ages;
    std::optional<BestTokens> best;
    const KvRounder* cache = w.cache.get();
    if (cache && cache->dependsOnQuery()) {
        const RotateHeads turn = [&](Tensor& heads, std::optional<size_t> position) {
            return rotate(a, heads, position);
        };
        QS_TRY(ages, ageCache(*cache, windowLength_, q, k, v, turn, be));
        cache = nullptr;
    }
    const KvRounder::Step step = cache ? cache->steps.front() : KvRounder::Step();
    if (cache) QS_CHECK(cache->round(step.values.get(), be, windowLength_, v));
    if (cache && cache->beforeRotation) QS_CHECK(cache->round(step.keys.get(), be, windowLength_, k));
    QS_CHECK(rotate(a, q, std::nullopt));
    QS_CHECK(rotate(a, k, std::nullopt));
    if (cache && !cache->beforeRotation) QS_CHECK(cache->round(step.keys.get(), be, windowLength_, k));
    if (w.cache && w.cache->bestTokens > 0) best = BestTokens{w.cache->bestTokens, q, k};
    if (watch_.attention) QS_CHECK(watch_.attention(q, k, shape));
    if (ages.empty() && w.probabilities) ages.push_back({0, q, k, v});
    if (ages.empty()) return be.attention(q, k, v, shape, out);
    ProbabilityVisitor visit;
    if (w.probabilities) visit = [&](MatrixView p) { return w.probabilities->round(p); };
    return agedAttention(ages, shape, visit, be, out, best ? &*best : nullptr);
}

Result<void> Forward::rotate(const AttentionSpec& a, Tensor& x, std::optional<size_t> position) const {
    if (a.rope < 0) return {};
    const RopeTable& table = ropes_[size_t(a.rope)];
    if (!position) return backend_->rope(x, a.headDim, table, windowLength_);
    QS_TRY(const RopeTable one,
           ropeTable(spec_->ropes[size_t(a.rope)], windowLength_, *backend_, *position, 1));
    return backend_->rope(x, a.headDim, one, 1); // every row is the first of a context of one
}

Result<AttentionShape> Forward::shapeOf(const AttentionSpec& a) const {
    AttentionShape shape;
    shape.heads = a.heads;
    shape.kvHeads = a.kvHeads;
    shape.windowLength = windowLength_;
    shape.scale = float(a.scale);
    shape.softCap = float(a.softCap);
    shape.reach = a.reach;
    shape.causal = spec_->causal;
    if (a.alibi) {
        QS_TRY(shape.keyBias, keyBias(a.alibi, windowLength_, *backend_));
    }
    return shape;
}

Result<void> Forward::feedForward(const BlockSpec& b, const DeviceBlock& w, const Tensor& x, Tensor& y,
                                  const SiteHook& hook) {
    if (b.mixture) return mixture(*b.mixture, w.mixture, x, y, hook);
    return mlp(b.mlp, w.mlp, x, y, hook);
}

Result<void> Forward::mlp(const MlpSpec& m, const DeviceMlp& w, const Tensor& x, Tensor& y,
                          const SiteHook& hook) {
    Backend& be = *backend_;
    if (hook) QS_CHECK(hook(m.inputSite(), x));
    QS_TRY(Tensor up, be.allocate(x.rows, m.up.out));
    SharedInput input(be, x);
    QS_CHECK(input.apply(w.up, up));
    Tensor inner = up;
    if (m.gated) {
        QS_TRY(inner, be.allocate(x.rows, m.gate.out));
        QS_CHECK(input.apply(w.gate, inner));
        QS_CHECK(be.activateMultiply(m.activation, inner, up));
    } else {
        QS_CHECK(be.activate(m.activation, inner));
    }
    if (hook) QS_CHECK(hook(m.down.site, inner));
    return w.down.apply(be, inner, y);
}

Result<void> Forward::mixture(const MixtureSpec& m, const DeviceMixture& w, const Tensor& x, Tensor& y,
                              const SiteHook& hook) {
    Backend& be = *backend_;
    QS_TRY(Tensor scores, be.allocate(x.rows, w.router.rows));
    QS_CHECK(be.linear(x, w.router, nullptr, scores));
    Matrix host(scores.rows, scores.cols);
    QS_CHECK(be.download(scores, host.view()));
    const std::vector<ExpertTokens> sent = routeTokens(host.view(), m.topK, m.renormalize);
    for (size_t e = 0; e < m.experts.size(); ++e) {
        if (sent[e].tokens.empty()) continue;
        QS_TRY(Tensor own, be.allocate(sent[e].tokens.size(), x.cols));
        QS_CHECK(be.gatherRows(x, sent[e].tokens, own));
        QS_TRY(Tensor result, be.allocate(own.rows, y.cols));
        QS_CHECK(mlp(m.experts[e], w.experts[e], own, result, hook));
        QS_CHECK(be.addScaledRows(y, sent[e].tokens, sent[e].weights, result));
    }
    if (!m.shared) return {};
    QS_TRY(Tensor result, be.allocate(x.rows, y.cols));
    QS_CHECK(mlp(*m.shared, w.shared, x, result, hook));
    std::vector<float> weights(x.rows, 1.0f);
    if (w.sharedGate.buffer) {
        QS_TRY(Tensor gate, be.allocate(x.rows, 1));
        QS_CHECK(be.linear(x, w.sharedGate, nullptr, gate));
        QS_CHECK(be.download(gate, MatrixView(weights.data(), x.rows, 1)));
        for (float& g : weights)
            g = 1.0f / (1.0f + std::exp(-g));
    }
    std::vector<uint32_t> all(x.rows);
    std::iota(all.begin(), all.end(), 0u);
    return be.addScaledRows(y, all, weights, result);
}

} // namespace qs
