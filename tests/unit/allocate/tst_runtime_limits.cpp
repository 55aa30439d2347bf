// SPDX-License-Identifier: Apache-2.0
// Allocations for a runtime, on the sample model.
#include "core/allocate/runtime_limits.h"
#include "tests/support/qs_test.h"

#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;

namespace {

Scheme integers(int bits, const char* grid) {
    Scheme s = *Scheme::make("int", "rtn");
    s.codecParams =
        Params::fromJson((*findCodec("int"))->params, {{"bits", bits}, {"group", 64}, {"grid", grid}}, "test")
            .value();
    return s;
}

} // namespace

class RuntimeLimits : public QObject {
    Q_OBJECT

    std::shared_ptr<const Model> model_;
    SensitivityTable table_;

private slots:
    void initTestCase() {
        const auto model = openModel(sampleModel());
        QS_VERIFY_OK(model);
        model_ = *model;
        const auto table = SensitivityTable::begin(*model_,
                                                   {integers(4, "symmetric"), integers(4, "asymmetric"),
                                                    integers(3, "symmetric"), integers(8, "symmetric"),
                                                    *Scheme::make("nf", "rtn")},
                                                   0);
        QS_VERIFY_OK(table);
        table_ = *table;
        for (SensitivityRow& r : table_.rows) {
            r.alpha = 1;
            for (size_t c = 0; c < r.cells.size(); ++c)
                r.cells[c].weightError = c == 3 ? 1e-4 : c == 2 ? 0.1 : 0.01;
        }
    }

    /// vLLM's GPTQ kernels take 4 and 8 bits, symmetric; GPTQ has no place for NF4.
    void vllmTakesSymmetricFourAndEight() {
        const auto refused = refusedCandidates(table_, *model_, **findRuntimeProfile("vllm"), "gptq");
        QS_VERIFY_OK(refused);
        for (const QuantTarget& t : model_->targets())
            for (size_t c = 0; c < 5; ++c)
                QVERIFY2(refused->count({t.module, c}) == (c == 1 || c == 2 || c == 4),
                         (t.module + " " + std::to_string(c)).c_str());
        const auto torch = refusedCandidates(table_, *model_, **findRuntimeProfile("gptqmodel"), "gptq");
        QS_VERIFY_OK(torch);
        QVERIFY(!torch->count({model_->targets()[0].module, 2})); // its torch kernel takes 3 bits
        QVERIFY(!refusedCandidates(table_, *model_, **findRuntimeProfile("vllm"), "nothing"));
    }

    /// What is allocated for a runtime is loaded by it.
    void allocationsLoad() {
        AllocationRequest request;
        request.refused = *refusedCandidates(table_, *model_, **findRuntimeProfile("vllm"), "gptq");
        request.tied = fusedTies(table_);
        request.mayKeep = false;
        request.target.bitsPerWeight = 5.5;
        const auto a = allocateSchemes(table_, request, {});
        QS_VERIFY_OK(a);
        const Plan plan = resolvePlan(a->recipe(table_, ""), *model_);
        for (const FormatVerdict& v : checkRuntime(**findRuntimeProfile("vllm"), *model_, plan))
            if (v.exporter == "gptq") QVERIFY2(v.loads(), v.text().c_str());
        QVERIFY(std::any_of(a->candidate.begin(), a->candidate.end(), [](const auto& c) { return c == 3u; }));
    }

    /// Weights get what the cache and the buffers leave.
    void memoryAtAContext() {
        MemoryQuestion q{"llama.cpp", 0, 200, "f16"};
        // 4 blocks, K and V of 4 heads of 32 values of 2 bytes, for 256 cells.
        const uint64_t cache = 4ull * 2 * 4 * 32 * 2 * 256;
        const auto e = estimateMemory(model_->spec(), q);
        QS_VERIFY_OK(e);
        QCOMPARE(e->cache, cache);
        const auto left = weightBytesWithin(64 << 20, model_->spec(), q);
        QS_VERIFY_OK(left);
        QCOMPARE(*left, (64ull << 20) - cache - e->compute - e->computeUncertainty);
        const auto none = weightBytesWithin(cache, model_->spec(), q);
        QVERIFY(!none && none.error().message.find("the KV cache takes 524288 bytes") != std::string::npos);
    }
};

QS_TEST(RuntimeLimits)
#include "tst_runtime_limits.moc"
