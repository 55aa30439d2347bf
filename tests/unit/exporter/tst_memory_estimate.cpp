// SPDX-License-Identifier: Apache-2.0
#include "core/export/memory_estimate.h"
#include "core/export/runtime_profiles.h"
#include "tests/support/qs_test.h"

using namespace qs;
using namespace qs::test;

namespace {

constexpr uint64_t kMiB = uint64_t(1) << 20;

BlockSpec block(size_t heads, size_t kvHeads, size_t headDim, size_t intermediate, size_t reach = 0) {
    BlockSpec b;
    b.attention.heads = heads;
    b.attention.kvHeads = kvHeads;
    b.attention.headDim = headDim;
    b.attention.reach = reach;
    b.mlp.up.out = intermediate;
    return b;
}

ModelSpec model(size_t hidden, size_t vocabulary, std::vector<BlockSpec> blocks) {
    ModelSpec m;
    m.hidden = hidden;
    m.vocabulary = vocabulary;
    m.blocks = std::move(blocks);
    return m;
}

ModelSpec llama1b() {
    return model(2048, 128256, std::vector<BlockSpec>(16, block(32, 8, 64, 8192)));
}

MemoryEstimate estimate(const ModelSpec& m, const char* runtime, size_t context, const char* cache = "f16") {
    const auto e = estimateMemory(m, {runtime, 700 * kMiB, context, cache});
    if (!e) qFatal("%s", e.error().describe().c_str());
    return *e;
}

} // namespace

class MemoryEstimateTest : public QObject {
    Q_OBJECT
private slots:
    /// Llama 3.2 1B at 8192 tokens: 16 blocks x 2 x 8 heads x 64 x 8192 x 2 bytes are 256 MiB.
    void grouped() {
        const MemoryEstimate e = estimate(llama1b(), "llama.cpp", 8192);
        QCOMPARE(e.weights, 700 * kMiB);
        QCOMPARE(e.cache, 256 * kMiB);
        // What llama.cpp prints for this model: 512 tokens x (2048 + 128256) x 4 bytes = 254.5 MiB.
        QCOMPARE(e.compute, 254 * kMiB + kMiB / 2);
        QCOMPARE(e.tokensAtOnce, size_t(512));
        QCOMPARE(e.computeUncertainty, uint64_t(26686259)); // a tenth of 266862592
        QCOMPARE(e.total(), e.weights + e.cache + e.compute);
        // 8.5 and 4.5 bits a value.
        QCOMPARE(estimate(llama1b(), "llama.cpp", 8192, "q8_0").cache, 136 * kMiB);
        QCOMPARE(estimate(llama1b(), "llama.cpp", 8192, "q4_0").cache, 72 * kMiB);
        QCOMPARE(estimate(llama1b(), "vllm", 8192, "fp8").cache, 128 * kMiB);
    }

    /// Llama 2 7B and Llama 3 8B: 70.5 and 258.5 MiB in llama.cpp's own words.
    void computeOfLlamaCpp() {
        const auto blocks = [](size_t kvHeads, size_t ffn) {
            return std::vector<BlockSpec>(32, block(32, kvHeads, 128, ffn));
        };
        QCOMPARE(estimate(model(4096, 32000, blocks(32, 11008)), "llama.cpp", 4096).compute,
                 70 * kMiB + kMiB / 2);
        QCOMPARE(estimate(model(4096, 128256, blocks(8, 14336)), "llama.cpp", 4096).compute,
                 258 * kMiB + kMiB / 2);
    }

    /// Pages: 256 cells, 16 tokens, one.
    void contextIsRoundedUp() {
        const ModelSpec one = model(64, 100, {block(2, 1, 32, 96)}); // 64 values, 128 bytes a token
        QCOMPARE(estimate(one, "llama.cpp", 257).cache, uint64_t(512 * 128));
        QCOMPARE(estimate(one, "vllm", 257).cache, uint64_t(272 * 128));
        QCOMPARE(estimate(one, "transformers", 257).cache, uint64_t(257 * 128));
    }

