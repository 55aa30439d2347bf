// SPDX-License-Identifier: Apache-2.0
#include "core/tensor/small_float.h"
#include "tests/unit/exporter/packed_export.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace qs {
std::unique_ptr<PackedFormat> makeFp8Format(const ExportSource& source);
}

class Exporter_fp8 : public QObject {
    Q_OBJECT
    static std::vector<LintIssue> lintOf(const Fixture& f, const SchemeOf& schemes) {
        return (*findExporter("fp8"))->lint(*f.model, planFor(f, schemes));
    }

private slots:
    void blocks() {
        Fixture f = makeFixture(DType::BF16);
        const ExportSource s = sourceFor(f, everywhere("float", {{"group", 40}, {"block_rows", 24}}));
        const auto w = exportPacked(s, makeFp8Format, "fp8-out");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(wrongValue(f, *w), std::string());
        QCOMPARE(w->settings, (nlohmann::ordered_json{{"quant_method", "fp8"},
                                                      {"fmt", "e4m3"},
                                                      {"activation_scheme", "dynamic"},
                                                      {"weight_block_size", {24, 40}},
                                                      {"modules_to_not_convert", {"lm_head"}}}));
        // [64, 96]: 3 x 3 blocks, the last ones smaller.
        const QuantizedTensor& q = f.tensors.at("layers.1.mlp.down_proj");
        const auto codes = rawValues<uint8_t>(*w->checkpoint, "model.layers.1.mlp.down_proj.weight");
        const auto scales = rawValues<float>(*w->checkpoint, "model.layers.1.mlp.down_proj.weight_scale_inv");
        QCOMPARE(scales.size(), size_t(9));
        for (size_t r = 0; r < 64; ++r)
            for (size_t c = 0; c < 96; ++c)
                QCOMPARE(e4m3ToFloat(codes[r * 96 + c]) * scales[r / 24 * 3 + c / 40], valueAt(q, r, c));
    }
    void perTensor() {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, everywhere("float", {{"group", 0}}));
        const auto w = exportPacked(s, makeFp8Format, "fp8-out");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(wrongValue(f, *w), std::string());
        QVERIFY(!w->settings.contains("weight_block_size"));
        QCOMPARE(rawValues<float>(*w->checkpoint, "model.layers.0.mlp.up_proj.weight_scale").size(),
                 size_t(1));
    }
    void lint() {
        const Fixture f = makeFixture();
        const json block = {{"group", 128}, {"block_rows", 128}};
        // Runtimes always round inputs: quiet when the schemes say so.
        const auto withInputs = [](Scheme scheme, json params) {
            scheme.inputs = *InputScheme::fromJson({{"codec", "float"}, {"codec_params", params}}, "test");
            return [scheme](const QuantTarget&) { return scheme; };
        };
        QVERIFY(hasRule(lintOf(f, everywhere("float", block)), "fp8-inputs", Severity::Warning));
        QVERIFY(hasRule(lintOf(f, withInputs(schemeOf("float", block), {{"group", -1}})), "fp8-inputs",
                        Severity::Warning));
        const json small = {{"group", 32}, {"block_rows", 32}};
        QVERIFY(!hasRule(lintOf(f, withInputs(schemeOf("float", small), {{"group", 32}})), "fp8-inputs",
                         Severity::Warning));
        QVERIFY(hasRule(lintOf(f, everywhere("float", {{"group", 64}, {"block_rows", 64}})), "fp8-block",
                        Severity::Warning));
        QVERIFY(hasRule(lintOf(f, everywhere("float", {{"group", 0}})), "fp8-tensor", Severity::Warning));
        QVERIFY(hasRule(lintOf(f, everywhere("float", json::object())), "fp8-format",
                        Severity::Error)); // channel
        QVERIFY(hasRule(lintOf(f, everywhere("float", {{"format", "e5m2"}, {"group", 0}})), "fp8-format",
                        Severity::Error));
        QVERIFY(hasRule(lintOf(f, everywhere({{"bits", 8}})), "fp8-codec", Severity::Error));
        QVERIFY(hasRule(lintOf(f,
                               [&](const QuantTarget& t) {
                                   return schemeOf("float", t.role == "down" ? json{{"group", 0}} : block);
                               }),
                        "fp8-mixed", Severity::Error));
    }
};

QS_TEST(Exporter_fp8)
#include "tst_exporter_fp8.moc"
