// SPDX-License-Identifier: Apache-2.0
// Tiny seeded Llama checkpoints on disk, for tests that need a model of a given shape or a damaged one.
#pragma once

#include "core/base/file.h"
#include "core/checkpoint/safetensors.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

namespace qs::test {

struct SmallModelShape {
    size_t hidden = 32, intermediate = 64, vocabulary = 50, heads = 4, kvHeads = 2, blocks = 2, context = 64;
    DType dtype = DType::F32;
};

inline nlohmann::json smallConfig(const SmallModelShape& s) {
    return {{"architectures", {"LlamaForCausalLM"}},
            {"model_type", "llama"},
            {"hidden_size", s.hidden},
            {"intermediate_size", s.intermediate},
            {"vocab_size", s.vocabulary},
            {"num_attention_heads", s.heads},
            {"num_key_value_heads", s.kvHeads},
            {"num_hidden_layers", s.blocks},
            {"max_position_embeddings", s.context},
            {"rms_norm_eps", 1e-5},
            {"rope_theta", 10000.0},
            {"hidden_act", "silu"},
            {"tie_word_embeddings", true}};
}

inline SafetensorsItem randomItem(const std::string& name, std::vector<uint64_t> shape, DType dtype,
                                  uint64_t seed, double offset = 0) {
    return {name, dtype, shape, [=](std::span<std::byte> out) -> Result<void> {
                std::mt19937_64 rng(seed);
                std::vector<float> values(out.size() * 8 / size_t(dtypeInfo(dtype).bits));
                for (float& v : values)
                    v = float(offset + 0.15 * (double(rng() >> 11) * 0x1.0p-52 - 1.0));
                return fromFloat(values, dtype, out);
            }};
}

/// Writes config.json and model.safetensors into `folder` (made if needed).
inline Result<void> writeSmallModel(const std::filesystem::path& folder, const SmallModelShape& s,
                                    const nlohmann::json& config) {
    std::filesystem::create_directories(folder);
    const size_t kv = s.hidden / s.heads * s.kvHeads;
    std::vector<SafetensorsItem> items;
    uint64_t seed = 1;
    const auto add = [&](const std::string& name, std::vector<uint64_t> shape, double offset = 0) {
        items.push_back(randomItem(name, std::move(shape), s.dtype, seed++, offset));
    };
    add("model.embed_tokens.weight", {s.vocabulary, s.hidden});
    add("model.norm.weight", {s.hidden}, 1);
    for (size_t b = 0; b < s.blocks; ++b) {
        const std::string p = "model.layers." + std::to_string(b) + ".";
        add(p + "input_layernorm.weight", {s.hidden}, 1);
        add(p + "post_attention_layernorm.weight", {s.hidden}, 1);
        add(p + "self_attn.q_proj.weight", {s.hidden, s.hidden});
        add(p + "self_attn.k_proj.weight", {kv, s.hidden});
        add(p + "self_attn.v_proj.weight", {kv, s.hidden});
        add(p + "self_attn.o_proj.weight", {s.hidden, s.hidden});
        add(p + "mlp.gate_proj.weight", {s.intermediate, s.hidden});
        add(p + "mlp.up_proj.weight", {s.intermediate, s.hidden});
        add(p + "mlp.down_proj.weight", {s.hidden, s.intermediate});
    }
    QS_CHECK(writeFileAtomically(folder / "config.json", config.dump(1)));
    QS_CHECK(writeSafetensors(folder / "model.safetensors", std::move(items), {}));
    return {};
}

} // namespace qs::test
