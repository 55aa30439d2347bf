// SPDX-License-Identifier: Apache-2.0
// What a model computes, as data: the forward pass interprets a ModelSpec, so an architecture is only a
// function that fills one. Names of tensors are as stored, except a linear's weight and bias, which are
// logical (see weights.h).
#pragma once

#include "core/backend/backend.h"
#include "core/model/rope.h"
#include "core/model/weight_place.h"

#include <optional>

namespace qs {

/// One linear y = x W^T + b. W is [out, in] row-major.
struct LinearSpec {
    std::string module;     ///< "layers.0.self_attn.q_proj": the name used in recipes, tables and results
    std::string weight;     ///< logical name; the stored tensor's where that is the weight
    std::string bias;       ///< logical name or ""
    WeightPlace place;      ///< of the weight
    WeightPlace biasPlace;  ///< Absent without a bias
    std::string role;       ///< "q", "k", "v", "o", "gate", "up", "down"
    std::string site;       ///< "layers.0.attn": activation point that feeds it
    std::string fusedGroup; ///< linears that runtimes fuse share it ("layers.0.qkv"), "" when alone
    size_t out = 0, in = 0;
};

struct NormSpec {
    enum class Kind { None, Rms, Layer } kind = Kind::None;
    /// Tensors [n]; one, or one per head (then row r of [tokens * heads, n] takes tensor r % heads). Empty:
    /// ones.
    std::vector<std::string> gain;
    std::string bias;     ///< Layer only; "" for zeros
    bool plusOne = false; ///< the gain is stored minus one (Gemma)
    size_t size = 0;      ///< n
    double eps = 1e-5;
    explicit operator bool() const { return kind != Kind::None; }
};

/// Attention with linear biases (Press et al. 2022): key j adds scale * slope[head] * j to a score.
struct AlibiSpec {
    std::vector<float> slopes; ///< [heads]; empty: no biases
    double scale = 1;
    bool bfloat16 = false; ///< slopes and their products are rounded so (Falcon)
    explicit operator bool() const { return !slopes.empty(); }
};

/// y = o(attention(q(x), k(x), v(x))).
struct AttentionSpec {
    LinearSpec q, k, v, o;
    size_t heads = 0, kvHeads = 0, headDim = 0;
    NormSpec qNorm, kNorm; ///< over each head, before the rotation
    int rope = -1;         ///< index into ModelSpec::ropes; -1: no rotation
    double scale = 0;      ///< of q k^T, usually 1 / sqrt(headDim)
    double softCap = 0;    ///< c of c tanh(score / c); 0: none
    size_t reach = 0;      ///< sliding window in tokens; 0: all
    AlibiSpec alibi;
};

/// Gated: y = down(f(gate(x)) * up(x)). Plain: y = down(f(up(x))).
struct MlpSpec {
    bool gated = true;
    Activation activation = Activation::Silu;
    LinearSpec gate, up, down; ///< gate unused when plain
    std::vector<const LinearSpec*> linears() const;
    const std::string& inputSite() const { return up.site; }
};

/// y = sum over the topK experts e of p_e mlp_e(x), p = softmax(router x); plus sigmoid(sharedGate x)
/// shared(x).
struct MixtureSpec {
    std::string router;            ///< [experts, hidden]
    size_t topK = 0;               ///< experts per token
    bool renormalize = false;      ///< the chosen p_e are divided by their sum
    std::vector<MlpSpec> experts;  ///< each with a site of its own: it sees only the tokens sent to it
    std::optional<MlpSpec> shared; ///< sees all tokens
    std::string sharedGate;        ///< [1, hidden]; "" : 1
};

/// Norms around one half of a block: h = before(x), y = output(f(h)), x' = after(x + y).
struct SublayerNorms {
    NormSpec before, output, after;
};

/// A producer whose output channels can be divided by any s > 0 when the columns of all their consumers are
/// multiplied by s: the model's function stays. Consumers: every linear whose site is in `sites`, and the
/// tensors `columns`.
struct FoldSpec {
    enum class Producer { Norm, Rows } producer = Producer::Norm;
    NormSpec norm;                    ///< Norm: its gain (gain + 1 when plusOne) and bias
    std::string module;               ///< Rows: the linear whose output rows (and bias) are divided
    std::vector<std::string> sites;   ///< [channels] each
    std::vector<std::string> columns; ///< further tensors [n, channels] that read them (a router)
    /// Grouped-query attention: `repeat` query heads of `headDim` channels read one row of v, so their
    /// factors must be equal.
    size_t headDim = 0, repeat = 1;
    /// Element of the producer that channel `c` comes from.
    size_t producerOf(size_t c) const {
        return repeat == 1 ? c : c / (headDim * repeat) * headDim + c % headDim;
    }
};

/// Sequential: x = attention half, then feed-forward half. Parallel: x += attention(before(x)) +
/// mlp(before'(x)), where the feed-forward half takes the attention's input when it has no norm of its own.
struct BlockSpec {
    SublayerNorms attentionNorms, mlpNorms;
    AttentionSpec attention;
    MlpSpec mlp; ///< unless there is a mixture
    std::optional<MixtureSpec> mixture;
    bool parallel = false;
    bool residualFromNorm = false; ///< the residual is before(x) rather than x (BLOOM's option)
    std::vector<FoldSpec> folds;   ///< see findFolds

    /// All that may be quantized, in order of use.
    std::vector<const LinearSpec*> linears() const;
};

/// Hidden states of tokens: x = norm(projection(multiplier * token) + position + type).
struct EmbeddingSpec {
    std::string tokens;        ///< [vocabulary, width]
    std::string positions;     ///< learned, [n, hidden]; "" : none
    size_t positionOffset = 0; ///< row of position 0 (OPT: 2)
    std::string types;         ///< BERT's segments; row 0 is added; "" : none
    double multiplier = 1;
    NormSpec norm;
    std::string projection; ///< [hidden, width]; "" when width = hidden
};

/// logits = cap(W projection(norm2(f(transform(norm(x))))) + bias).
struct HeadSpec {
    NormSpec norm;        ///< the final one
    LinearSpec transform; ///< BERT's prediction head; empty weight: none
    Activation activation = Activation::GeluErf;
    NormSpec transformNorm;
    std::string projection; ///< [width, hidden]; "" when width = hidden
    std::string weight;     ///< [vocabulary, width]; the embedding when tied; "" : the model has no head
    std::string bias;       ///< [vocabulary] or ""
    bool tied = false;
    double softCap = 0;
};

struct ModelSpec {
    std::string architecture; ///< registry id
    size_t hidden = 0, intermediate = 0, vocabulary = 0, heads = 0, kvHeads = 0, headDim = 0;
    size_t context = 0; ///< longest window the model was made for
    bool causal = true; ///< else a bidirectional encoder: masked tokens are predicted, not the next one
    int maskToken = -1; ///< encoders: id of [MASK], -1 when the tokenizer has none
    std::vector<RopeSpec> ropes;
    EmbeddingSpec embedding;
    HeadSpec head;
    std::vector<BlockSpec> blocks;
};

/// The folds that a block's structure allows: its norms into what reads them, v into o, up into down. None
/// where a nonlinearity or a residual stands between.
std::vector<FoldSpec> findFolds(const BlockSpec& block);

} // namespace qs
