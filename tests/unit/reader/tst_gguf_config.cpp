// SPDX-License-Identifier: Apache-2.0
// config.json as it comes out of GGUF metadata.
#include "tests/unit/reader/gguf_fixture.h"

#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;

class GgufConfigTest : public QObject {
    Q_OBJECT
private slots:
    void sharedExpertGateIsARow() {
        GgufBuilder b = sized("qwen2moe", kRms);
        b.u32("qwen2moe.expert_count", 2).u32("qwen2moe.expert_used_count", 1);
        b.floats("blk.0.attn_norm.weight", {16}, counted(16))
            .floats("blk.1.ffn_gate_inp.weight", {2, 16}, counted(32));
        b.floats("blk.1.ffn_up_exps.weight", {2, 6, 16}, counted(192));
        b.floats("blk.1.ffn_gate_inp_shexp.weight", {16}, counted(16));
        b.floats("blk.1.ffn_up_shexp.weight", {7, 16}, counted(112))
            .floats("blk.1.attn_norm.weight", {16}, counted(16));
        OPEN(c, written("shared", b));
        const size_t gate = c.find("model.layers.1.mlp.shared_expert_gate.weight");
        QVERIFY(gate != Checkpoint::npos);
        QCOMPARE(c.tensors()[gate].shape, (std::vector<uint64_t>{1, 16}));
        QCOMPARE(valuesOf(c, "model.layers.1.mlp.experts.1.up_proj.weight").front(), 96.0f);
        QCOMPARE(c.config().at("moe_intermediate_size").get<int>(), 6);
        QCOMPARE(c.config().at("shared_expert_intermediate_size").get<int>(), 7);
        QCOMPARE(c.config().at("mlp_only_layers").get<std::vector<int>>(), std::vector<int>{0});
        QVERIFY(!c.config().at("norm_topk_prob").get<bool>());
    }