    /// A window of 1024: llama.cpp has room for a pass of 512 more; vLLM for one of 2048, and a block;
    /// transformers for the window.
    void slidingWindows() {
        const ModelSpec one = model(64, 100, {block(2, 1, 32, 96, 1024)});
        QCOMPARE(estimate(one, "llama.cpp", 8192).cache, uint64_t(1536 * 128));
        QCOMPARE(estimate(one, "vllm", 8192).cache, uint64_t((3072 + 16) * 128));
        QCOMPARE(estimate(one, "transformers", 8192).cache, uint64_t(1024 * 128));
        QCOMPARE(estimate(one, "transformers", 300).cache, uint64_t(300 * 128)); // shorter than the window
        const ModelSpec both = model(64, 100, {block(2, 1, 32, 96, 1024), block(2, 1, 32, 96)});
        QCOMPARE(estimate(both, "transformers", 8192).cache, uint64_t((1024 + 8192) * 128));
    }

    /// 16-bit values of 2048 tokens: hidden and the wider half; logits of one token.
    void computeOfOthers() {
        // gate and up: 2 x 8192 beside 2048; the logits take 4 x 128256.
        QCOMPARE(estimate(llama1b(), "vllm", 8192).compute, uint64_t(2048) * 2 * (2048 + 16384));
        QCOMPARE(estimate(llama1b(), "transformers", 100).compute, uint64_t(100) * 2 * (2048 + 16384));
        QCOMPARE(estimate(llama1b(), "transformers", 1).compute, uint64_t(2 * 2048 + 4 * 128256));
        // q, k and v: (32 + 2 x 8) x 64 = 3072, above a plain half of 2000.
        BlockSpec b = block(32, 8, 64, 2000);
        b.mlp.gated = false;
        QCOMPARE(estimate(model(2048, 10, {b}), "vllm", 4096).compute, uint64_t(2048) * 2 * (2048 + 3072));
    }

    /// Two experts of 100, gated, and a shared one of 50, plain: 450 values.
    void experts() {
        BlockSpec b = block(1, 1, 8, 0);
        b.mixture.emplace();
        b.mixture->topK = 2;
        b.mixture->experts.assign(8, MlpSpec{});
        for (MlpSpec& e : b.mixture->experts)
            e.up.out = 100;
        b.mixture->shared.emplace();
        b.mixture->shared->gated = false;
        b.mixture->shared->up.out = 50;
        QCOMPARE(estimate(model(16, 10, {b}), "vllm", 4096).compute, uint64_t(2048) * 2 * (16 + 450));
    }

    void encodersHaveNoCache() {
        ModelSpec m = llama1b();
        m.causal = false;
        QCOMPARE(estimate(m, "transformers", 512).cache, uint64_t(0));
    }

    void refusals() {
        const auto says = [](const MemoryQuestion& q) {
            const auto e = estimateMemory(llama1b(), q);
            return e ? std::string() : e.error().message;
        };
        QVERIFY(says({"ollama", 1, 1, "f16"}).find("known are llama.cpp") != std::string::npos);
        QVERIFY(says({"vllm", 1, 1, "q8_0"}).find("it has f16, fp8") != std::string::npos);
        QVERIFY(says({"vllm", 1, 0, "f16"}).find("0 tokens") != std::string::npos);
        QVERIFY(!says({"vllm", 1, kMostContext + 1, "f16"}).empty());
        QVERIFY(says({"vllm", 1, kMostContext, "f16"}).empty());
        // Every runtime with a profile has habits.
        for (const RuntimeProfile& p : runtimeProfiles())
            QS_VERIFY_OK(memoryHabits(p.id));
    }
};

QS_TEST(MemoryEstimateTest)
#include "tst_memory_estimate.moc"
