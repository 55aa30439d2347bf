// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/exporter/packed_export.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace qs {
std::unique_ptr<PackedFormat> makeBnbFormat(const ExportSource& source);
}

class Exporter_bnb_nf4 : public QObject {
    Q_OBJECT
    static std::vector<LintIssue> lintOf(const Fixture& f, const SchemeOf& schemes) {
        return (*findExporter("bnb_nf4"))->lint(*f.model, planFor(f, schemes));
    }
    static std::string stateOf(const PackedExport& w, const std::string& linear) {
        const auto bytes = rawValues<char>(*w.checkpoint, linear + ".weight.quant_state.bitsandbytes__nf4");
        return {bytes.begin(), bytes.end()};
    }

private slots:
    void plain() {
        Fixture f = makeFixture(DType::BF16);
        const ExportSource s = sourceFor(f, everywhere("nf", {{"group", 32}}));
        const auto w = exportPacked(s, makeBnbFormat, "bnb-out");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(wrongValue(f, *w), std::string());
        QCOMPARE(w->settings.at("quant_method").get<std::string>(), std::string("bitsandbytes"));
        QVERIFY(w->settings.at("bnb_4bit_use_double_quant") == false);
        QVERIFY(w->settings.at("bnb_4bit_compute_dtype") == "bfloat16");
        QVERIFY(w->settings.at("llm_int8_skip_modules") == json::array({"lm_head"}));
        const std::string linear = "model.layers.0.mlp.down_proj"; // [64, 96]
        QCOMPARE(
            json::parse(stateOf(*w, linear)),
            (json{{"quant_type", "nf4"}, {"blocksize", 32}, {"dtype", "bfloat16"}, {"shape", {64, 96}}}));
        // The first of two codes in the high nibble, blocks counted row by row.
        const QuantizedTensor& q = f.tensors.at("layers.0.mlp.down_proj");
        const auto bytes = rawValues<uint8_t>(*w->checkpoint, linear + ".weight");
        const auto absmax = rawValues<float>(*w->checkpoint, linear + ".weight.absmax");
        const auto map = rawValues<float>(*w->checkpoint, linear + ".weight.quant_map");
        QCOMPARE(absmax.size(), size_t(64 * 3));
        QCOMPARE(map.size(), size_t(16));
        for (size_t i = 0; i < q.codes.size(); ++i) {
            const int code = i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15;
            QCOMPARE(map[size_t(code)] * absmax[i / 32], valueAt(q, i / 96, i % 96));
        }
    }

    void doubleQuantization() {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, everywhere("nf", {{"group", 32}, {"double_quant", true}}));
        const auto w = exportPacked(s, makeBnbFormat, "bnb-out");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(wrongValue(f, *w), std::string());
        QVERIFY(w->settings.at("bnb_4bit_use_double_quant") == true);
        const std::string linear = "model.layers.1.mlp.gate_proj"; // [96, 64]: 192 blocks
        const json state = json::parse(stateOf(*w, linear));
        QCOMPARE(state.at("nested_blocksize").get<int>(), 256);
        const float offset = float(state.at("nested_offset").get<double>());
        const QuantizedTensor& q = f.tensors.at("layers.1.mlp.gate_proj");
        QCOMPARE(offset, q.superZero(0, 0));
        const auto codes = rawValues<uint8_t>(*w->checkpoint, linear + ".weight.absmax");
        const auto nested = rawValues<float>(*w->checkpoint, linear + ".weight.nested_absmax");
        const auto map = rawValues<float>(*w->checkpoint, linear + ".weight.nested_quant_map");
        QCOMPARE(codes.size(), size_t(192));
        QCOMPARE(nested.size(), size_t(1));
        QCOMPARE(map.size(), size_t(256));
        for (size_t i = 0; i < codes.size(); ++i)
            QCOMPARE(map[codes[i]] * nested[0] + offset, q.scale(i / 2, i % 2));
    }

    void lint() {
        const Fixture f = makeFixture();
        QVERIFY(lintOf(f, everywhere("nf", {{"group", 32}})).empty());
        QVERIFY(hasRule(lintOf(f, everywhere("nf", {{"group", 32}, {"bits", 3}})), "bnb-nf4-bits",
                        Severity::Error));
        QVERIFY(hasRule(lintOf(f, everywhere("nf", {{"group", 48}})), "group-divides-row", Severity::Error));
        QVERIFY(
            hasRule(lintOf(f, everywhere({{"bits", 4}, {"group", 32}})), "bnb-nf4-codec", Severity::Error));
        QVERIFY(hasRule(lintOf(f,
                               [](const QuantTarget& t) {
                                   return schemeOf("nf", {{"group", 32}, {"double_quant", t.role == "o"}});
                               }),
                        "bnb-nf4-mixed", Severity::Error));
    }
};

QS_TEST(Exporter_bnb_nf4)
#include "tst_exporter_bnb_nf4.moc"
