// SPDX-License-Identifier: Apache-2.0
#include "core/export/gguf_layout.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr const char* kStem = "model";

bool close(double a, double b) {
    return std::abs(a - b) <= 1e-5 * std::max(std::abs(a), std::abs(b));
}

bool close(const std::vector<double>& a, const std::vector<double>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) { return close(x, y); });
}

/// Frequencies in short and in long windows say more than how they are described.
bool sameRotation(const ModelSpec& a, int ropeA, const ModelSpec& b, int ropeB) {
    if (ropeA < 0 || ropeB < 0) return ropeA == ropeB;
    const RopeSpec &x = a.ropes[size_t(ropeA)], &y = b.ropes[size_t(ropeB)];
    if (x.dims != y.dims || !close(x.attentionFactor, y.attentionFactor)) return false;
    for (const size_t window : {size_t(1), a.context})
        if (!close(x.inverseFrequencies(window), y.inverseFrequencies(window))) return false;
    return true;
}

bool sameNorm(const NormSpec& a, const NormSpec& b) {
    return a.kind == b.kind && a.plusOne == b.plusOne && a.size == b.size && close(a.eps, b.eps) &&
           a.gain.size() == b.gain.size() && a.bias.empty() == b.bias.empty();
}

bool sameNorms(const SublayerNorms& a, const SublayerNorms& b) {
    return sameNorm(a.before, b.before) && sameNorm(a.output, b.output) && sameNorm(a.after, b.after);
}

std::string blockDifference(const ModelSpec& a, const ModelSpec& b, size_t index) {
    const BlockSpec &x = a.blocks[index], &y = b.blocks[index];
    const AttentionSpec &p = x.attention, &q = y.attention;
    if (x.parallel != y.parallel || x.residualFromNorm != y.residualFromNorm) return "residuals";
    if (!sameNorms(x.attentionNorms, y.attentionNorms) || !sameNorms(x.mlpNorms, y.mlpNorms) ||
        !sameNorm(p.qNorm, q.qNorm) || !sameNorm(p.kNorm, q.kNorm))
        return "norms";
    if (!close(p.scale, q.scale) || !close(p.softCap, q.softCap)) return "scaling of scores";
    if (p.reach != q.reach) return "sliding window";
    if (p.alibi.slopes != q.alibi.slopes) return "ALiBi";
    if (!sameRotation(a, p.rope, b, q.rope)) return "rotary embedding";
    if (x.mixture.has_value() != y.mixture.has_value()) return "experts";
    const auto linears = x.linears(), others = y.linears();
    if (linears.size() != others.size()) return "linears";
    for (size_t i = 0; i < linears.size(); ++i)
        if (linears[i]->out != others[i]->out || linears[i]->in != others[i]->in ||
            linears[i]->bias.empty() != others[i]->bias.empty())
            return linears[i]->module;
    if (!x.mixture) return x.mlp.activation == y.mlp.activation ? "" : "activation";
    if (x.mixture->topK != y.mixture->topK || x.mixture->renormalize != y.mixture->renormalize)
        return "routing";
    return x.mixture->experts[0].activation == y.mixture->experts[0].activation ? "" : "activation";
}

} // namespace

std::string ggufSpecDifference(const ModelSpec& a, const ModelSpec& b) {
    if (a.hidden != b.hidden || a.vocabulary != b.vocabulary || a.heads != b.heads ||
        a.kvHeads != b.kvHeads || a.headDim != b.headDim || a.context != b.context || a.causal != b.causal ||
        a.blocks.size() != b.blocks.size())
        return "sizes";
    if (!close(a.embedding.multiplier, b.embedding.multiplier) ||
        !sameNorm(a.embedding.norm, b.embedding.norm))
        return "embedding";
    // An encoder's prediction head has no place in llama.cpp.
    if (a.causal && (!sameNorm(a.head.norm, b.head.norm) || !close(a.head.softCap, b.head.softCap)))
        return "head";
    for (size_t i = 0; i < a.blocks.size(); ++i)
        if (const std::string what = blockDifference(a, b, i); !what.empty())
            return fmt::format("{} of block {}", what, i);
    return {};
}

Result<std::unique_ptr<const GgufLayout>> ggufLayout(const ExportSource& source) {
    auto layout = std::make_unique<GgufLayout>();
    layout->architecture = ggufArchitectureOf(*source.model);
    if (!layout->architecture)
        return Error::unsupported("llama.cpp has no architecture for this model",
                                  source.checkpoint().displayName());
    QS_TRY(layout->outputs, ggufOutputs(source, *layout->architecture));
    for (GgufOutput& o : layout->outputs.list) {
        QS_TRY(o.type, ggufOutputType(o, source.checkpoint(), source.params.choice("kept")));
    }
    layout->cache = std::make_shared<TensorCache>(source);
    for (const GgufOutput& o : layout->outputs.list)
        layout->items.push_back(
            {o.name, o.type, o.shape, [&source, &cache = *layout->cache, &o](std::span<std::byte> out) {
                 return fillGgufOutput(source, cache, o, out);
             }});
    for (GgufItem& item : ggufRopeItems(source.model->spec()))
        layout->items.push_back(std::move(item));
    QS_TRY(const GgufFields fields, ggufFields(source, *layout->architecture, layout->outputs));
    const uint64_t split = uint64_t(source.params.integer("split_mb")) * 1000000;
    layout->parts = ggufParts(kStem, fields, layout->items, split);
    return std::unique_ptr<const GgufLayout>(std::move(layout));
}

} // namespace qs
