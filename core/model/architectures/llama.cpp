// SPDX-License-Identifier: Apache-2.0
// Llama: pre-norm decoder with RMSNorm, half-split rotary embedding, grouped-query attention and SwiGLU.
// Tensor names and config spellings (transformers v4 and v5) as in the published checkpoints.
#include "core/model/architecture.h"
#include "core/model/config_reader.h"
#include "core/model/packed/packed_linear.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

using nlohmann::json;

// v5 writes one object `rope_parameters`; v4 writes `rope_theta` beside `rope_scaling` (which may be null).
Result<RopeSpec> ropeOf(const ConfigReader& config) {
    RopeSpec rope;
    QS_TRY(rope.theta, config.numberOr("rope_theta", 10000.0));
    QS_TRY(const json* parameters, config.objectOrNull("rope_parameters"));
    QS_TRY(const json* scaling, config.objectOrNull("rope_scaling"));
    const json* object = parameters ? parameters : scaling;
    if (!object) return rope;
    const ConfigReader r(*object, config.where() + (parameters ? ": rope_parameters" : ": rope_scaling"));
    QS_TRY(rope.theta, r.numberOr("rope_theta", rope.theta));
    QS_TRY(std::string legacyType, r.textOr("type", "default"));
    QS_TRY(std::string type, r.textOr("rope_type", legacyType));
    if (type == "default") return rope;
    QS_TRY(rope.factor, r.numberOr("factor", 1.0));
    if (rope.factor <= 0)
        return Error::corrupt(fmt::format("'factor' must be above 0, got {}", rope.factor), r.where());
    if (type == "linear") {
        rope.scaling = RopeSpec::Scaling::Linear;
        return rope;
    }
    if (type == "llama3") {
        rope.scaling = RopeSpec::Scaling::Llama3;
        QS_TRY(rope.lowFrequencyFactor, r.numberOr("low_freq_factor", 1.0));
        QS_TRY(rope.highFrequencyFactor, r.numberOr("high_freq_factor", 4.0));
        QS_TRY(rope.originalContext, r.numberOr("original_max_position_embeddings", 8192.0));
        if (!(rope.highFrequencyFactor > rope.lowFrequencyFactor) || rope.lowFrequencyFactor <= 0)
            return Error::corrupt("'high_freq_factor' must be above 'low_freq_factor', and both above 0",
                                  r.where());
        return rope;
    }
    return Error::unsupported(
        fmt::format("rope type '{}' is not supported; known: default, linear, llama3", type), r.where());
}

Result<void> dimensionsOf(const ConfigReader& config, ModelSpec& s) {
    constexpr size_t kMost = 1u << 24;
    QS_TRY(s.hidden, config.size("hidden_size", kMost));
    QS_TRY(s.intermediate, config.size("intermediate_size", kMost));
    QS_TRY(s.vocabulary, config.size("vocab_size", kMost));
    QS_TRY(s.heads, config.size("num_attention_heads", 65536));
    QS_TRY(s.kvHeads, config.sizeOr("num_key_value_heads", 65536, s.heads));
    QS_TRY(s.context, config.sizeOr("max_position_embeddings", 1u << 30, 2048));
    if (!config.has("head_dim") && s.hidden % s.heads != 0)
        return Error::corrupt(
            fmt::format("'hidden_size' {} is not a multiple of 'num_attention_heads' {}", s.hidden, s.heads),
            config.where());
    QS_TRY(s.headDim, config.sizeOr("head_dim", 65536, std::max<size_t>(1, s.hidden / s.heads)));
    if (s.headDim % 2 != 0)
        return Error::corrupt(fmt::format("'head_dim' must be even, got {}", s.headDim), config.where());
    if (s.heads % s.kvHeads != 0)
        return Error::corrupt(
            fmt::format("'num_attention_heads' {} is not a multiple of 'num_key_value_heads' {}", s.heads,
                        s.kvHeads),
            config.where());
    QS_TRY(s.normEps, config.numberOr("rms_norm_eps", 1e-6));
    QS_TRY(std::string activation, config.textOr("hidden_act", "silu"));
    if (activation != "silu")
        return Error::unsupported(fmt::format("'hidden_act' must be silu, got {}", activation),
                                  config.where());
    return {};
}

// A shape that differs from what the config says would be read out of bounds by the forward pass.
Result<void> requireShape(const Checkpoint& c, const std::string& name, std::vector<uint64_t> shape) {
    const size_t i = c.find(name);
    if (i == Checkpoint::npos)
        return Error::notFound("the architecture needs this tensor and the files do not hold it", name);
    const TensorInfo& t = c.tensors()[i];
    if (t.shape != shape)
        return Error::corrupt(fmt::format("shape is [{}], config.json says [{}]", fmt::join(t.shape, ", "),
                                          fmt::join(shape, ", ")),
                              t.file + ": " + name);
    if (!convertibleToFloat(t.dtype))
        return Error::unsupported(
            fmt::format("element type {} cannot be computed with", dtypeInfo(t.dtype).name),
            t.file + ": " + name);
    return {};
}

