// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/gguf_names.h"

namespace qs {

namespace {

using enum GgufChange;

#define QS_LAYER "model.layers.{}."

constexpr GgufName kLlama[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.{}.attn_norm", QS_LAYER "input_layernorm"},
    {"blk.{}.attn_q", QS_LAYER "self_attn.q_proj", RopeQuery},
    {"blk.{}.attn_k", QS_LAYER "self_attn.k_proj", RopeKey},
    {"blk.{}.attn_v", QS_LAYER "self_attn.v_proj"},
    {"blk.{}.attn_output", QS_LAYER "self_attn.o_proj"},
    {"blk.{}.ffn_norm", QS_LAYER "post_attention_layernorm"},
    {"blk.{}.ffn_gate", QS_LAYER "mlp.gate_proj"},
    {"blk.{}.ffn_up", QS_LAYER "mlp.up_proj"},
    {"blk.{}.ffn_down", QS_LAYER "mlp.down_proj"},
};

constexpr GgufName kMixtral[] = {
    {"blk.{}.ffn_gate_inp", QS_LAYER "block_sparse_moe.gate"},
    {"blk.{}.ffn_gate_exps", QS_LAYER "block_sparse_moe.experts.{}.w1", Experts},
    {"blk.{}.ffn_down_exps", QS_LAYER "block_sparse_moe.experts.{}.w2", Experts},
    {"blk.{}.ffn_up_exps", QS_LAYER "block_sparse_moe.experts.{}.w3", Experts},
    // Files from before the experts were stacked.
    {"blk.{}.ffn_gate.{}", QS_LAYER "block_sparse_moe.experts.{}.w1"},
    {"blk.{}.ffn_down.{}", QS_LAYER "block_sparse_moe.experts.{}.w2"},
    {"blk.{}.ffn_up.{}", QS_LAYER "block_sparse_moe.experts.{}.w3"},
};

constexpr GgufName kQwen[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.{}.attn_norm", QS_LAYER "input_layernorm"},
    {"blk.{}.attn_q", QS_LAYER "self_attn.q_proj"},
    {"blk.{}.attn_k", QS_LAYER "self_attn.k_proj"},
    {"blk.{}.attn_v", QS_LAYER "self_attn.v_proj"},
    {"blk.{}.attn_output", QS_LAYER "self_attn.o_proj"},
    {"blk.{}.attn_q_norm", QS_LAYER "self_attn.q_norm"},
    {"blk.{}.attn_k_norm", QS_LAYER "self_attn.k_norm"},
    {"blk.{}.ffn_norm", QS_LAYER "post_attention_layernorm"},
    {"blk.{}.ffn_gate", QS_LAYER "mlp.gate_proj"},
    {"blk.{}.ffn_up", QS_LAYER "mlp.up_proj"},
    {"blk.{}.ffn_down", QS_LAYER "mlp.down_proj"},
};

constexpr GgufName kQwenExperts[] = {
    {"blk.{}.ffn_gate_inp", QS_LAYER "mlp.gate"},
    {"blk.{}.ffn_gate_exps", QS_LAYER "mlp.experts.{}.gate_proj", Experts},
    {"blk.{}.ffn_up_exps", QS_LAYER "mlp.experts.{}.up_proj", Experts},
    {"blk.{}.ffn_down_exps", QS_LAYER "mlp.experts.{}.down_proj", Experts},
    {"blk.{}.ffn_gate_inp_shexp", QS_LAYER "mlp.shared_expert_gate", RowVector},
    {"blk.{}.ffn_gate_shexp", QS_LAYER "mlp.shared_expert.gate_proj"},
    {"blk.{}.ffn_up_shexp", QS_LAYER "mlp.shared_expert.up_proj"},
    {"blk.{}.ffn_down_shexp", QS_LAYER "mlp.shared_expert.down_proj"},
};

constexpr GgufName kGemmaNorms[] = {
    {"output_norm", "model.norm", PlusOne},
    {"blk.{}.attn_norm", QS_LAYER "input_layernorm", PlusOne},
    {"blk.{}.ffn_norm", QS_LAYER "post_attention_layernorm", PlusOne},
};

// From Gemma 2 on there is a norm on either side of each half.
constexpr GgufName kGemma2Norms[] = {
    {"output_norm", "model.norm", PlusOne},
    {"blk.{}.attn_norm", QS_LAYER "input_layernorm", PlusOne},
    {"blk.{}.post_attention_norm", QS_LAYER "post_attention_layernorm", PlusOne},
    {"blk.{}.ffn_norm", QS_LAYER "pre_feedforward_layernorm", PlusOne},
    {"blk.{}.post_ffw_norm", QS_LAYER "post_feedforward_layernorm", PlusOne},
    {"blk.{}.attn_q_norm", QS_LAYER "self_attn.q_norm", PlusOne},
    {"blk.{}.attn_k_norm", QS_LAYER "self_attn.k_norm", PlusOne},
};

constexpr GgufName kPhi3[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.{}.attn_norm", QS_LAYER "input_layernorm"},
    {"blk.{}.attn_qkv", QS_LAYER "self_attn.qkv_proj"},
    {"blk.{}.attn_output", QS_LAYER "self_attn.o_proj"},
    {"blk.{}.ffn_norm", QS_LAYER "post_attention_layernorm"},
    {"blk.{}.ffn_up", QS_LAYER "mlp.gate_up_proj"},
    {"blk.{}.ffn_down", QS_LAYER "mlp.down_proj"},
};

constexpr GgufName kGpt2[] = {
    {"token_embd", "transformer.wte"},
    {"position_embd", "transformer.wpe"},
    {"output_norm", "transformer.ln_f"},
    {"output", "lm_head"},
    {"blk.{}.attn_norm", "transformer.h.{}.ln_1"},
    {"blk.{}.attn_qkv", "transformer.h.{}.attn.c_attn", Transposed},
    {"blk.{}.attn_output", "transformer.h.{}.attn.c_proj", Transposed},
    {"blk.{}.ffn_norm", "transformer.h.{}.ln_2"},
    {"blk.{}.ffn_up", "transformer.h.{}.mlp.c_fc", Transposed},
    {"blk.{}.ffn_down", "transformer.h.{}.mlp.c_proj", Transposed},
};

constexpr GgufName kGptNeoX[] = {
    {"token_embd", "gpt_neox.embed_in"},
    {"output_norm", "gpt_neox.final_layer_norm"},
    {"output", "embed_out"},
    {"blk.{}.attn_norm", "gpt_neox.layers.{}.input_layernorm"},
    {"blk.{}.attn_qkv", "gpt_neox.layers.{}.attention.query_key_value", FusedQkv},
    {"blk.{}.attn_output", "gpt_neox.layers.{}.attention.dense"},
    {"blk.{}.ffn_norm", "gpt_neox.layers.{}.post_attention_layernorm"},
    {"blk.{}.ffn_up", "gpt_neox.layers.{}.mlp.dense_h_to_4h"},
    {"blk.{}.ffn_down", "gpt_neox.layers.{}.mlp.dense_4h_to_h"},
};

constexpr GgufName kBloom[] = {
    {"token_embd", "transformer.word_embeddings"},
    {"token_embd_norm", "transformer.word_embeddings_layernorm"},
    {"output_norm", "transformer.ln_f"},
    {"output", "lm_head"},
    {"blk.{}.attn_norm", "transformer.h.{}.input_layernorm"},
    {"blk.{}.attn_qkv", "transformer.h.{}.self_attention.query_key_value", FusedQkv},
    {"blk.{}.attn_output", "transformer.h.{}.self_attention.dense"},
    {"blk.{}.ffn_norm", "transformer.h.{}.post_attention_layernorm"},
    {"blk.{}.ffn_up", "transformer.h.{}.mlp.dense_h_to_4h"},
    {"blk.{}.ffn_down", "transformer.h.{}.mlp.dense_4h_to_h"},
};

constexpr GgufName kFalcon[] = {
    {"token_embd", "transformer.word_embeddings"},
    {"output_norm", "transformer.ln_f"},
    {"output", "lm_head"},
    {"blk.{}.attn_norm", "transformer.h.{}.input_layernorm"},
    {"blk.{}.attn_qkv", "transformer.h.{}.self_attention.query_key_value", FusedQkv},
    {"blk.{}.attn_output", "transformer.h.{}.self_attention.dense"},
    {"blk.{}.ffn_up", "transformer.h.{}.mlp.dense_h_to_4h"},
    {"blk.{}.ffn_down", "transformer.h.{}.mlp.dense_4h_to_h"},
};

constexpr GgufName kFalconTwoNorms[] = {
    {"blk.{}.attn_norm", "transformer.h.{}.ln_mlp"},
    {"blk.{}.attn_norm_2", "transformer.h.{}.ln_attn"},
};

constexpr GgufName kStableLmNorms[] = {
    {"blk.{}.attn_q_norm", QS_LAYER "self_attn.q_layernorm.norms.{}", HeadNorms},
    {"blk.{}.attn_k_norm", QS_LAYER "self_attn.k_layernorm.norms.{}", HeadNorms},
};

constexpr GgufName kBert[] = {
    {"token_embd", "embeddings.word_embeddings"},
    {"position_embd", "embeddings.position_embeddings"},
    {"token_types", "embeddings.token_type_embeddings"},
    {"token_embd_norm", "embeddings.LayerNorm"},
    {"blk.{}.attn_q", "encoder.layer.{}.attention.self.query"},
    {"blk.{}.attn_k", "encoder.layer.{}.attention.self.key"},
    {"blk.{}.attn_v", "encoder.layer.{}.attention.self.value"},
    {"blk.{}.attn_output", "encoder.layer.{}.attention.output.dense"},
    {"blk.{}.attn_output_norm", "encoder.layer.{}.attention.output.LayerNorm"},
    {"blk.{}.ffn_up", "encoder.layer.{}.intermediate.dense"},
    {"blk.{}.ffn_down", "encoder.layer.{}.output.dense"},
    {"blk.{}.layer_output_norm", "encoder.layer.{}.output.LayerNorm"},
};

#undef QS_LAYER

using enum GgufFamily;

// Mistral and Mixtral come as "llama"; what tells them apart is in the metadata (see gguf_config).
constexpr GgufArchitecture kArchitectures[] = {
    {"llama", "LlamaForCausalLM", "llama", Llama, kLlama, kMixtral},
    {"qwen2", "Qwen2ForCausalLM", "qwen2", Qwen, kQwen, {}},
    {"qwen3", "Qwen3ForCausalLM", "qwen3", Qwen, kQwen, {}},
    {"qwen2moe", "Qwen2MoeForCausalLM", "qwen2_moe", QwenMoe, kQwenExperts, kQwen},
    {"qwen3moe", "Qwen3MoeForCausalLM", "qwen3_moe", QwenMoe, kQwenExperts, kQwen},
    {"gemma", "GemmaForCausalLM", "gemma", Gemma, kGemmaNorms, kQwen},
    {"gemma2", "Gemma2ForCausalLM", "gemma2", Gemma, kGemma2Norms, kQwen},
    {"gemma3", "Gemma3ForCausalLM", "gemma3_text", Gemma, kGemma2Norms, kQwen},
    {"phi3", "Phi3ForCausalLM", "phi3", Phi3, kPhi3, {}},
    {"gpt2", "GPT2LMHeadModel", "gpt2", Gpt2, kGpt2, {}},
    {"gptneox", "GPTNeoXForCausalLM", "gpt_neox", GptNeoX, kGptNeoX, {}},
    {"bloom", "BloomForCausalLM", "bloom", Bloom, kBloom, {}},
    {"falcon", "FalconForCausalLM", "falcon", Falcon, kFalcon, {}},
    {"stablelm", "StableLmForCausalLM", "stablelm", StableLm, kStableLmNorms, kQwen},
    {"bert", "BertModel", "bert", Bert, kBert, {}},
};

// Falcon 40B has a norm of its own for each half; the file's names do not say so, only their presence does.
constexpr GgufArchitecture kFalcon40{"falcon", "FalconForCausalLM", "falcon",
                                     Falcon,   kFalconTwoNorms,     kFalcon};

// What stands before the part of a name that all checkpoints of an architecture share.
constexpr std::string_view kPrefixes[] = {"model.language_model.",
                                          "language_model.model.",
                                          "language_model.",
                                          "model.",
                                          "transformer.",
                                          "gpt_neox.",
                                          "bert.",
                                          ""};

/// The part of a table's name that checkpoints share.
std::string_view withoutPrefix(std::string_view hf) {
    for (const std::string_view p : {"model.", "transformer.", "gpt_neox."})
        if (hf.starts_with(p)) return hf.substr(p.size());
    return hf;
}

/// The first rule of an architecture that `matches`.
template<class F>
const GgufName* firstRule(const GgufArchitecture& architecture, const F& matches) {
    for (const auto& list : {architecture.names, architecture.moreNames})
        for (const GgufName& n : list)
            if (matches(n)) return &n;
    return nullptr;
}

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

} // namespace

std::span<const GgufArchitecture> ggufArchitectures() {
    return kArchitectures;
}

const GgufArchitecture* ggufArchitecture(std::string_view id, bool secondAttentionNorm) {
    if (id == kFalcon40.id && secondAttentionNorm) return &kFalcon40;
    for (const GgufArchitecture& a : kArchitectures)
        if (a.id == id) return &a;
    return nullptr;
}

const GgufArchitecture* ggufArchitectureOfModel(std::string_view modelType, bool secondAttentionNorm) {
    if (modelType == "mixtral") modelType = "llama";
    if (modelType == "gemma3") modelType = "gemma3_text";
    for (const GgufArchitecture& a : kArchitectures)
        if (a.modelType == modelType) return ggufArchitecture(a.id, secondAttentionNorm);
    return nullptr;
}

const GgufName* ggufRule(const GgufArchitecture& architecture, std::string_view stem, GgufNumbers& numbers) {
    return firstRule(architecture, [&](const GgufName& n) { return matchGgufName(n.gguf, stem, numbers); });
}

const GgufName* ggufRuleOfHf(const GgufArchitecture& architecture, std::string_view stem,
                             GgufNumbers& numbers) {
    for (const std::string_view prefix : kPrefixes) {
        if (!stem.starts_with(prefix)) continue;
        const std::string_view shared = stem.substr(prefix.size());
        const auto matches = [&](const GgufName& n) {
            return matchGgufName(withoutPrefix(n.hf), shared, numbers);
        };
        if (const GgufName* found = firstRule(architecture, matches)) return found;
    }
    return nullptr;
}

std::string fillGgufName(std::string_view pattern, const GgufNumbers& numbers, uint64_t second) {
    std::string out;
    int used = 0;
    for (size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '{') {
            out += pattern[i];
            continue;
        }
        out += std::to_string(used < numbers.count ? numbers.value[used] : second);
        ++used;
        ++i;
    }
    return out;
}

bool matchGgufName(std::string_view pattern, std::string_view text, GgufNumbers& numbers) {
    constexpr size_t kMaxDigits = 9;
    numbers.count = 0;
    size_t t = 0;
    for (size_t p = 0; p < pattern.size(); ++p) {
        if (pattern[p] != '{') {
            if (t >= text.size() || text[t++] != pattern[p]) return false;
            continue;
        }
        ++p; // the closing brace
        const size_t first = t;
        uint64_t value = 0;
        while (t < text.size() && isDigit(text[t]) && t - first < kMaxDigits)
            value = value * 10 + uint64_t(text[t++] - '0');
        if (t == first || (text[first] == '0' && t - first > 1)) return false;
        numbers.value[numbers.count++] = value;
    }
    return t == text.size();
}

} // namespace qs
