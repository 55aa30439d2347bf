// SPDX-License-Identifier: Apache-2.0
// Linears that are parts of fused tensors: the dequantized export writes them back into their tensor, GPTQ
// refuses them.
#include "core/export/dequantized_format.h"
#include "core/export/gptq_format.h"
#include "core/export/verify.h"
#include "tests/unit/exporter/export_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {

Fixture phi3() {
    Fixture f;
    f.folder = sourceDir() / "tests/golden/arch/phi3_longrope";
    auto model = openModel(f.folder);
    if (!model || !(*model)->hasForward()) qFatal("phi3 does not open");
    f.model = *model;
    return f;
}

/// k and gate of block 1 only: the other rows of their tensors are kept.
const SchemeOf kSome = [](const QuantTarget& t) -> std::optional<Scheme> {
    if (t.block != 1 || (t.role != "k" && t.role != "gate")) return std::nullopt;
    return intScheme({{"bits", 4}, {"group", 32}});
};

} // namespace

class ExportFused : public QObject {
    Q_OBJECT
private slots:
    void partsAreWrittenBack() {
        Fixture f = phi3();
        ExportSource s = sourceFor(f, kSome);
        s.params = *Params::fromJson((*findExporter("dequantized"))->params, {{"dtype", "source"}}, "test");
        const auto folder = scratchDir("fused-out");
        QS_VERIFY_OK(writeDequantized(s, folder, {}));
        const auto receipt = verifyDequantized(s, folder, {});
        QS_VERIFY_OK(receipt);
        QVERIFY2(receipt->verified, receipt->summary().c_str());
        const auto written = openModel(folder);
        QS_VERIFY_OK(written);
        const auto before = modelWeights(*f.model), after = modelWeights(**written);
        for (const PlanEntry& e : s.plan.entries) {
            const auto have = after->matrix(e.target.weight), was = before->matrix(e.target.weight);
            QS_VERIFY_OK(have);
            QS_VERIFY_OK(was);
            for (size_t r = 0; r < e.target.rows; ++r)
                for (size_t c = 0; c < e.target.cols; ++c)
                    QCOMPARE((*have)(r, c),
                             e.scheme ? valueAt(f.tensors.at(e.target.module), r, c) : (*was)(r, c));
        }
        for (const TensorInfo& t : f.model->checkpoint().tensors())
            if (t.name.find("layers.1") == std::string::npos)
                QVERIFY2(sameTensor(f.model->checkpoint(), (*written)->checkpoint(), t.name), t.name.c_str());
    }
    void damageIsFound() {
        Fixture f = phi3();
        ExportSource s = sourceFor(f, kSome);
        s.params = *Params::fromJson((*findExporter("dequantized"))->params, {{"dtype", "source"}}, "test");
        const auto folder = scratchDir("fused-damaged");
        QS_VERIFY_OK(writeDequantized(s, folder, {}));
        f.tensors.at("layers.1.self_attn.k_proj").codes[5] ^= 1; // what was planned is not what is there
        const auto receipt = verifyDequantized(s, folder, {});
        QS_VERIFY_OK(receipt);
        QVERIFY(!receipt->verified);
        QVERIFY2(firstDifference(*receipt).find("layers.1.self_attn.qkv_proj") != std::string::npos,
                 firstDifference(*receipt).c_str());
    }
    void bytesOfParts() {
        Fixture f = phi3();
        const Plan plan = planFor(f, kSome);
        uint64_t sum = 0;
        for (const PlanEntry& e : plan.entries) {
            QCOMPARE(e.bytesBefore, uint64_t(e.target.rows * e.target.cols * 4)); // F32
            sum += e.bytesBefore;
        }
        uint64_t stored = 0;
        for (const TensorInfo& t : f.model->checkpoint().tensors())
            if (t.name.find("_proj") != std::string::npos) stored += t.bytes;
        QCOMPARE(sum, stored);
    }
    void gptqRefuses() {
        Fixture f = phi3();
        const auto issues = lintGptq(*f.model, planFor(f, [](const QuantTarget& t) -> std::optional<Scheme> {
            if (t.role != "v" && t.role != "o") return std::nullopt;
            return intScheme({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}});
        }));
        size_t parts = 0;
        for (const LintIssue& i : issues)
            if (i.rule == "gptq-part") {
                ++parts;
                QVERIFY(i.where.find("v_proj") != std::string::npos);
                QVERIFY(i.message.find("qkv_proj") != std::string::npos);
            }
        QCOMPARE(parts, size_t(2)); // one per block; o stands alone
    }
};

QS_TEST(ExportFused)
#include "tst_export_fused.moc"
