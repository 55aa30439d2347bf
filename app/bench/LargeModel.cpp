// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/bench/LargeModel.h"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>

namespace qs::app {

namespace {

constexpr int kHeads = 4, kKeyValueHeads = 2, kHeadSize = 64, kVocabulary = 256;

/// The header of a safetensors file, written as text: an 80-layer one has 12 MB.
class Header {
public:
    void add(const std::string& name, int rows, int cols) {
        const uint64_t end = m_end + 2 * uint64_t(rows) * uint64_t(cols);
        append(name, fmt::format("[{},{}]", rows, cols), end);
    }
    void add(const std::string& name, int size) {
        append(name, fmt::format("[{}]", size), m_end + 2 * uint64_t(size));
    }
    std::string text() const { return "{" + m_text + "}"; }
    uint64_t dataBytes() const { return m_end; }

private:
    void append(const std::string& name, const std::string& shape, uint64_t end) {
        if (!m_text.empty()) m_text += ',';
        m_text += fmt::format(R"("{}":{{"dtype":"BF16","shape":{},"data_offsets":[{},{}]}})", name, shape,
                              m_end, end);
        m_end = end;
    }
    std::string m_text;
    uint64_t m_end = 0;
};

Header headerOf(const LargeModelShape& s) {
    Header h;
    h.add("model.embed_tokens.weight", kVocabulary, s.hidden);
    for (int layer = 0; layer < s.layers; ++layer) {
        const std::string at = fmt::format("model.layers.{}.", layer);
        h.add(at + "input_layernorm.weight", s.hidden);
        h.add(at + "self_attn.q_proj.weight", kHeads * kHeadSize, s.hidden);
        h.add(at + "self_attn.k_proj.weight", kKeyValueHeads * kHeadSize, s.hidden);
        h.add(at + "self_attn.v_proj.weight", kKeyValueHeads * kHeadSize, s.hidden);
        h.add(at + "self_attn.o_proj.weight", s.hidden, kHeads * kHeadSize);
        h.add(at + "self_attn.q_norm.weight", kHeadSize);
        h.add(at + "self_attn.k_norm.weight", kHeadSize);
        h.add(at + "post_attention_layernorm.weight", s.hidden);
        h.add(at + "mlp.gate.weight", s.experts, s.hidden);
        for (int e = 0; e < s.experts; ++e) {
            const std::string expert = at + fmt::format("mlp.experts.{}.", e);
            h.add(expert + "gate_proj.weight", s.intermediate, s.hidden);
            h.add(expert + "up_proj.weight", s.intermediate, s.hidden);
            h.add(expert + "down_proj.weight", s.hidden, s.intermediate);
        }
    }
    h.add("model.norm.weight", s.hidden);
    h.add("lm_head.weight", kVocabulary, s.hidden);
    return h;
}

nlohmann::json configOf(const LargeModelShape& s) {
    return {{"architectures", {"Qwen3MoeForCausalLM"}},
            {"model_type", "qwen3_moe"},
            {"hidden_size", s.hidden},
            {"intermediate_size", s.intermediate},
            {"moe_intermediate_size", s.intermediate},
            {"num_hidden_layers", s.layers},
            {"num_attention_heads", kHeads},
            {"num_key_value_heads", kKeyValueHeads},
            {"head_dim", kHeadSize},
            {"num_experts", s.experts},
            {"num_experts_per_tok", std::min(8, s.experts)},
            {"norm_topk_prob", true},
            {"decoder_sparse_step", 1},
            {"mlp_only_layers", nlohmann::json::array()},
            {"hidden_act", "silu"},
            {"attention_bias", false},
            {"rms_norm_eps", 1e-6},
            {"rope_theta", 1e6},
            {"max_position_embeddings", 4096},
            {"vocab_size", kVocabulary},
            {"tie_word_embeddings", false},
            {"torch_dtype", "bfloat16"}};
}

Result<void> written(const std::ofstream& out, const std::filesystem::path& path) {
    if (out.good()) return {};
    return Error::io("could not be written", path.string());
}

} // namespace

Result<void> writeLargeModel(const std::filesystem::path& folder, const LargeModelShape& shape) {
    const std::filesystem::path config = folder / "config.json", weights = folder / "model.safetensors";
    std::ofstream out(config, std::ios::binary);
    out << configOf(shape).dump(1);
    out.close();
    QS_CHECK(written(out, config));
    const Header header = headerOf(shape);
    const std::string text = header.text();
    out.open(weights, std::ios::binary);
    for (int i = 0; i < 8; ++i)
        out.put(char((uint64_t(text.size()) >> (8 * i)) & 0xff));
    out.write(text.data(), std::streamsize(text.size()));
    out.close();
    QS_CHECK(written(out, weights));
    std::error_code ec;
    std::filesystem::resize_file(weights, 8 + text.size() + header.dataBytes(), ec);
    if (ec)
        return Error::io("could not be made " + std::to_string(header.dataBytes()) +
                             " bytes long: " + ec.message(),
                         weights.string());
    return {};
}

} // namespace qs::app
