// SPDX-License-Identifier: Apache-2.0
// Model: a checkpoint seen through its architecture: which tensors exist, what they do, which may be
// quantized.
#pragma once

#include "core/checkpoint/checkpoint.h"
#include "core/text/tokenizer.h"

#include <optional>
#include <string>
#include <vector>

namespace qs {

struct PackedInfo;
class PackedReader;

/// Rotary position embedding, half-split pairs (i, i + dim/2). inverse frequency i = theta^(-2i/dim), then
/// scaled.
struct RopeSpec {
    double theta = 10000.0;
    enum class Scaling { None, Linear, Llama3 } scaling = Scaling::None;
    double factor = 1.0;
    double lowFrequencyFactor = 1.0, highFrequencyFactor = 4.0; ///< Llama3
    double originalContext = 8192;                              ///< Llama3
    /// Inverse frequencies [headDim / 2].
    std::vector<double> inverseFrequencies(size_t headDim) const;
};

/// One linear y = x W^T + b. W is [out, in] row-major.
struct LinearSpec {
    std::string module;     ///< "layers.0.self_attn.q_proj": the name used in recipes, tables and results
    std::string weight;     ///< tensor name, "model.layers.0.self_attn.q_proj.weight"
    std::string bias;       ///< tensor name or ""
    std::string role;       ///< "q", "k", "v", "o", "gate", "up", "down"
    std::string site;       ///< "layers.0.attn": activation point that feeds it
    std::string fusedGroup; ///< linears that runtimes fuse share it ("layers.0.qkv"), "" when alone
    size_t out = 0, in = 0;
};

/// A pre-norm decoder block: x += o(attention(q, k, v of norm(x))); x += down(silu(gate) * up of norm(x)).
struct BlockSpec {
    std::string attentionNorm, mlpNorm;
    LinearSpec q, k, v, o, gate, up, down;
    std::vector<const LinearSpec*> linears() const { return {&q, &k, &v, &o, &gate, &up, &down}; }
};

/// What a decoder is, as data: the forward pass interprets it, so an architecture is only a function that
/// fills it.
struct ModelSpec {
    std::string architecture; ///< registry id
    size_t hidden = 0, intermediate = 0, vocabulary = 0, heads = 0, kvHeads = 0, headDim = 0, context = 0;
    double normEps = 1e-5;
    RopeSpec rope;
    std::string embedding, finalNorm, head; ///< tensor names; head == embedding when tied
    bool tiedHead = false;
    std::vector<BlockSpec> blocks;
};

/// A tensor that may be quantized, in model order.
struct QuantTarget {
    std::string module;
    std::string tensor;                    ///< stored tensor name
    size_t tensorIndex = Checkpoint::npos; ///< npos when the checkpoint stores it packed (already quantized)
    size_t rows = 0, cols = 0;
    int block = -1; ///< -1: not in a block (tensor-level mode)
    std::string role, site, fusedGroup;
    std::shared_ptr<const PackedInfo> packed = {}; ///< how it is quantized already; null when stored plainly
};

/// Immutable and thread-safe.
class Model {
public:
    Model(std::shared_ptr<const Checkpoint> checkpoint, std::optional<ModelSpec> spec,
          std::string noForwardReason, std::shared_ptr<const Tokenizer> tokenizer,
          std::string noTokenizerReason);

    const Checkpoint& checkpoint() const { return *checkpoint_; }
    std::shared_ptr<const Checkpoint> checkpointPtr() const { return checkpoint_; }
    /// The forward pass is known. Otherwise the model is open at tensor level: inspection and data-free
    /// methods work.
    bool hasForward() const { return spec_.has_value(); }
    const ModelSpec& spec() const { return *spec_; }
    /// Why there is no forward pass / no tokenizer ("" when there is).
    const std::string& noForwardReason() const { return noForwardReason_; }
    const std::string& noTokenizerReason() const { return noTokenizerReason_; }
    std::shared_ptr<const Tokenizer> tokenizer() const { return tokenizer_; }
    /// Error::unsupported with the reason when there is no forward pass / no tokenizer.
    Result<void> requireForward() const;
    Result<void> requireTokenizer() const;

    const std::vector<QuantTarget>& targets() const { return targets_; }
    /// Weights that the checkpoint stores already quantized.
    const PackedReader& packed() const { return *packed_; }
    /// nullptr when absent.
    const QuantTarget* findTarget(const std::string& module) const;

private:
    std::shared_ptr<const Checkpoint> checkpoint_;
    std::shared_ptr<const PackedReader> packed_;
    std::optional<ModelSpec> spec_;
    std::string noForwardReason_, noTokenizerReason_;
    std::shared_ptr<const Tokenizer> tokenizer_;
    std::vector<QuantTarget> targets_;
};

/// Opens a folder or file: checkpoint, architecture (or the reason for tensor-level mode), tokenizer (or the
/// reason for none).
Result<std::shared_ptr<const Model>> openModel(const std::filesystem::path& path);

} // namespace qs
