// SPDX-License-Identifier: Apache-2.0
// BERT: bidirectional encoder with post-norm blocks, learned positions and a head that predicts masked
// tokens. Files of encoders alone, or with other heads, open without that head: their activations and layers
// can still be looked at.
#include "core/model/architecture.h"
#include "core/model/spec_builder.h"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<double> epsilon(const SpecBuilder& b) {
    return b.config.positiveOr("layer_norm_eps", 1.0, 1e-12);
}

Result<void> embeddings(SpecBuilder& b) {
    EmbeddingSpec& e = b.spec.embedding;
    const std::string base = b.prefix + "embeddings.";
    const uint64_t hidden = b.spec.hidden;
    QS_TRY(e.tokens, b.tensor(base + "word_embeddings.weight", {b.spec.vocabulary, hidden}));
    QS_TRY(e.positions, b.tensor(base + "position_embeddings.weight", {b.spec.context, hidden}));
    QS_TRY(const size_t types, b.config.sizeOr("type_vocab_size", 65536, 2));
    QS_TRY(e.types, b.tensor(base + "token_type_embeddings.weight", {types, hidden}));
    QS_TRY(const double eps, epsilon(b));
    QS_TRY(e.norm, b.norm(NormSpec::Kind::Layer, "embeddings.LayerNorm", b.spec.hidden, eps));
    return {};
}

Result<void> maskedTokenHead(SpecBuilder& b) {
    const std::string base = "cls.predictions.";
    if (!b.has(base + "transform.dense.weight")) return {};
    const std::string prefix = std::exchange(b.prefix, "");
    HeadSpec& h = b.spec.head;
    QS_TRY(const double eps, epsilon(b));
    LinearRequest dense{
        .module = base + "transform.dense", .role = "transform", .out = b.spec.hidden, .in = b.spec.hidden};
    QS_TRY(h.transform, b.linear(dense));
    QS_TRY(h.transformNorm, b.norm(NormSpec::Kind::Layer, base + "transform.LayerNorm", b.spec.hidden, eps));
    QS_TRY(h.activation, b.activation("hidden_act", "gelu"));
    h.tied = !b.has(base + "decoder.weight");
    QS_TRY(h.weight, b.tensor(h.tied ? b.spec.embedding.tokens : base + "decoder.weight",
                              {b.spec.vocabulary, b.spec.hidden}));
    const char* bias = b.has(base + "decoder.bias") ? "decoder.bias" : "bias";
    QS_TRY(h.bias, b.tensor(base + bias, {b.spec.vocabulary}));
    b.prefix = prefix;
    return {};
}

Result<BlockSpec> blockOf(const SpecBuilder& b, const std::string& layer) {
    const size_t hidden = b.spec.hidden, inner = b.spec.intermediate;
    const auto linear = [&](const char* name, const char* role, const char* site, const char* fused,
                            size_t out, size_t in) {
        LinearRequest r{.module = layer + name, .role = role, .site = layer + site, .out = out, .in = in};
        if (*fused) r.fusedGroup = layer + fused;
        r.bias = Bias::Required;
        return b.linear(r);
    };
    QS_TRY(const double eps, epsilon(b));
    BlockSpec block;
    AttentionSpec& a = block.attention;
    a.heads = a.kvHeads = b.spec.heads;
    a.headDim = b.spec.headDim;
    a.scale = 1.0 / std::sqrt(double(a.headDim));
    QS_TRY(a.q, linear("attention.self.query", "q", "attn", "qkv", hidden, hidden));
    QS_TRY(a.k, linear("attention.self.key", "k", "attn", "qkv", hidden, hidden));
    QS_TRY(a.v, linear("attention.self.value", "v", "attn", "qkv", hidden, hidden));
    QS_TRY(a.o, linear("attention.output.dense", "o", "o", "", hidden, hidden));
    QS_TRY(block.attentionNorms.after,
           b.norm(NormSpec::Kind::Layer, layer + "attention.output.LayerNorm", hidden, eps));
    block.mlp.gated = false;
    QS_TRY(block.mlp.activation, b.activation("hidden_act", "gelu"));
    QS_TRY(block.mlp.up, linear("intermediate.dense", "up", "mlp", "", inner, hidden));
    QS_TRY(block.mlp.down, linear("output.dense", "down", "down", "", hidden, inner));
    QS_TRY(block.mlpNorms.after, b.norm(NormSpec::Kind::Layer, layer + "output.LayerNorm", hidden, eps));
    return block;
}

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "bert", {{"max_position_embeddings", 512}});
    b.prefix = b.findPrefix({"bert.", ""}, "embeddings.word_embeddings.weight");
    QS_CHECK(b.dimensions());
    QS_CHECK(b.config.require("is_decoder", false));
    QS_CHECK(b.config.require("position_embedding_type", "absolute"));
    b.spec.causal = false;
    QS_CHECK(embeddings(b));
    QS_CHECK(maskedTokenHead(b));
    for (size_t i = 0; i < b.blocks; ++i) {
        QS_TRY(BlockSpec block, blockOf(b, fmt::format("encoder.layer.{}.", i)));
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_bert() {
    static const ArchitectureDescriptor d{
        .id = "bert",
        .label = "BERT",
        .summary = "BERT encoders: bidirectional attention, masked-token loss instead of perplexity",
        .classNames = {"BertForMaskedLM", "BertForPreTraining", "BertModel", "BertForSequenceClassification",
                       "BertForTokenClassification", "BertForQuestionAnswering"},
        .modelTypes = {"bert"},
        .resolve = resolve,
        .refuses = "decoders (`is_decoder`); relative positions"};
    return d;
}

} // namespace qs
