// SPDX-License-Identifier: Apache-2.0
// What architectures share when they fill a ModelSpec: config fields, tensors with checked shapes, linears
// found whole, in a fused tensor, transposed or packed. Errors name the config field or the tensor, the rule
// and the value.
#pragma once

#include "core/model/config_reader.h"
#include "core/model/rope_config.h"
#include "core/model/spec.h"

#include <memory>

namespace qs {

/// Does a linear have a bias?
enum class Bias { None, IfStored, Required };

/// A linear to be looked up. Its stored module is `module` unless it is a part of another.
struct LinearRequest {
    std::string module; ///< shown: "layers.0.self_attn.q_proj"
    std::string role, site, fusedGroup;
    size_t out = 0, in = 0;
    Bias bias = Bias::IfStored;
    std::string storedModule;   ///< "" : `module`
    std::vector<RowRange> rows; ///< output rows of the stored module; empty: all
    size_t storedOut = 0;       ///< outputs of the stored module; 0: `out`
    bool transposed = false;    ///< stored [in, out]
};

/// Names in config.json of the sizes that every model has.
struct DimensionKeys {
    const char* hidden = "hidden_size";
    const char* intermediate = "intermediate_size";
    const char* heads = "num_attention_heads";
    const char* kvHeads = "num_key_value_heads"; ///< absent in the file: as many as heads
    const char* headDim = "head_dim";            ///< absent in the file: hidden / heads
    const char* blocks = "num_hidden_layers";
    const char* context = "max_position_embeddings";
};

class SpecBuilder {
public:
    /// The fields of config.json, or of its object `nested` where there is one ("text_config"), over
    /// `defaults`: what the architecture assumes where they are silent (a null counts as said). The
    /// checkpoint must outlive the builder.
    SpecBuilder(const Checkpoint& checkpoint, const std::string& architecture, nlohmann::json defaults,
                const char* nested = nullptr);
    ~SpecBuilder();

private:
    std::unique_ptr<const nlohmann::json> fields_; ///< before `config`, which reads it
    PackedReader packed_;

public:
    const Checkpoint& checkpoint;
    ConfigReader config;
    ModelSpec spec;
    std::string prefix; ///< in front of module names in tensor names: "model."
    size_t blocks = 0;

    /// Sizes into `spec` and `blocks`. `intermediate` null: left 0.
    Result<void> dimensions(const DimensionKeys& keys = {});
    /// The function that `key` names ("silu", "gelu_new", ...).
    Result<Activation> activation(const char* key, const char* fallback) const;
    /// Required or None as the boolean `key` says, IfStored when config.json does not say.
    Result<Bias> bias(const char* key) const;

    bool has(const std::string& tensor) const { return checkpoint.find(tensor) != Checkpoint::npos; }
    /// The first of `prefixes` with which `tensor` is stored; the first one when it is with none.
    std::string findPrefix(std::initializer_list<const char*> prefixes, const std::string& tensor) const;
    /// The tensor's name, once its shape and type are as the forward pass needs.
    Result<std::string> tensor(const std::string& name, const std::vector<uint64_t>& shape) const;
    /// Tensor `prefix + module + ".weight"`, for LayerNorm also ".bias" where stored; or ".gamma" and
    /// ".beta", as in files converted from TensorFlow.
    Result<NormSpec> norm(NormSpec::Kind kind, const std::string& module, size_t size, double eps) const;
    Result<LinearSpec> linear(const LinearRequest& request) const;

    /// The embedding `tokens` (full tensor name) [vocabulary, hidden] and the head `head` (ends in
    /// ".weight"). Without a stored head it is tied whatever config.json says: many files leave it out.
    Result<void> embeddingAndHead(const std::string& tokens, const std::string& head, bool tiedByDefault);
    /// Adds a rope to the spec and returns its index, or that of an equal one.
    int addRope(const RopeSpec& rope);
    /// Adds a block with its folds.
    void addBlock(BlockSpec block);

private:
    /// The module is stored packed; an error when it stands for another shape than [out, in].
    Result<bool> isPacked(const std::string& module, size_t out, size_t in) const;
    Result<WeightPlace> place(const LinearRequest& r, const std::string& stored) const;
    Result<void> addBias(const LinearRequest& r, const std::string& stored, LinearSpec& l) const;
};

} // namespace qs
