// SPDX-License-Identifier: Apache-2.0
// Mixtures of experts through calibration and runs: tokens counted per expert; experts that saw none.
#include "core/run/run.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <fstream>

using namespace qs;
using namespace qs::test;

namespace {

constexpr size_t kHidden = 32, kExperts = 4, kWindows = 3, kLength = 10;

/// Router scores x, -x, y, -y of two directions of the hidden state. Starved: x, -x, x/2, 0 and one expert
/// per token, so that the last two are never chosen.
SafetensorsItem router(bool starved) {
    return {"model.layers.0.block_sparse_moe.gate.weight",
            DType::F32,
            {kExperts, kHidden},
            [starved](std::span<std::byte> out) -> Result<void> {
                Matrix g(kExperts, kHidden);
                for (size_t c = 0; c < kHidden; ++c) {
                    const float x = c % 2 ? 1.0f : -1.0f, y = c % 3 ? 0.9f : -1.1f;
                    g(0, c) = x;
                    g(1, c) = -x;
                    g(2, c) = starved ? x / 2 : y;
                    g(3, c) = starved ? 0 : -y;
                }
                std::memcpy(out.data(), g.data(), out.size());
                return {};
            }};
}

std::shared_ptr<const Model> mixtral(bool starved) {
    const auto folder = scratchDir(starved ? "mixtral-starved" : "mixtral");
    const nlohmann::json config = {{"architectures", {"MixtralForCausalLM"}},
                                   {"hidden_size", kHidden},
                                   {"intermediate_size", kHidden},
                                   {"num_attention_heads", 4},
                                   {"num_key_value_heads", 2},
                                   {"num_hidden_layers", 1},
                                   {"num_local_experts", kExperts},
                                   {"num_experts_per_tok", starved ? 1 : 2},
                                   {"vocab_size", 40},
                                   {"max_position_embeddings", 64},
                                   {"tie_word_embeddings", true}};
    std::ofstream(folder / "config.json") << config.dump();
    std::vector<SafetensorsItem> items = {router(starved)};
    uint64_t seed = 1;
    const auto add = [&](const std::string& name, std::vector<uint64_t> shape, double offset = 0) {
        items.push_back(randomItem(name, std::move(shape), DType::F32, seed++, offset));
    };
    const std::string p = "model.layers.0.";
    add("model.embed_tokens.weight", {40, kHidden});
    for (const std::string& name :
         {std::string("model.norm"), p + "input_layernorm", p + "post_attention_layernorm"})
        add(name + ".weight", {kHidden}, 1);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"})
        add(p + "self_attn." + name + ".weight",
            {name[0] == 'k' || name[0] == 'v' ? kHidden / 2 : kHidden, kHidden});
    for (size_t e = 0; e < kExperts; ++e)
        for (const char* name : {"w1", "w2", "w3"})
            add(p + "block_sparse_moe.experts." + std::to_string(e) + "." + name + ".weight",
                {kHidden, kHidden});
    if (auto w = writeSafetensors(folder / "model.safetensors", std::move(items), {}); !w)
        qFatal("%s", w.error().describe().c_str());
    const auto model = openModel(folder);
    if (!model || !(*model)->hasForward()) qFatal("mixtral does not open");
    return *model;
}

TokenWindows someTokens() {
    TokenWindows t(kWindows, kLength);
    for (size_t i = 0; i < t.size(); ++i)
        t.data()[i] = int32_t((i * 7 + i / 10) % 40);
    return t;
}

std::string expertSite(size_t e) {
    return "layers.0.block_sparse_moe.experts." + std::to_string(e);
}

Plan uniformPlan(const Model& model, const char* method) {
    Scheme s = *Scheme::make("int", method);
    s.codecParams = *Params::fromJson((*findCodec("int"))->params, {{"bits", 4}, {"group", 32}}, "test");
    return resolvePlan(Recipe::uniform(s), model);
}

} // namespace

