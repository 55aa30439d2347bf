// SPDX-License-Identifier: Apache-2.0
#include "core/export/memory_estimate.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

/// Double is exact up to 2^53, 9 PB.
uint64_t bytesOf(double bytes) {
    return uint64_t(std::llround(std::min(bytes, 0x1p62)));
}

size_t roundUp(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

/// Tokens that a block keeps.
size_t tokensKept(const MemoryHabits& habits, size_t context, size_t reach) {
    const size_t all = roundUp(context, habits.page);
    if (reach == 0) return all;
    const size_t window = reach + (habits.windowHoldsPass ? habits.tokensAtOnce : 0);
    return std::min(all, roundUp(window, habits.page) + habits.extraPages * habits.page);
}

double cacheValues(const ModelSpec& model, const MemoryHabits& habits, size_t context) {
    double values = 0;
    for (const BlockSpec& b : model.blocks)
        values += 2.0 * double(b.attention.kvHeads) * double(b.attention.headDim) *
                  double(tokensKept(habits, context, b.attention.reach));
    return values;
}

double widthOf(const MlpSpec& mlp) {
    return double(mlp.up.out) * (mlp.gated ? 2 : 1);
}

/// Values per token beside the hidden state, in the wider half of a block.
double widthOf(const BlockSpec& b) {
    const AttentionSpec& a = b.attention;
    const double attention = double(a.headDim) * (double(a.heads) + 2.0 * double(a.kvHeads));
    double mlp = widthOf(b.mlp);
    if (b.mixture) {
        mlp = b.mixture->experts.empty() ? 0 : double(b.mixture->topK) * widthOf(b.mixture->experts.front());
        if (b.mixture->shared) mlp += widthOf(*b.mixture->shared);
    }
    return std::max(attention, mlp);
}

double computeBytes(const ModelSpec& model, const MemoryHabits& habits, size_t tokens) {
    double width = 0;
    for (const BlockSpec& b : model.blocks)
        width = std::max(width, widthOf(b));
    const double perValue = double(tokens) * habits.valueBytes, hidden = double(model.hidden);
    const double logits = 4.0 * double(model.vocabulary) * (habits.logitsOfAll ? double(tokens) : 1);
    return std::max(perValue * (hidden + width), perValue * hidden + logits);
}

Result<const CacheType*> cacheType(const std::string& id, const std::string& runtime) {
    std::string known;
    for (const CacheType& c : cacheTypes()) {
        if (std::find(c.runtimes.begin(), c.runtimes.end(), runtime) == c.runtimes.end()) continue;
        if (c.id == id) return &c;
        known += (known.empty() ? "" : ", ") + c.id;
    }
    return Error::notFound(fmt::format("{} has no KV cache of type \"{}\": it has {}", runtime, id, known));
}

} // namespace

std::span<const CacheType> cacheTypes() {
    static const std::vector<CacheType> types = {
        {"f16", "F16", 16, {"llama.cpp", "vllm", "transformers", "gptqmodel"}},
        {"fp8", "FP8", 8, {"vllm"}},
        {"q8_0", "Q8_0", 8.5, {"llama.cpp"}},
        {"q4_0", "Q4_0", 4.5, {"llama.cpp"}}};
    return types;
}

Result<const MemoryHabits*> memoryHabits(const std::string& runtime) {
    static const std::vector<MemoryHabits> all = {{"llama.cpp", 512, 256, true, 0, 4, true, 0.1},
                                                  {"vllm", 2048, 16, true, 1, 2, false, 0.3},
                                                  {"transformers", 0, 1, false, 0, 2, false, 0.3},
                                                  {"gptqmodel", 0, 1, false, 0, 2, false, 0.3}};
    std::string known;
    for (const MemoryHabits& h : all) {
        if (h.runtime == runtime) return &h;
        known += (known.empty() ? "" : ", ") + h.runtime;
    }
    return Error::notFound(fmt::format("no runtime \"{}\"; known are {}", runtime, known));
}

Result<MemoryEstimate> estimateMemory(const ModelSpec& model, const MemoryQuestion& q) {
    QS_TRY(const MemoryHabits* habits, memoryHabits(q.runtime));
    QS_TRY(const CacheType* cache, cacheType(q.cache, q.runtime));
    if (q.context < 1 || q.context > kMostContext)
        return Error::invalid(
            fmt::format("a context of {} tokens: allowed are 1 to {}", q.context, kMostContext));
    MemoryEstimate e;
    e.weights = q.weightBytes;
    if (model.causal) e.cache = bytesOf(cacheValues(model, *habits, q.context) * cache->bits / 8);
    e.tokensAtOnce = habits->tokensAtOnce ? std::min(habits->tokensAtOnce, q.context) : q.context;
    const double compute = computeBytes(model, *habits, e.tokensAtOnce);
    e.compute = bytesOf(compute);
    e.computeUncertainty = bytesOf(compute * habits->computeUncertainty);
    return e;
}

} // namespace qs
