// SPDX-License-Identifier: Apache-2.0
// config.json from GGUF metadata. What the metadata do not say is what llama.cpp assumes for the
// architecture.
#include "core/checkpoint/gguf_model.h"
#include "core/checkpoint/gguf_rope.h"

#include <fmt/format.h>

namespace qs {

namespace {

using nlohmann::json;

constexpr uint64_t kMostWidth = 1u << 24, kMostBlocks = 100000, kMostHeads = 65536, kMostExperts = 1024;

/// Keys "<architecture>.<suffix>", and what is in the file.
class Source {
public:
    Source(std::string_view architecture, const GgufSet& set) : architecture_(architecture), set_(set) {}

    std::string key(std::string_view suffix) const { return fmt::format("{}.{}", architecture_, suffix); }
    bool has(std::string_view suffix) const { return set_.metadata().has(key(suffix)); }
    bool hasTensor(std::string_view name) const { return set_.find(name) != GgufSet::npos; }
    /// nullptr when absent.
    const std::vector<uint64_t>* shape(std::string_view name) const {
        const size_t i = set_.find(name);
        return i == GgufSet::npos ? nullptr : &set_.tensors()[i].info.shape;
    }
    /// 1 .. most
    Result<uint64_t> size(std::string_view suffix, uint64_t most) const {
        QS_TRY(const uint64_t value, set_.metadata().size(key(suffix), most));
        if (value == 0) return Error::corrupt("must be above 0", set_.metadata().place(key(suffix)));
        return value;
    }
    Result<uint64_t> sizeOr(std::string_view suffix, uint64_t most, uint64_t fallback) const {
        if (!has(suffix)) return fallback;
        return size(suffix, most);
    }
    Result<double> number(std::string_view suffix) const { return set_.metadata().number(key(suffix)); }
    Result<double> numberOr(std::string_view suffix, double fallback) const {
        return set_.metadata().numberOr(key(suffix), fallback);
    }
    const GgufSet& set() const { return set_; }

private:
    std::string_view architecture_;
    const GgufSet& set_;
};

/// A metadata number under its name in config.json.
Result<void> copyNumber(const Source& s, std::string_view suffix, json& config, const char* name) {
    QS_TRY(config[name], s.number(suffix));
    return {};
}

Result<void> copyNumberIfThere(const Source& s, std::string_view suffix, json& config, const char* name) {
    return s.has(suffix) ? copyNumber(s, suffix, config, name) : Result<void>();
}

/// The window, null when it is absent or 0.
Result<void> slidingWindow(const Source& s, json& config) {
    QS_TRY(const uint64_t window, s.set().metadata().sizeOr(s.key("attention.sliding_window"), 1u << 30, 0));
    config["sliding_window"] = window ? json(window) : json();
    return {};
}

/// What most decoders share.
json decoderSizes(const GgufDims& d) {
    return {{"hidden_size", d.hidden},
            {"intermediate_size", d.feedForward},
            {"num_hidden_layers", d.blocks},
            {"num_attention_heads", d.heads},
            {"num_key_value_heads", d.kvHeads},
            {"head_dim", d.headDim},
            {"max_position_embeddings", d.context}};
}

double rotaryShare(const GgufDims& d) {
    return double(d.ropeDim) / double(d.headDim);
}

Result<void> llamaConfig(const Source& s, const GgufDims& d, json& config) {
    config.update(decoderSizes(d));
    config["hidden_act"] = "silu";
    // The key promises all four or none; without it those that are there are found.
    size_t biases = 0;
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"})
        biases += s.hasTensor(fmt::format("blk.0.{}.bias", name));
    if (biases == 0 || biases == 4) config["attention_bias"] = biases == 4;
    config["mlp_bias"] = s.hasTensor("blk.0.ffn_up.bias");
    QS_CHECK(copyNumber(s, "attention.layer_norm_rms_epsilon", config, "rms_norm_eps"));
    QS_CHECK(slidingWindow(s, config));
    if (d.ropeDim != d.headDim) config["partial_rotary_factor"] = rotaryShare(d);
    if (d.experts > 0) {
        config["architectures"] = {"MixtralForCausalLM"};
        config["model_type"] = "mixtral";
        config["num_local_experts"] = d.experts;
        config["num_experts_per_tok"] = d.expertsUsed;
    } else if (!config["sliding_window"].is_null()) {
        config["architectures"] = {"MistralForCausalLM"};
        config["model_type"] = "mistral";
    }
    return ggufRope(s.set(), s.key("rope."), d, config);
}

Result<void> qwenConfig(const Source& s, const GgufDims& d, json& config) {
    config.update(decoderSizes(d));
    config["hidden_act"] = "silu";
    config["attention_bias"] = s.hasTensor("blk.0.attn_q.bias");
    config["use_sliding_window"] = false;
    QS_CHECK(copyNumber(s, "attention.layer_norm_rms_epsilon", config, "rms_norm_eps"));
    return ggufRope(s.set(), s.key("rope."), d, config);
}

/// Rows of one expert's first matrix: the size of its hidden layer.
Result<uint64_t> expertWidth(const Source& s, std::string_view suffix, std::string_view tensor, size_t axis) {
    if (s.has(suffix)) return s.size(suffix, kMostWidth);
    for (uint64_t block = 0; block < kMostBlocks; ++block) {
        const auto* shape = s.shape(fmt::format("blk.{}.{}.weight", block, tensor));
        if (shape && shape->size() > axis) return (*shape)[axis];
        if (!s.hasTensor(fmt::format("blk.{}.attn_norm.weight", block))) break;
    }
    return Error::notFound("the key is missing, and no tensor tells its value",
                           s.set().metadata().place(s.key(suffix)));
}

Result<void> qwenMoeConfig(const Source& s, const GgufDims& d, json& config) {
    QS_CHECK(qwenConfig(s, d, config));
    config["num_experts"] = d.experts;
    config["num_experts_per_tok"] = d.expertsUsed;
    QS_TRY(config["moe_intermediate_size"], expertWidth(s, "expert_feed_forward_length", "ffn_up_exps", 1));
    const bool shared = config["model_type"] == "qwen2_moe";
    config["norm_topk_prob"] = !shared;
    if (shared) {
        QS_TRY(config["shared_expert_intermediate_size"],
               expertWidth(s, "expert_shared_feed_forward_length", "ffn_up_shexp", 0));
    }
    config["decoder_sparse_step"] = 1;
    config["mlp_only_layers"] = json::array();
    if (!s.set().tensors().empty())
        for (uint64_t b = 0; b < d.blocks; ++b)
            if (!s.hasTensor(fmt::format("blk.{}.ffn_gate_inp.weight", b)))
                config["mlp_only_layers"].push_back(b);
    return {};
}

Result<void> gemmaConfig(const Source& s, const GgufDims& d, json& config) {
    config.update(decoderSizes(d));
    config["hidden_act"] = config["hidden_activation"] = "gelu_pytorch_tanh";
    config["attention_bias"] = false;
    QS_CHECK(copyNumber(s, "attention.layer_norm_rms_epsilon", config, "rms_norm_eps"));
    QS_CHECK(ggufRope(s.set(), s.key("rope."), d, config));
    const std::string type = config["model_type"];
    if (type == "gemma") return {};
    // Recorded nowhere: only the 27 B models (46 and 62 blocks) scale by hidden / heads.
    const bool large = d.blocks == (type == "gemma2" ? 46 : 62);
    config["query_pre_attn_scalar"] = large ? d.hidden / d.heads : d.headDim;
    config["attn_logit_softcapping"] = config["final_logit_softcapping"] = json();
    QS_CHECK(copyNumberIfThere(s, "attn_logit_softcapping", config, "attn_logit_softcapping"));
    QS_CHECK(copyNumberIfThere(s, "final_logit_softcapping", config, "final_logit_softcapping"));
    QS_CHECK(slidingWindow(s, config));
    if (type != "gemma2") {
        QS_TRY(config["rope_local_base_freq"], s.numberOr("rope.freq_base_swa", 10000.0));
        config["sliding_window_pattern"] = config["sliding_window"].is_null() ? 1 : 6;
    }
    return {};
}

Result<void> phi3Config(const Source& s, const GgufDims& d, json& config) {
    config.update(decoderSizes(d));
    config["hidden_act"] = "silu";
    config["partial_rotary_factor"] = rotaryShare(d);
    QS_CHECK(copyNumber(s, "attention.layer_norm_rms_epsilon", config, "rms_norm_eps"));
    QS_CHECK(slidingWindow(s, config));
    QS_TRY(config["original_max_position_embeddings"],
           s.sizeOr("rope.scaling.original_context_length", 1u << 30, d.context));
    return ggufRope(s.set(), s.key("rope."), d, config);
}

Result<void> gpt2Config(const Source& s, const GgufDims& d, json& config) {
    config.update({{"n_embd", d.hidden},
                   {"n_inner", d.feedForward},
                   {"n_layer", d.blocks},
                   {"n_head", d.heads},
                   {"n_positions", d.context},
                   {"n_ctx", d.context},
                   {"activation_function", "gelu_new"}});
    return copyNumber(s, "attention.layer_norm_epsilon", config, "layer_norm_epsilon");
}

Result<void> neoxConfig(const Source& s, const GgufDims& d, json& config) {
    config.update(decoderSizes(d));
    config.erase("num_key_value_heads");
    config["hidden_act"] = "gelu";
    config["rotary_pct"] = rotaryShare(d);
    QS_TRY(config["rotary_emb_base"], s.numberOr("rope.freq_base", 10000.0));
    QS_TRY(config["use_parallel_residual"],
           s.set().metadata().booleanOr(s.key("use_parallel_residual"), true));
    return copyNumber(s, "attention.layer_norm_epsilon", config, "layer_norm_eps");
}

Result<void> bloomConfig(const Source& s, const GgufDims& d, json& config) {
    config.update({{"hidden_size", d.hidden},
                   {"n_layer", d.blocks},
                   {"n_head", d.heads},
                   {"seq_length", d.context},
                   {"apply_residual_connection_post_layernorm", false}});
    return copyNumber(s, "attention.layer_norm_epsilon", config, "layer_norm_epsilon");
}

Result<void> falconConfig(const Source& s, const GgufDims& d, json& config) {
    const bool twoNorms = s.hasTensor("blk.0.attn_norm_2.weight");
    const bool grouped = twoNorms || (d.kvHeads > 1 && d.kvHeads < d.heads);
    config.update({{"hidden_size", d.hidden},
                   {"ffn_hidden_size", d.feedForward},
                   {"num_hidden_layers", d.blocks},
                   {"num_attention_heads", d.heads},
                   {"num_kv_heads", d.kvHeads},
                   {"max_position_embeddings", d.context},
                   {"multi_query", d.kvHeads == 1},
                   {"new_decoder_architecture", grouped},
                   {"num_ln_in_parallel_attn", grouped && !twoNorms ? json(1) : json()},
                   {"parallel_attn", true},
                   {"alibi", false},
                   {"bias", s.hasTensor("blk.0.attn_qkv.bias")},
                   {"activation", "gelu"}});
    QS_TRY(config["rope_theta"], s.numberOr("rope.freq_base", 10000.0));
    return copyNumber(s, "attention.layer_norm_epsilon", config, "layer_norm_epsilon");
}

Result<void> stableLmConfig(const Source& s, const GgufDims& d, json& config) {
    config.update(decoderSizes(d));
    config["hidden_act"] = "silu";
    config["partial_rotary_factor"] = rotaryShare(d);
    config["use_qkv_bias"] = s.hasTensor("blk.0.attn_q.bias");
    config["qk_layernorm"] = s.hasTensor("blk.0.attn_q_norm.weight");
    QS_TRY(config["use_parallel_residual"],
           s.set().metadata().booleanOr(s.key("use_parallel_residual"), true));
    if (s.hasTensor("blk.0.ffn_norm.weight")) config["use_parallel_residual"] = false;
    QS_CHECK(copyNumber(s, "attention.layer_norm_epsilon", config, "layer_norm_eps"));
    return ggufRope(s.set(), s.key("rope."), d, config);
}

Result<void> bertConfig(const Source& s, const GgufDims& d, json& config) {
    config.update({{"hidden_size", d.hidden},
                   {"intermediate_size", d.feedForward},
                   {"num_hidden_layers", d.blocks},
                   {"num_attention_heads", d.heads},
                   {"max_position_embeddings", d.context},
                   {"position_embedding_type", "absolute"},
                   {"hidden_act", "gelu"}});
    if (const auto* shape = s.shape("position_embd.weight"); shape && !shape->empty())
        config["max_position_embeddings"] = (*shape)[0];
    const auto* types = s.shape("token_types.weight");
    config["type_vocab_size"] = types && types->size() == 2 ? (*types)[0] : 1;
    return copyNumber(s, "attention.layer_norm_epsilon", config, "layer_norm_eps");
}

/// The embedding tells it best: padded rows are counted, and old files have no key.
Result<uint64_t> vocabularySize(const Source& s) {
    if (const auto* shape = s.shape("token_embd.weight"); shape && shape->size() == 2) return (*shape)[0];
    if (s.has("vocab_size")) return s.size("vocab_size", kMostWidth);
    const GgufValue* tokens = s.set().metadata().find("tokenizer.ggml.tokens");
    return tokens && tokens->type == GgufType::Array ? tokens->count : 0;
}

Result<void> specialIds(const GgufMetadata& m, json& config) {
    for (const char* name : {"bos", "eos"}) {
        const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
        if (!m.has(key)) continue;
        QS_TRY(config[fmt::format("{}_token_id", name)], m.size(key, kMostWidth));
    }
    return {};
}

} // namespace

Result<GgufDims> ggufDims(const GgufArchitecture& architecture, const GgufSet& set) {
    const Source s(architecture.id, set);
    GgufDims d;
    QS_TRY(d.hidden, s.size("embedding_length", kMostWidth));
    QS_TRY(d.blocks, s.size("block_count", kMostBlocks));
    QS_TRY(d.feedForward, s.size("feed_forward_length", kMostWidth));
    QS_TRY(d.context, s.size("context_length", 1u << 30));
    QS_TRY(d.heads, s.size("attention.head_count", kMostHeads));
    QS_TRY(d.kvHeads, s.sizeOr("attention.head_count_kv", kMostHeads, d.heads));
    if (d.heads % d.kvHeads != 0)
        return Error::corrupt(fmt::format("must divide the {} heads, got {}", d.heads, d.kvHeads),
                              set.metadata().place(s.key("attention.head_count_kv")));
    if (!s.has("attention.key_length") && d.hidden % d.heads != 0)
        return Error::corrupt(fmt::format("must be a multiple of the {} heads, got {}", d.heads, d.hidden),
                              set.metadata().place(s.key("embedding_length")));
    QS_TRY(d.headDim, s.sizeOr("attention.key_length", 65536, d.hidden / d.heads));
    QS_TRY(d.ropeDim, s.sizeOr("rope.dimension_count", 65536, d.headDim));
    if (d.ropeDim > d.headDim)
        return Error::corrupt(fmt::format("must be at most the head's size {}, got {}", d.headDim, d.ropeDim),
                              set.metadata().place(s.key("rope.dimension_count")));
    QS_TRY(d.experts, set.metadata().sizeOr(s.key("expert_count"), kMostExperts, 0));
    QS_TRY(d.expertsUsed, set.metadata().sizeOr(s.key("expert_used_count"), kMostExperts, 0));
    QS_TRY(d.vocabulary, vocabularySize(s));
    return d;
}

Result<json> ggufConfig(const GgufArchitecture& architecture, const GgufDims& dims, const GgufSet& set) {
    using Make = Result<void> (*)(const Source&, const GgufDims&, json&);
    static constexpr Make kMake[] = {llamaConfig,  qwenConfig,     qwenMoeConfig, gemmaConfig,
                                     phi3Config,   gpt2Config,     neoxConfig,    bloomConfig,
                                     falconConfig, stableLmConfig, bertConfig};
    json config = {{"architectures", {architecture.className}},
                   {"model_type", architecture.modelType},
                   {"vocab_size", dims.vocabulary}};
    if (architecture.family != GgufFamily::Bert)
        config["tie_word_embeddings"] = set.find("output.weight") == GgufSet::npos;
    QS_CHECK(kMake[size_t(architecture.family)](Source(architecture.id, set), dims, config));
    QS_CHECK(specialIds(set.metadata(), config));
    return config;
}

} // namespace qs
