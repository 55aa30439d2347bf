// SPDX-License-Identifier: Apache-2.0
// Memory that a runtime needs to run a model for one sequence: weights, KV cache, and the buffers of a pass.
// The first two are arithmetic; the buffers are an estimate from what the runtime holds at once.
#pragma once

#include "core/base/result.h"
#include "core/model/spec.h"

#include <span>
#include <string>

namespace qs {

/// How values of the KV cache are stored.
struct CacheType {
    std::string id; ///< "f16"
    std::string label;
    double bits; ///< per value, scales included
    std::vector<std::string> runtimes;
};
/// F16 everywhere; FP8 of vLLM; Q8_0 (34 bytes for 32 values) and Q4_0 (18) of llama.cpp.
std::span<const CacheType> cacheTypes();

/// What is particular to a runtime, with its settings as they are by default.
struct MemoryHabits {
    std::string runtime;       ///< id of a RuntimeProfile
    size_t tokensAtOnce;       ///< of a prompt in one pass; 0: all
    size_t page;               ///< the cache is allotted in multiples of so many tokens
    bool windowHoldsPass;      ///< a sliding window's cache has room for it and one pass
    size_t extraPages;         ///< of a sliding window's cache
    int valueBytes;            ///< of a hidden value in a pass
    bool logitsOfAll;          ///< for every token of a pass, else for the last
    double computeUncertainty; ///< as a share of the estimate of its buffers
};
/// llama.cpp: n_ubatch 512, float32, cache in 256 cells. vLLM: max_num_batched_tokens 2048, blocks of 16,
/// 16 bits. transformers and GPTQModel: the whole prompt, 16 bits. NotFound lists the known ids.
Result<const MemoryHabits*> memoryHabits(const std::string& runtime);

struct MemoryQuestion {
    std::string runtime;
    uint64_t weightBytes = 0; ///< of the weight files
    size_t context = 0;       ///< tokens of the sequence, 1 .. kMostContext
    std::string cache = "f16";
};
inline constexpr size_t kMostContext = size_t(1) << 24;

struct MemoryEstimate {
    uint64_t weights = 0, cache = 0, compute = 0; ///< bytes
    uint64_t computeUncertainty = 0;              ///< give or take
    size_t tokensAtOnce = 0;                      ///< of the pass that `compute` is about
    uint64_t total() const { return weights + cache + compute; }
};

/// With h hidden values, V the vocabulary, t tokens in a pass of b bytes a value:
///   cache   = sum over blocks of 2 kvHeads headDim bits / 8 times the tokens that the block keeps: the
///             context, or its sliding window, in pages. 0 for encoders.
///   compute = the larger of t b (h + w) and t b h + 4 V l, where w is the widest of a block's two halves: q,
///   k
///             and v beside each other, or gate and up, of all experts that a token takes; l the tokens that
///             get logits.
/// InvalidArgument when the context is out of range; NotFound for an unknown runtime or cache type, or one
/// that the runtime does not have.
Result<MemoryEstimate> estimateMemory(const ModelSpec& model, const MemoryQuestion& question);

} // namespace qs
