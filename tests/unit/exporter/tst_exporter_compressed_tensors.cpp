// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/exporter/packed_export.h"

#include <regex>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace qs {
std::unique_ptr<PackedFormat> makeCtPackFormat(const Model& model, const Plan& plan);
}

namespace {

/// How many groups of a config have a target that matches `name` from its start to its end, and the bits of
/// the first.
std::pair<int, int> matches(const nlohmann::ordered_json& settings, const std::string& name) {
    int count = 0, bits = 0;
    for (const auto& [group, value] : settings.at("config_groups").items())
        for (const auto& target : value.at("targets")) {
            const auto text = target.get<std::string>();
            if (!text.starts_with("re:") || !std::regex_match(name, std::regex(text.substr(3)))) continue;
            if (++count == 1) bits = value.at("weights").at("num_bits").get<int>();
        }
    return {count, bits};
}

} // namespace

class Exporter_compressed_tensors : public QObject {
    Q_OBJECT
    static std::vector<LintIssue> lintOf(const Fixture& f, const SchemeOf& schemes) {
        return (*findExporter("compressed_tensors"))->lint(*f.model, planFor(f, schemes));
    }

private slots:
    void roundTrip_data() {
        QTest::addColumn<int>("bits");
        QTest::addColumn<int>("group");
        QTest::addColumn<QString>("grid");
        QTest::addColumn<QString>("scale");
        for (int bits = 2; bits <= 8; ++bits)
            for (const char* grid : {"symmetric", "asymmetric"})
                QTest::addRow("%d bits %s", bits, grid) << bits << 32 << grid << "f16";
        QTest::newRow("channel") << 4 << -1 << "symmetric"
                                 << "f16";
        QTest::newRow("tensor") << 5 << 0 << "asymmetric"
                                << "f16";
        QTest::newRow("f32 scales") << 4 << 16 << "asymmetric"
                                    << "f32";
    }
    void roundTrip() {
        QFETCH(int, bits);
        QFETCH(int, group);
        QFETCH(QString, grid);
        QFETCH(QString, scale);
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, everywhere({{"bits", bits},
                                                        {"group", group},
                                                        {"grid", grid.toStdString()},
                                                        {"scale_dtype", scale.toStdString()}}));
        const auto w = exportPacked(s, makeCtPackFormat, "ct-out");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(w->receipt.maxDelta, 0.0);
        QCOMPARE(w->receipt.bytesPlanned,
                 uint64_t(std::filesystem::file_size(w->folder / "model.safetensors")));
        QCOMPARE(wrongValue(f, *w), std::string());
        const auto& weights = w->settings.at("config_groups").at("group_0").at("weights");
        QCOMPARE(weights.at("num_bits").get<int>(), bits);
        QCOMPARE(weights.at("symmetric").get<bool>(), grid == "symmetric");
        QCOMPARE(weights.at("strategy").get<std::string>(), std::string(group > 0 ? "group" : "channel"));
        QVERIFY(group > 0 ? weights.at("group_size") == group : weights.at("group_size").is_null());
        QCOMPARE(w->settings.at("config_groups").size(), size_t(1));
        QCOMPARE(w->settings.at("ignore"), json::array({"lm_head"}));
    }

    /// Codes along the inputs of each output, zero points along the outputs of each group, both one dense
    /// stream; shape and scales as they are.
    void wordsByDefinition() {
        Fixture f = makeFixture();
        for (const int bits : {3, 4, 5, 8}) {
            const ExportSource s = sourceFor(f, everywhere({{"bits", bits}, {"group", 32}}));
            const auto w = exportPacked(s, makeCtPackFormat, "ct-out");
            QS_VERIFY_OK(w);
            const std::string prefix = "model.layers.1.mlp.down_proj";
            const QuantizedTensor& q = f.tensors.at("layers.1.mlp.down_proj"); // [64, 96]
            const auto weight = rawValues<uint32_t>(*w->checkpoint, prefix + ".weight_packed");
            const auto zeros = rawValues<uint32_t>(*w->checkpoint, prefix + ".weight_zero_point");
            const auto scales = rawValues<uint16_t>(*w->checkpoint, prefix + ".weight_scale");
            const std::vector<int64_t> shape = {64, 96};
            QCOMPARE(rawValues<int64_t>(*w->checkpoint, prefix + ".weight_shape"), shape);
            const size_t words = size_t(96 * bits / 32), zeroWords = size_t(64 * bits / 32);
            QCOMPARE(weight.size(), 64 * words);
            QCOMPARE(zeros.size(), zeroWords * 3);
            QCOMPARE(scales.size(), size_t(64 * 3));
            for (size_t n = 0; n < 64; ++n) {
                for (size_t k = 0; k < 96; ++k)
                    QCOMPARE(streamField(weight, n * words, 1, bits, k), int(q.codes[n * 96 + k]));
                for (size_t g = 0; g < 3; ++g) {
                    QCOMPARE(float(streamField(zeros, g, 3, bits, n)), q.zero(n, g));
                    QCOMPARE(halfToFloat(scales[n * 3 + g]), q.scale(n, g));
                }
            }
        }
    }

    /// Each linear, and the name runtimes fuse it under, belongs to exactly one group; kept ones to none.
    void mixedSettings() {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, [](const QuantTarget& t) -> std::optional<Scheme> {
            if (t.role == "o" && t.block == 0) return std::nullopt;
            const bool eight = t.role == "gate" || t.role == "up" || (t.role == "down" && t.block == 1);
            return intScheme({{"bits", eight ? 8 : 4}, {"group", 32}, {"grid", "symmetric"}});
        });
        const auto w = exportPacked(s, makeCtPackFormat, "ct-out");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(wrongValue(f, *w), std::string());
        QCOMPARE(w->settings.at("config_groups").size(), size_t(2));
        const auto is = [&](const char* name, int bits) {
            return matches(w->settings, std::string("model.layers.") + name) ==
                   std::pair(bits > 0 ? 1 : 0, bits);
        };
        for (const char* name : {"0.self_attn.q_proj", "1.self_attn.v_proj", "0.self_attn.qkv_proj",
                                 "1.self_attn.o_proj", "0.mlp.down_proj"})
            QVERIFY2(is(name, 4), name);
        for (const char* name : {"0.mlp.gate_proj", "1.mlp.up_proj", "1.mlp.gate_up_proj", "1.mlp.down_proj"})
            QVERIFY2(is(name, 8), name);
        for (const char* name : {"0.self_attn.o_proj", "10.mlp.up_proj", "0.mlp.gate", "1.mlp.down_proj.x"})
            QVERIFY2(is(name, 0), name);
        QCOMPARE(w->settings.at("ignore"), json::array({"lm_head", "model.layers.0.self_attn.o_proj"}));
    }

    void actOrderIsRefused() {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, everywhere({{"bits", 4}, {"group", 32}}), true);
        const auto folder = scratchDir("ct-refused");
        const auto refused = writePacked(s, makeCtPackFormat, folder, JobContext());
        QVERIFY(!refused);
        QVERIFY2(refused.error().describe().find("column order") != std::string::npos,
                 refused.error().describe().c_str());
        QVERIFY(std::filesystem::is_empty(folder));
    }

    void lint() {
        const Fixture f = makeFixture(), bf = makeFixture(DType::BF16);
        QVERIFY(lintOf(f, everywhere({{"bits", 4}, {"group", 32}})).empty());
        const auto warns = [&](const Fixture& on, const json& params, const char* rule) {
            return hasRule(lintOf(on, everywhere(params)), rule, Severity::Warning);
        };
        QVERIFY(warns(f, {{"bits", 3}, {"group", 32}}, "compressed-tensors-dense"));
        QVERIFY(warns(f, {{"bits", 3}, {"group", 32}}, "compressed-tensors-zeros"));
        QVERIFY(!warns(f, {{"bits", 2}, {"group", 32}, {"grid", "symmetric"}}, "compressed-tensors-zeros"));
        QVERIFY(warns(f, {{"bits", 2}, {"group", 32}}, "compressed-tensors-bits"));
        QVERIFY(warns(f, {{"bits", 4}, {"group", 16}}, "compressed-tensors-group"));
        QVERIFY(warns(bf, {{"bits", 4}, {"group", 32}}, "compressed-tensors-scale"));
        QVERIFY(
            !warns(bf, {{"bits", 4}, {"group", 32}, {"scale_dtype", "bf16"}}, "compressed-tensors-scale"));
        QVERIFY(hasRule(lintOf(f,
                               [](const QuantTarget& t) {
                                   return intScheme({{"bits", t.role == "k" ? 8 : 4}, {"group", 32}});
                               }),
                        "fused-group", Severity::Error));
        // Experts of one layer with different schemes: vLLM stacks them.
        Plan plan = planFor(f, [](const QuantTarget& t) {
            return intScheme({{"bits", t.role == "down" && t.block == 1 ? 8 : 4}, {"group", 32}});
        });
        const auto* exporter = *findExporter("compressed_tensors");
        QVERIFY(!hasRule(exporter->lint(*f.model, plan), "compressed-tensors-experts", Severity::Warning));
        for (PlanEntry& e : plan.entries)
            if (e.target.role == "down")
                e.target.module = "layers.0.mlp.experts." + std::to_string(e.target.block) + ".down_proj";
        QVERIFY(hasRule(exporter->lint(*f.model, plan), "compressed-tensors-experts", Severity::Warning));
    }
};

QS_TEST(Exporter_compressed_tensors)
#include "tst_exporter_compressed_tensors.moc"