/// The weight of a linear, plain or packed.
Result<void> requireWeight(const Checkpoint& c, const PackedReader& reader, const std::string& weight,
                           size_t out, size_t in) {
    const std::string module = weight.substr(0, weight.size() - 7); // ".weight"
    QS_TRY(const auto packed, reader.find(module));
    if (!packed) return requireShape(c, weight, {out, in});
    const PackedInfo& p = packed->info();
    if (p.out == out && p.in == in) return {};
    return Error::corrupt(
        fmt::format("packed shape is [{}, {}], config.json says [{}, {}]", p.out, p.in, out, in), module);
}

Result<void> requireLinear(const Checkpoint& c, const PackedReader& reader, const LinearSpec& l) {
    QS_CHECK(requireWeight(c, reader, l.weight, l.out, l.in));
    if (!l.bias.empty()) QS_CHECK(requireShape(c, l.bias, {l.out}));
    return {};
}

BlockSpec blockOf(const Checkpoint& c, const ModelSpec& s, size_t index) {
    const std::string module = fmt::format("layers.{}.", index), tensor = "model." + module;
    const auto linear = [&](const std::string& name, const char* role, const char* site, const char* fused,
                            size_t out, size_t in) {
        LinearSpec l;
        l.module = module + name;
        l.weight = tensor + name + ".weight";
        if (c.find(tensor + name + ".bias") != Checkpoint::npos) l.bias = tensor + name + ".bias";
        l.role = role;
        l.site = module + site;
        if (*fused) l.fusedGroup = module + fused;
        l.out = out;
        l.in = in;
        return l;
    };
    const size_t q = s.heads * s.headDim, kv = s.kvHeads * s.headDim;
    BlockSpec b;
    b.attentionNorm = tensor + "input_layernorm.weight";
    b.mlpNorm = tensor + "post_attention_layernorm.weight";
    b.q = linear("self_attn.q_proj", "q", "attn", "qkv", q, s.hidden);
    b.k = linear("self_attn.k_proj", "k", "attn", "qkv", kv, s.hidden);
    b.v = linear("self_attn.v_proj", "v", "attn", "qkv", kv, s.hidden);
    b.o = linear("self_attn.o_proj", "o", "o", "", s.hidden, q);
    b.gate = linear("mlp.gate_proj", "gate", "mlp", "gate_up", s.intermediate, s.hidden);
    b.up = linear("mlp.up_proj", "up", "mlp", "gate_up", s.intermediate, s.hidden);
    b.down = linear("mlp.down_proj", "down", "down", "", s.hidden, s.intermediate);
    return b;
}

Result<ModelSpec> resolve(const Checkpoint& c) {
    const ConfigReader config(c.config(), (c.root() / "config.json").string());
    ModelSpec s;
    s.architecture = "llama";
    QS_CHECK(dimensionsOf(config, s));
    QS_TRY(s.rope, ropeOf(config));
    QS_TRY(size_t blocks, config.size("num_hidden_layers", 100000));
    QS_TRY(s.tiedHead, config.booleanOr("tie_word_embeddings", false));
    s.embedding = "model.embed_tokens.weight";
    s.finalNorm = "model.norm.weight";
    // Files that share the embedding with the head often omit the head, whatever the config says.
    const PackedReader reader(c);
    QS_TRY(const auto packedHead, reader.find("lm_head"));
    if (c.find("lm_head.weight") == Checkpoint::npos && !packedHead) s.tiedHead = true;
    s.head = s.tiedHead ? s.embedding : "lm_head.weight";
    QS_CHECK(requireShape(c, s.embedding, {s.vocabulary, s.hidden}));
    QS_CHECK(requireWeight(c, reader, s.head, s.vocabulary, s.hidden));
    QS_CHECK(requireShape(c, s.finalNorm, {s.hidden}));
    for (size_t b = 0; b < blocks; ++b) {
        BlockSpec block = blockOf(c, s, b);
        QS_CHECK(requireShape(c, block.attentionNorm, {s.hidden}));
        QS_CHECK(requireShape(c, block.mlpNorm, {s.hidden}));
        for (const LinearSpec* l : block.linears())
            QS_CHECK(requireLinear(c, reader, *l));
        s.blocks.push_back(std::move(block));
    }
    return s;
}

} // namespace

const ArchitectureDescriptor& architecture_llama() {
    static const ArchitectureDescriptor d{.id = "llama",
                                          .label = "Llama",
                                          .summary =
                                              "Llama 2, 3 and models of the same shape: RMSNorm, rotary "
                                              "embedding (default, linear, llama3), GQA, SwiGLU",
                                          .classNames = {"LlamaForCausalLM", "LLaMAForCausalLM"},
                                          .modelTypes = {"llama"},
                                          .resolve = resolve};
    return d;
}

} // namespace qs