    void configs_data() {
        QTest::addColumn<QString>("arch");
        QTest::addColumn<QString>("className");
        QTest::addColumn<QString>("expected"); ///< part of config.json
        const auto row = [](const char* arch, const char* name, const char* json) {
            QTest::newRow(arch) << arch << name << json;
        };
        row("llama", "LlamaForCausalLM",
            R"({"model_type":"llama","hidden_size":16,"num_hidden_layers":2,"intermediate_size":24,
                "num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"max_position_embeddings":128,
                "rms_norm_eps":1e-06,"rope_theta":10000.0,"rope_scaling":null,"vocab_size":10,"hidden_act":"silu",
                "tie_word_embeddings":true})");
        row("qwen2", "Qwen2ForCausalLM",
            R"({"model_type":"qwen2","rms_norm_eps":1e-06,"num_key_value_heads":2})");
        row("qwen3", "Qwen3ForCausalLM", R"({"model_type":"qwen3","head_dim":4,"attention_bias":false})");
        row("gemma", "GemmaForCausalLM", R"({"model_type":"gemma","hidden_activation":"gelu_pytorch_tanh"})");
        row("gemma2", "Gemma2ForCausalLM",
            R"({"model_type":"gemma2","query_pre_attn_scalar":4,"attn_logit_softcapping":null,"sliding_window":null})");
        row("gemma3", "Gemma3ForCausalLM",
            R"({"rope_local_base_freq":10000.0,"sliding_window_pattern":1,"final_logit_softcapping":null})");
        row("phi3", "Phi3ForCausalLM",
            R"({"model_type":"phi3","original_max_position_embeddings":128,"partial_rotary_factor":1.0})");
        row("gpt2", "GPT2LMHeadModel",
            R"({"n_embd":16,"n_layer":2,"n_head":4,"n_positions":128,"n_inner":24,"layer_norm_epsilon":1e-06,
                "activation_function":"gelu_new"})");
        row("gptneox", "GPTNeoXForCausalLM",
            R"({"model_type":"gpt_neox","rotary_pct":1.0,"rotary_emb_base":10000.0,"use_parallel_residual":true,
                "layer_norm_eps":1e-06,"hidden_act":"gelu"})");
        row("bloom", "BloomForCausalLM",
            R"({"n_layer":2,"n_head":4,"hidden_size":16,"layer_norm_epsilon":1e-06})");
        row("falcon", "FalconForCausalLM",
            R"({"num_kv_heads":2,"multi_query":false,"parallel_attn":true,"bias":false})");
        row("stablelm", "StableLmForCausalLM",
            R"({"layer_norm_eps":1e-06,"use_qkv_bias":false,"qk_layernorm":false,"use_parallel_residual":true})");
        row("bert", "BertModel",
            R"({"model_type":"bert","max_position_embeddings":128,"type_vocab_size":1,"layer_norm_eps":1e-06})");
    }
    void configs() {
        QFETCH(QString, arch);
        QFETCH(QString, className);
        QFETCH(QString, expected);
        const std::string id = arch.toStdString();
        const bool layerNorm =
            QStringList{"gpt2", "gptneox", "bloom", "falcon", "stablelm", "bert"}.contains(arch);
        OPEN(c, written("config", sized(id, layerNorm ? kLayer : kRms)));
        QVERIFY2(c.hasConfig(), c.noConfigReason().c_str());
        QCOMPARE(c.config().at("architectures").at(0).get<std::string>(), className.toStdString());
        QCOMPARE(c.config().at("vocab_size").get<int>(), 10);
        const auto wanted = nlohmann::json::parse(expected.toStdString());
        for (const auto& [key, value] : wanted.items())
            QVERIFY2(c.config().contains(key) && c.config().at(key) == value,
                     qPrintable(QString::fromStdString(key + ": " +
                                                       c.config().value(key, nlohmann::json()).dump() +
                                                       ", expected " + value.dump())));
        // A key that is missing or wrong leaves the tensors readable and says which.
        GgufBuilder broken = sized(id, layerNorm ? kLayer : kRms);
        broken.pairs.replace(broken.pairs.find(".block_count"), 12, ".block_kount");
        OPEN(w, written("brokenconfig", broken));
        QVERIFY(!w.hasConfig());
        VERIFY_MENTIONS(QString::fromStdString(w.noConfigReason()), "block_count", "missing", "m.gguf");
        QCOMPARE(valuesOf(w, "token_embd.weight"), counted(160));
    }

    void slidingWindowMeansMistral() {
        GgufBuilder b = sized("llama", kRms);
        b.u32("llama.attention.sliding_window", 64);
        OPEN(c, written("mistral", b));
        QCOMPARE(c.config().at("architectures")[0].get<std::string>(), std::string("MistralForCausalLM"));
        QCOMPARE(c.config().at("sliding_window").get<int>(), 64);
    }

    /// Divisors by Llama 3.1's rule (factor 8, 1, 4, 8192) for theta 500000 and 16 pairs, from NumPy float64.
    void ropeFrequencies() {
        const auto withDivisors = [](const std::vector<float>& divisors) {
            GgufBuilder b;
            b.text("general.architecture", "llama")
                .u32("llama.embedding_length", 64)
                .u32("llama.block_count", 1);
            b.u32("llama.feed_forward_length", 64).u32("llama.context_length", 131072);
            b.u32("llama.attention.head_count", 2).f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
            b.f32("llama.rope.freq_base", 500000.0f).floats("rope_freqs.weight", {divisors.size()}, divisors);
            return b;
        };
        const std::vector<float> llama31{1, 1, 1, 1, 1, 1, 1, 1, 2.6945298f, 8, 8, 8, 8, 8, 8, 8};
        OPEN(c, written("llama3", withDivisors(llama31)));
        QVERIFY2(c.hasConfig(), c.noConfigReason().c_str());
        const auto scaling = c.config().at("rope_scaling");
        QCOMPARE(scaling.at("rope_type").get<std::string>(), std::string("llama3"));
        QCOMPARE(scaling.at("factor").get<double>(), 8.0);
        QCOMPARE(scaling.at("low_freq_factor").get<double>(), 1.0);
        QCOMPARE(scaling.at("high_freq_factor").get<double>(), 4.0);
        QCOMPARE(scaling.at("original_max_position_embeddings").get<int>(), 8192);
        QVERIFY(c.tensors().empty()); // the divisors are in the config now
        std::vector<float> other = llama31;
        other[8] = 2.7f;
        OPEN(o, written("longrope", withDivisors(other)));
        QCOMPARE(o.config().at("rope_scaling").at("rope_type").get<std::string>(), std::string("longrope"));
        QCOMPARE(o.config().at("rope_scaling").at("short_factor").get<std::vector<float>>(), other);
        QCOMPARE(o.config().at("rope_scaling").at("long_factor").get<std::vector<float>>(), other);
        QCOMPARE(o.config().at("rope_scaling").at("attention_factor").get<double>(), 1.0);
        OPEN(n, written("noscaling", withDivisors(std::vector<float>(16, 1.0f))));
        QVERIFY(n.config().at("rope_scaling").is_null());
        OPEN(w, written("wronglength", withDivisors({1, 2})));
        VERIFY_MENTIONS(QString::fromStdString(w.noConfigReason()), "rope_freqs.weight", "16 values",
                        "has 2");
    }

    void scalingByKeys() {
        GgufBuilder b = sized("qwen2", kRms);
        b.text("qwen2.rope.scaling.type", "yarn").f32("qwen2.rope.scaling.factor", 4.0f);
        b.u32("qwen2.rope.scaling.original_context_length", 32);
        OPEN(c, written("yarn", b));
        QCOMPARE(c.config().at("rope_scaling"),
                 (nlohmann::json{
                     {"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}}));
        GgufBuilder unknown = sized("qwen2", kRms);
        unknown.text("qwen2.rope.scaling.type", "cubic");
        OPEN(u, written("cubic", unknown));
        VERIFY_MENTIONS(QString::fromStdString(u.noConfigReason()), "cubic", "rope.scaling.type", "yarn");
        GgufBuilder phi = sized("phi3", kRms);
        phi.f32("phi3.rope.scaling.attn_factor", 1.25f).u32("phi3.rope.scaling.original_context_length", 64);
        phi.floats("rope_factors_short.weight", {2}, {1, 2}).floats("rope_factors_long.weight", {2}, {3, 4});
        OPEN(p, written("phi", phi));
        QVERIFY2(p.hasConfig(), p.noConfigReason().c_str());
        const auto scaling = p.config().at("rope_scaling");
        QCOMPARE(scaling.at("long_factor").get<std::vector<double>>(), (std::vector<double>{3, 4}));
        QCOMPARE(scaling.at("attention_factor").get<double>(), 1.25);
        QCOMPARE(p.config().at("original_max_position_embeddings").get<int>(), 64);
    }
};

QS_TEST(GgufConfigTest)
#include "tst_gguf_config.moc"
