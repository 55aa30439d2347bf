// SPDX-License-Identifier: Apache-2.0
// A Llama checkpoint rewritten as llama.cpp's converter does: its names, q and k rows in rotary pairs,
// vectors in float32. Written from the converter's description, apart from the reader under test.
#pragma once

#include "core/checkpoint/checkpoint.h"
#include "tests/support/gguf_file.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace qs::test {

/// One row in blocks of 32: f16 scale absmax / 127, then rounded quotients (ggml's reference quantizer).
inline std::string q8Row(const float* x, size_t cols) {
    std::string out;
    for (size_t b = 0; b < cols; b += 32) {
        float most = 0;
        for (size_t i = 0; i < 32; ++i)
            most = std::max(most, std::fabs(x[b + i]));
        const float d = most / 127, inverse = d != 0 ? 1 / d : 0;
        out += rawOf(floatToHalf(d));
        for (size_t i = 0; i < 32; ++i)
            out += char(int8_t(std::roundf(x[b + i] * inverse)));
    }
    return out;
}

/// What those blocks stand for.
inline void q8Values(float* x, size_t cols) {
    const std::string blocks = q8Row(x, cols);
    for (size_t i = 0; i < cols; ++i) {
        uint16_t d = 0;
        std::memcpy(&d, blocks.data() + i / 32 * 34, 2);
        x[i] = halfToFloat(d) * float(int8_t(blocks[i / 32 * 34 + 2 + i % 32]));
    }
}

inline std::string encodeMatrix(const Matrix& m, uint32_t type) {
    std::string out;
    for (size_t r = 0; r < m.rows(); ++r)
        for (size_t c = 0; c < m.cols(); c += type == kGgmlQ8_0 ? m.cols() : 1)
            out += type == kGgmlQ8_0  ? q8Row(m.row(r), m.cols())
                   : type == kGgmlF16 ? rawOf(floatToHalf(m(r, c)))
                                      : rawOf(m(r, c));
    return out;
}

/// Row h * d + j * d / 2 + i (half j of head h) goes to h * d + 2 i + j.
inline Matrix inRotaryPairs(const Matrix& m, size_t heads) {
    Matrix out(m.rows(), m.cols());
    const size_t d = m.rows() / heads;
    for (size_t h = 0; h < heads; ++h)
        for (size_t j = 0; j < 2; ++j)
            for (size_t i = 0; i < d / 2; ++i)
                std::copy_n(m.row(h * d + j * d / 2 + i), m.cols(), out.row(h * d + 2 * i + j));
    return out;
}

inline void llamaMetadata(const nlohmann::json& config, GgufBuilder& b) {
    const auto number = [&](const char* key) { return config.at(key).get<uint32_t>(); };
    b.text("general.architecture", "llama")
        .u32("llama.embedding_length", number("hidden_size"))
        .u32("llama.block_count", number("num_hidden_layers"))
        .u32("llama.feed_forward_length", number("intermediate_size"))
        .u32("llama.context_length", number("max_position_embeddings"))
        .u32("llama.attention.head_count", number("num_attention_heads"))
        .u32("llama.attention.head_count_kv", number("num_key_value_heads"))
        .f32("llama.attention.layer_norm_rms_epsilon", config.at("rms_norm_eps").get<float>())
        .f32("llama.rope.freq_base", config.at("rope_theta").get<float>());
}

/// The whole checkpoint, matrices as `type`.
inline GgufBuilder llamaGguf(const Checkpoint& c, uint32_t type) {
    GgufBuilder b;
    llamaMetadata(c.config(), b);
    const auto add = [&](const std::string& from, const std::string& to, size_t heads = 0) {
        const size_t index = c.find(from);
        if (index == Checkpoint::npos) return;
        Matrix m = std::move(c.readMatrix(index)).value();
        if (heads) m = inRotaryPairs(m, heads);
        const bool vector = c.tensors()[index].shape.size() == 1;
        const uint32_t stored = vector ? uint32_t(kGgmlF32) : type;
        b.tensor(to, c.tensors()[index].shape, stored, encodeMatrix(m, stored));
    };
    const size_t heads = c.config().at("num_attention_heads"), kv = c.config().at("num_key_value_heads");
    add("model.embed_tokens.weight", "token_embd.weight");
    add("model.norm.weight", "output_norm.weight");
    add("lm_head.weight", "output.weight");
    for (size_t i = 0; i < c.config().at("num_hidden_layers"); ++i) {
        const std::string from = "model.layers." + std::to_string(i) + ".",
                          to = "blk." + std::to_string(i) + ".";
        add(from + "input_layernorm.weight", to + "attn_norm.weight");
        add(from + "post_attention_layernorm.weight", to + "ffn_norm.weight");
        add(from + "self_attn.q_proj.weight", to + "attn_q.weight", heads);
        add(from + "self_attn.k_proj.weight", to + "attn_k.weight", kv);
        add(from + "self_attn.v_proj.weight", to + "attn_v.weight");
        add(from + "self_attn.o_proj.weight", to + "attn_output.weight");
        add(from + "mlp.gate_proj.weight", to + "ffn_gate.weight");
        add(from + "mlp.up_proj.weight", to + "ffn_up.weight");
        add(from + "mlp.down_proj.weight", to + "ffn_down.weight");
    }
    return b;
}

} // namespace qs::test
