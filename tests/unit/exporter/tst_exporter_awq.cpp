// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/exporter/packed_export.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace qs {
std::unique_ptr<PackedFormat> makeAwqFormat(const ExportSource& source);
}

class Exporter_awq : public QObject {
    Q_OBJECT
    static std::vector<LintIssue> lintOf(const Fixture& f, const SchemeOf& schemes) {
        return (*findExporter("awq"))->lint(*f.model, planFor(f, schemes));
    }

private slots:
    void roundTrip_data() {
        QTest::addColumn<int>("group");
        QTest::addColumn<QString>("grid");
        QTest::addColumn<int>("stored");
        QTest::newRow("g32") << 32 << "asymmetric" << 32;
        QTest::newRow("g16 symmetric") << 16 << "symmetric" << 16;
        QTest::newRow("channel") << -1 << "minmax" << -1;
        QTest::newRow("tensor") << 0 << "asymmetric" << -1;
    }
    void roundTrip() {
        QFETCH(int, group);
        QFETCH(QString, grid);
        QFETCH(int, stored);
        Fixture f = makeFixture();
        const ExportSource s =
            sourceFor(f, everywhere({{"bits", 4}, {"group", group}, {"grid", grid.toStdString()}}));
        const auto w = exportPacked(s, makeAwqFormat, "awq-out");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(w->receipt.maxDelta, 0.0);
        QCOMPARE(w->receipt.bytesPlanned,
                 uint64_t(std::filesystem::file_size(w->folder / "model.safetensors")));
        QCOMPARE(wrongValue(f, *w), std::string());
        const json expected = {{"quant_method", "awq"}, {"bits", 4},
                               {"group_size", stored},  {"zero_point", true},
                               {"version", "gemm"},     {"modules_to_not_convert", {"lm_head"}}};
        QCOMPARE(json(w->settings), expected);
    }

    /// Word c of input k holds the outputs 8c + {0, 2, 4, 6, 1, 3, 5, 7}, least significant nibble first.
    void wordsByDefinition() {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, everywhere({{"bits", 4}, {"group", 32}}));
        const auto w = exportPacked(s, makeAwqFormat, "awq-out");
        QS_VERIFY_OK(w);
        const std::string prefix = "model.layers.1.mlp.gate_proj";
        const QuantizedTensor& q = f.tensors.at("layers.1.mlp.gate_proj"); // [96, 64]
        const auto weight = rawValues<uint32_t>(*w->checkpoint, prefix + ".qweight");
        const auto zeros = rawValues<uint32_t>(*w->checkpoint, prefix + ".qzeros");
        const auto scales = rawValues<uint16_t>(*w->checkpoint, prefix + ".scales");
        QCOMPARE(weight.size(), size_t(64 * 12));
        QCOMPARE(zeros.size(), size_t(2 * 12));
        QCOMPARE(scales.size(), size_t(2 * 96));
        const size_t order[] = {0, 2, 4, 6, 1, 3, 5, 7};
        for (size_t c = 0; c < 12; ++c)
            for (size_t i = 0; i < 8; ++i) {
                const size_t n = 8 * c + order[i];
                for (size_t k = 0; k < 64; ++k)
                    QCOMPARE(int(weight[k * 12 + c] >> (4 * i) & 15), int(q.codes[n * 64 + k]));
                for (size_t g = 0; g < 2; ++g) {
                    QCOMPARE(float(zeros[g * 12 + c] >> (4 * i) & 15), q.zero(n, g));
                    QCOMPARE(halfToFloat(scales[g * 96 + n]), q.scale(n, g));
                }
            }
    }

    void keptLinearsAreListed() {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, [](const QuantTarget& t) -> std::optional<Scheme> {
            if (t.role == "o" && t.block == 1) return std::nullopt;
            return intScheme({{"bits", 4}, {"group", 32}});
        });
        const auto w = exportPacked(s, makeAwqFormat, "awq-out");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(w->settings.at("modules_to_not_convert"),
                 json::array({"lm_head", "model.layers.1.self_attn.o_proj"}));
    }

    void actOrderIsRefused() {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, everywhere({{"bits", 4}, {"group", 32}}), true);
        const auto folder = scratchDir("awq-refused");
        const auto refused = writePacked(s, makeAwqFormat, folder, JobContext());
        QVERIFY(!refused);
        QVERIFY2(refused.error().describe().find("column order") != std::string::npos,
                 refused.error().describe().c_str());
        QVERIFY(std::filesystem::is_empty(folder));
    }

    void lint() {
        const Fixture f = makeFixture();
        QVERIFY(lintOf(f, everywhere({{"bits", 4}, {"group", 32}})).empty());
        QVERIFY(hasRule(lintOf(f, everywhere({{"bits", 3}, {"group", 32}})), "awq-bits", Severity::Error));
        QVERIFY(hasRule(lintOf(f, everywhere({{"bits", 4}, {"group", 32}, {"scale_dtype", "bf16"}})),
                        "awq-scale-type", Severity::Error));
        QVERIFY(hasRule(lintOf(f, everywhere({{"bits", 4}, {"group", 16}})), "awq-group", Severity::Warning));
        QVERIFY(hasRule(lintOf(f,
                               [](const QuantTarget& t) {
                                   return intScheme({{"bits", 4}, {"group", t.block == 1 ? 16 : 32}});
                               }),
                        "awq-mixed", Severity::Error));
        Plan odd = planFor(f, everywhere({{"bits", 4}, {"group", 32}}));
        odd.entries[3].target.rows = 36;
        QVERIFY(hasRule((*findExporter("awq"))->lint(*f.model, odd), "awq-shape", Severity::Error));
        // A kept name inside the name of a quantized one.
        odd.entries[3].target.rows = 64;
        odd.entries[4].target.place.tensor = "a.lm_head.x.weight";
        QVERIFY(hasRule((*findExporter("awq"))->lint(*f.model, odd), "awq-skip", Severity::Error));
    }
};

QS_TEST(Exporter_awq)
#include "tst_exporter_awq.moc"
