// SPDX-License-Identifier: Apache-2.0
#include "core/model/llama_parts.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

std::string layerModule(size_t index) {
    return fmt::format("layers.{}.", index);
}

Result<AttentionSpec> llamaAttention(const SpecBuilder& b, const std::string& layer,
                                     const AttentionOptions& options) {
    const ModelSpec& s = b.spec;
    const size_t q = s.heads * s.headDim, kv = s.kvHeads * s.headDim;
    const auto request = [&](const char* name, const char* role, size_t first, size_t out) {
        LinearRequest r;
        r.module = layer + "self_attn." + name;
        r.role = role;
        r.site = layer + "attn";
        r.fusedGroup = layer + "qkv";
        r.out = out;
        r.in = s.hidden;
        r.bias = options.qkvBias;
        if (options.fusedQkv) {
            r.storedModule = layer + "self_attn.qkv_proj";
            r.rows = {{first, out}};
            r.storedOut = q + 2 * kv;
        }
        return r;
    };
    AttentionSpec a;
    a.heads = s.heads;
    a.kvHeads = s.kvHeads;
    a.headDim = s.headDim;
    a.scale = 1.0 / std::sqrt(double(s.headDim));
    QS_TRY(a.q, b.linear(request("q_proj", "q", 0, q)));
    QS_TRY(a.k, b.linear(request("k_proj", "k", q, kv)));
    QS_TRY(a.v, b.linear(request("v_proj", "v", q + kv, kv)));
    LinearRequest o;
    o.module = layer + "self_attn." + options.out;
    o.role = "o";
    o.site = layer + "o";
    o.out = s.hidden;
    o.in = q;
    o.bias = options.oBias;
    QS_TRY(a.o, b.linear(o));
    return a;
}

Result<MlpSpec> llamaMlp(const SpecBuilder& b, const std::string& module, const std::string& site,
                         const std::string& downSite, const MlpOptions& options) {
    const size_t hidden = b.spec.hidden,
                 inner = options.intermediate ? options.intermediate : b.spec.intermediate;
    const auto request = [&](const char* name, const char* role, size_t first) {
        LinearRequest r;
        r.module = module + name;
        r.role = role;
        r.site = site;
        r.fusedGroup = module + "gate_up";
        r.out = inner;
        r.in = hidden;
        r.bias = options.bias;
        if (options.fusedGateUp) {
            r.storedModule = module + "gate_up_proj";
            r.rows = {{first, inner}};
            r.storedOut = 2 * inner;
        }
        return r;
    };
    MlpSpec m;
    m.activation = options.activation;
    QS_TRY(m.gate, b.linear(request(options.gate, "gate", 0)));
    QS_TRY(m.up, b.linear(request(options.up, "up", inner)));
    LinearRequest down;
    down.module = module + options.down;
    down.role = "down";
    down.site = downSite;
    down.out = hidden;
    down.in = inner;
    down.bias = options.bias;
    QS_TRY(m.down, b.linear(down));
    return m;
}

Result<std::vector<size_t>> layerReach(const SpecBuilder& b, const std::function<bool(size_t)>& fallback) {
    QS_TRY(const size_t window, b.config.countOr("sliding_window", size_t(1) << 30, 0));
    QS_TRY(const std::vector<std::string> types, b.config.textsOr("layer_types"));
    std::vector<size_t> reach;
    if (types.empty()) {
        for (size_t i = 0; i < b.blocks; ++i)
            reach.push_back(fallback(i) ? window : 0);
        return reach;
    }
    if (types.size() != b.blocks)
        return Error::corrupt(
            fmt::format("'layer_types' must have {} entries, got {}", b.blocks, types.size()),
            b.config.where());
    for (const std::string& t : types) {
        const bool sliding = t == "sliding_attention";
        if (!sliding && t != "full_attention")
            return Error::unsupported(
                fmt::format("'layer_types' holds {}; known: full_attention, sliding_attention", t),
                b.config.where());
        if (sliding && window == 0)
            return Error::corrupt("'layer_types' has sliding layers, so 'sliding_window' must be above 0",
                                  b.config.where());
        reach.push_back(sliding ? window : 0);
    }
    return reach;
}

Result<NormSpec> llamaNorm(const SpecBuilder& b, const std::string& module) {
    QS_TRY(const double eps, b.config.positiveOr("rms_norm_eps", 1.0, 1e-6));
    return b.norm(NormSpec::Kind::Rms, module, b.spec.hidden, eps);
}

Result<BlockSpec> llamaBlock(const SpecBuilder& b, const std::string& layer,
                             const AttentionOptions& options) {
    BlockSpec block;
    QS_TRY(block.attentionNorms.before, llamaNorm(b, layer + "input_layernorm"));
    QS_TRY(block.mlpNorms.before, llamaNorm(b, layer + "post_attention_layernorm"));
    QS_TRY(block.attention, llamaAttention(b, layer, options));
    return block;
}

Result<void> llamaBody(SpecBuilder& b, const RopeDefaults& rope, const AttentionOptions& attention,
                       const std::vector<size_t>& reach, const FinishBlock& finish) {
    QS_TRY(const RopeSpec rotation, ropeFromConfig(b.config, b.spec.headDim, rope));
    const int ropeIndex = b.addRope(rotation);
    QS_CHECK(b.embeddingAndHead("model.embed_tokens.weight", "lm_head.weight", false));
    QS_TRY(b.spec.head.norm, llamaNorm(b, "norm"));
    for (size_t i = 0; i < b.blocks; ++i) {
        const std::string layer = layerModule(i);
        QS_TRY(BlockSpec block, llamaBlock(b, layer, attention));
        block.attention.rope = ropeIndex;
        block.attention.reach = reach[i];
        QS_CHECK(finish(i, layer, block));
        b.addBlock(std::move(block));
    }
    return {};
}

Result<std::vector<size_t>> qwenReach(const SpecBuilder& b) {
    QS_TRY(const bool sliding, b.config.booleanOr("use_sliding_window", false));
    if (!sliding) return std::vector<size_t>(b.blocks, 0);
    QS_TRY(const size_t first, b.config.countOr("max_window_layers", 100000, 28));
    return layerReach(b, [first](size_t i) { return i >= first; });
}

Result<void> addHeadNorms(const SpecBuilder& b, const std::string& layer, AttentionSpec& attention) {
    QS_TRY(const double eps, b.config.positiveOr("rms_norm_eps", 1.0, 1e-6));
    const auto norm = [&](const char* name) {
        return b.norm(NormSpec::Kind::Rms, layer + "self_attn." + name, b.spec.headDim, eps);
    };
    QS_TRY(attention.qNorm, norm("q_norm"));
    QS_TRY(attention.kNorm, norm("k_norm"));
    return {};
}

} // namespace qs