class Experts : public QObject {
    Q_OBJECT
private slots:
    void tokensAreCountedPerExpert() {
        const auto model = mixtral(false);
        const auto backend = makeCpuBackend();
        const auto dir = scratchDir("experts");
        const auto c = calibrate(*model, someTokens(), {}, dir / "c.h5", *backend, {});
        QS_VERIFY_OK(c);
        uint64_t sum = 0;
        for (size_t e = 0; e < kExperts; ++e) {
            const SiteRecord* in = (*c)->find(expertSite(e));
            const SiteRecord* down = (*c)->find(expertSite(e) + ".down");
            QVERIFY(in && down);
            QCOMPARE(in->tokens, down->tokens);
            QCOMPARE(in->stats.samples, in->tokens);
            sum += in->tokens;
        }
        QCOMPARE(sum, uint64_t(2 * kWindows * kLength)); // two experts per token
        QCOMPARE((*c)->find("layers.0.attn")->tokens, uint64_t(kWindows * kLength));
        // Every input of the mixture is the same hidden state: the experts' second moments add up.
        const auto total = (*c)->sigma(expertSite(0)), other = (*c)->sigma(expertSite(1));
        QS_VERIFY_OK(total);
        QS_VERIFY_OK(other);
        QVERIFY((*total)(0, 0) > 0 || (*other)(0, 0) > 0);
    }
    void runWithExperts() {
        const auto model = mixtral(false);
        const auto backend = makeCpuBackend();
        const auto dir = scratchDir("experts-run");
        const auto c = calibrate(*model, someTokens(), {}, dir / "c.h5", *backend, {});
        QS_VERIFY_OK(c);
        QVERIFY(lintCalibration(uniformPlan(*model, "gptq"), **c).empty());
        RunOptions options;
        options.directory = dir / "run";
        const auto run = executePlan(*model, uniformPlan(*model, "gptq"), c->get(), options, *backend, {});
        QS_VERIFY_OK(run);
        QVERIFY((*run)->complete());
        QCOMPARE((*run)->modules().size(), model->targets().size());
        for (const std::string& m : (*run)->modules()) {
            const TensorResult* r = (*run)->result(m);
            QVERIFY(std::isfinite(r->error.weight) && std::isfinite(r->error.output) && r->error.output >= 0);
        }
    }
    void anExpertWithoutTokensIsAnError() {
        const auto model = mixtral(true);
        const auto backend = makeCpuBackend();
        const auto dir = scratchDir("experts-starved");
        const auto c = calibrate(*model, someTokens(), {}, dir / "c.h5", *backend, {});
        QS_VERIFY_OK(c);
        QCOMPARE((*c)->find(expertSite(3))->tokens, uint64_t(0));
        for (float v : (*c)->find(expertSite(3))->stats.mean)
            QCOMPARE(v, 0.0f); // not NaN
        const Plan gptq = uniformPlan(*model, "gptq");
        const auto issues = lintCalibration(gptq, **c);
        QCOMPARE(issues.size(), size_t(6)); // three linears of experts 2 and 3
        for (const LintIssue& i : issues) {
            QCOMPARE(i.rule, std::string("no-tokens"));
            QCOMPARE(int(i.severity), int(Severity::Error));
            QVERIFY(i.where.find("experts.2") != std::string::npos ||
                    i.where.find("experts.3") != std::string::npos);
        }
        RunOptions options;
        options.directory = dir / "run";
        const auto refused = executePlan(*model, gptq, c->get(), options, *backend, {});
        QVERIFY(!refused);
        QVERIFY2(refused.error().message.find("experts.2") != std::string::npos,
                 refused.error().message.c_str());
        // Data-free methods do not mind, and the error against no inputs is not stated.
        QVERIFY(lintCalibration(uniformPlan(*model, "rtn"), **c).empty());
        options.directory = dir / "rtn";
        const auto rtn = executePlan(*model, uniformPlan(*model, "rtn"), c->get(), options, *backend, {});
        QS_VERIFY_OK(rtn);
        QCOMPARE((*rtn)->result("layers.0.block_sparse_moe.experts.3.w1")->error.output, -1.0);
        QVERIFY((*rtn)->result("layers.0.block_sparse_moe.experts.0.w1")->error.output >= 0);
    }
};

QS_TEST(Experts)
#include "tst_experts.moc"
