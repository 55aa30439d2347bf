// SPDX-License-Identifier: Apache-2.0
#include "core/model/spec.h"

namespace qs {

std::vector<const LinearSpec*> MlpSpec::linears() const {
    if (gated) return {&gate, &up, &down};
    return {&up, &down};
}

std::vector<const LinearSpec*> BlockSpec::linears() const {
    std::vector<const LinearSpec*> out = {&attention.q, &attention.k, &attention.v, &attention.o};
    const auto add = [&](const MlpSpec& m) {
        for (const LinearSpec* l : m.linears())
            out.push_back(l);
    };
    if (!mixture) {
        add(mlp);
        return out;
    }
    for (const MlpSpec& e : mixture->experts)
        add(e);
    if (mixture->shared) add(*mixture->shared);
    return out;
}

namespace {

void addUnique(std::vector<std::string>& list, const std::string& name) {
    if (!name.empty() && std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
}

/// Everything in the feed-forward half that reads its input.
void addMlpReaders(const BlockSpec& b, FoldSpec& f) {
    if (!b.mixture) return addUnique(f.sites, b.mlp.inputSite());
    for (const MlpSpec& e : b.mixture->experts)
        addUnique(f.sites, e.inputSite());
    if (b.mixture->shared) addUnique(f.sites, b.mixture->shared->inputSite());
    addUnique(f.columns, b.mixture->router);
    addUnique(f.columns, b.mixture->sharedGate);
}

void addNormFolds(const BlockSpec& b, std::vector<FoldSpec>& out) {
    // A norm whose output is also the residual has a reader that is no linear.
    if (b.residualFromNorm) return;
    const auto canScale = [](const NormSpec& n) { return n && !n.gain.empty(); };
    const bool shared = b.parallel && !b.mlpNorms.before;
    if (canScale(b.attentionNorms.before)) {
        FoldSpec f{
            .norm = b.attentionNorms.before, .module = {}, .sites = {b.attention.q.site}, .columns = {}};
        if (shared) addMlpReaders(b, f);
        out.push_back(std::move(f));
    }
    if (canScale(b.mlpNorms.before)) {
        FoldSpec f{.norm = b.mlpNorms.before, .module = {}, .sites = {}, .columns = {}};
        addMlpReaders(b, f);
        out.push_back(std::move(f));
    }
}

void addMlpFold(const MlpSpec& m, std::vector<FoldSpec>& out) {
    if (!m.gated) return;
    out.push_back({.producer = FoldSpec::Producer::Rows,
                   .norm = {},
                   .module = m.up.module,
                   .sites = {m.down.site},
                   .columns = {}});
}

} // namespace

std::vector<FoldSpec> findFolds(const BlockSpec& b) {
    std::vector<FoldSpec> out;
    addNormFolds(b, out);
    out.push_back({.producer = FoldSpec::Producer::Rows,
                   .norm = {},
                   .module = b.attention.v.module,
                   .sites = {b.attention.o.site},
                   .columns = {},
                   .headDim = b.attention.headDim,
                   .repeat = b.attention.heads / b.attention.kvHeads});
    if (!b.mixture) {
        addMlpFold(b.mlp, out);
        return out;
    }
    for (const MlpSpec& e : b.mixture->experts)
        addMlpFold(e, out);
    if (b.mixture->shared) addMlpFold(*b.mixture->shared, out);
    return out;
}

} // namespace qs
