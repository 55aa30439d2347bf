// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/exporter/packed_export.h"

#include <regex>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace qs {
std::unique_ptr<PackedFormat> makeCtFormat(const ExportSource& source);
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
        const auto w = exportPacked(s, makeCtFormat, "ct-out");
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
            const auto w = exportPacked(s, makeCtFormat, "ct-out");
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
        const auto w = exportPacked(s, makeCtFormat, "ct-out");
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
        const auto refused = writePacked(s, makeCtFormat, folder, JobContext());
        QVERIFY(!refused);
        QVERIFY2(refused.error().describe().find("column order") != std::string::npos,
                 refused.error().describe().c_str());
        QVERIFY(std::filesystem::is_empty(folder));
    }

    /// Every layout of floats, and W8A8: codes and scales come back from the reader, as do the fields by
    /// which vLLM chooses its kernels.
    void floats_data() {
        QTest::addColumn<QString>("codec");
        QTest::addColumn<QString>("params");
        QTest::addColumn<QString>("format");
        QTest::addColumn<QString>("strategy");
        const auto row = [](const char* codec, const char* params, const char* format, const char* strategy) {
            QTest::addRow("%s %s", codec, params) << codec << params << format << strategy;
        };
        row("float", R"({})", "float-quantized", "channel");
        row("float", R"({"group": 0, "scale_dtype": "bf16"})", "float-quantized", "tensor");
        row("float", R"({"group": 32, "block_rows": 48})", "float-quantized", "block");
        row("mx", R"({"format": "mxfp4"})", "mxfp4-pack-quantized", "group");
        row("mx", R"({"format": "mxfp8_e4m3"})", "mxfp8-quantized", "group");
        row("nvfp4", R"({})", "nvfp4-pack-quantized", "tensor_group");
    }
    void floats() {
        QFETCH(QString, codec);
        QFETCH(QString, params);
        QFETCH(QString, format);
        QFETCH(QString, strategy);
        Fixture f = makeFixture();
        const QByteArray id = codec.toUtf8();
        const ExportSource s = sourceFor(f, everywhere(id.constData(), json::parse(params.toStdString())));
        QVERIFY(!hasErrors((*findExporter("compressed_tensors"))->lint(*f.model, s.plan)));
        const auto w = exportPacked(s, makeCtFormat, "ct-out");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QCOMPARE(w->receipt.maxDelta, 0.0);
        QCOMPARE(w->receipt.bytesPlanned,
                 uint64_t(std::filesystem::file_size(w->folder / "model.safetensors")));
        QCOMPARE(wrongValue(f, *w), std::string());
        QCOMPARE(w->settings.at("format").get<std::string>(), format.toStdString());
        const auto& group = w->settings.at("config_groups").at("group_0");
        QCOMPARE(group.at("format").get<std::string>(), format.toStdString());
        QCOMPARE(group.at("weights").at("strategy").get<std::string>(), strategy.toStdString());
        QCOMPARE(group.at("weights").at("type").get<std::string>(), std::string("float"));
        QVERIFY(group.at("input_activations").is_null());
    }

    /// Bytes of FP4 and E4M3 by their definition: the even input in the low nibble, sign above magnitude.
    void floatBytesByDefinition() {
        Fixture f = makeFixture();
        const ExportSource s = sourceFor(f, everywhere("nvfp4", {}));
        const auto w = exportPacked(s, makeCtFormat, "ct-out");
        QS_VERIFY_OK(w);
        const std::string prefix = "model.layers.0.mlp.down_proj";
        const QuantizedTensor& q = f.tensors.at("layers.0.mlp.down_proj"); // [64, 96]
        const auto packed = rawValues<uint8_t>(*w->checkpoint, prefix + ".weight_packed");
        const auto scales = rawValues<uint8_t>(*w->checkpoint, prefix + ".weight_scale");
        const auto global = rawValues<float>(*w->checkpoint, prefix + ".weight_global_scale");
        QCOMPARE(packed.size(), size_t(64 * 48));
        QCOMPARE(scales.size(), size_t(64 * 6));
        QCOMPARE(global, std::vector<float>{q.superScale(0, 0)});
        const float magnitudes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
        for (size_t r = 0; r < 64; ++r)
            for (size_t c = 0; c < 96; ++c) {
                const int code = packed[r * 48 + c / 2] >> (c % 2 * 4) & 15;
                const uint8_t byte = scales[r * 6 + c / 16];
                const int e = byte >> 3, m = byte & 7; // never negative
                const float scale = e == 0 ? std::ldexp(float(m), -9) : std::ldexp(float(8 + m), e - 10);
                const float value = (code & 8 ? -1.0f : 1.0f) * magnitudes[code & 7] * (scale / global[0]);
                QCOMPARE(value, valueAt(q, r, c));
            }
    }

    void roundedInputs() {
        Fixture f = makeFixture();
        const auto with = [](Scheme scheme, const char* inputs) {
            scheme.inputs = *InputScheme::preset(inputs);
            return scheme;
        };
        const Scheme int8 = with(intScheme({{"bits", 8}, {"group", -1}, {"grid", "absmax"}}), "int8");
        const auto exportWith = [&](const SchemeOf& schemes, const char* activations) {
            ExportSource s = sourceFor(f, schemes);
            s.params = *Params::fromJson((*findExporter("compressed_tensors"))->params,
                                         {{"activations", activations}}, "test");
            s.largestInput = [](const QuantTarget& t) -> Result<float> {
                return t.module == "layers.1.mlp.down_proj" ? 12.7f : 5.0f;
            };
            return exportPacked(s, makeCtFormat, "ct-out");
        };
        const auto dynamic = exportWith([&](const auto&) { return int8; }, "dynamic");
        QS_VERIFY_OK(dynamic);
        QVERIFY2(dynamic->receipt.verified, dynamic->receipt.summary().c_str());
        QCOMPARE(wrongValue(f, *dynamic), std::string());
        QCOMPARE(dynamic->settings.at("format").get<std::string>(), std::string("int-quantized"));
        const auto& inputs = dynamic->settings.at("config_groups").at("group_0").at("input_activations");
        QVERIFY(inputs.at("dynamic") == true && inputs.at("strategy") == "token" &&
                inputs.at("num_bits") == 8 && inputs.at("type") == "int");
        const auto codes = rawValues<int8_t>(*dynamic->checkpoint, "model.layers.0.mlp.up_proj.weight");
        const QuantizedTensor& up = f.tensors.at("layers.0.mlp.up_proj");
        for (size_t i = 0; i < codes.size(); ++i)
            QCOMPARE(int(codes[i]), int(up.codes[i]) - 128);

        const auto fixed = exportWith([&](const auto&) { return int8; }, "static");
        QS_VERIFY_OK(fixed);
        QVERIFY2(fixed->receipt.verified, fixed->receipt.summary().c_str());
        QCOMPARE(rawValues<float>(*fixed->checkpoint, "model.layers.0.self_attn.q_proj.input_scale"),
                 std::vector<float>{5.0f / 127.0f});
        QVERIFY(fixed->settings.at("config_groups").at("group_0").at("input_activations").at("dynamic") ==
                false);

        // One of each: 4-bit integers keep their inputs, FP8 and NVFP4 have a scale of their own kind.
        const auto mixed = exportWith(
            [&](const QuantTarget& t) {
                return t.role == "down" ? with(schemeOf("float", json::object()), "fp8")
                       : t.role == "o"  ? with(schemeOf("nvfp4", json::object()), "nvfp4")
                                        : intScheme({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}});
            },
            "static");
        QS_VERIFY_OK(mixed);
        QVERIFY2(mixed->receipt.verified, mixed->receipt.summary().c_str());
        QCOMPARE(mixed->settings.at("format").get<std::string>(), std::string("mixed-precision"));
        QCOMPARE(mixed->settings.at("config_groups").size(), size_t(3));
        QCOMPARE(rawValues<float>(*mixed->checkpoint, "model.layers.1.mlp.down_proj.input_scale"),
                 std::vector<float>{12.7f / 448.0f});
        QCOMPARE(rawValues<float>(*mixed->checkpoint, "model.layers.1.self_attn.o_proj.input_global_scale"),
                 std::vector<float>{448.0f * 6.0f / 5.0f});
        QVERIFY(mixed->checkpoint->find("model.layers.1.mlp.up_proj.input_scale") == Checkpoint::npos);

        // A changed scale of inputs is found, though no weight depends on it.
        ExportSource s = sourceFor(f, [&](const auto&) { return int8; });
        s.params = *Params::fromJson((*findExporter("compressed_tensors"))->params,
                                     {{"activations", "static"}}, "test");
        s.largestInput = [](const QuantTarget&) -> Result<float> { return 4.0f; };
        const auto receipt = verifyPacked(s, makeCtFormat, fixed->folder, JobContext());
        QS_VERIFY_OK(receipt);
        QVERIFY(!receipt->verified);
        s.largestInput = [](const QuantTarget& t) -> Result<float> {
            return Error::invalid("no inputs of " + t.site);
        };
        const auto refused = writePacked(s, makeCtFormat, scratchDir("ct-refused"), JobContext());
        QVERIFY(!refused && refused.error().message.find("no inputs of layers.0") != std::string::npos);
    }

    void inputsThatNoRuntimeTakes() {
        const Fixture f = makeFixture();
        const auto refused = [&](Scheme scheme, const char* inputs) {
            scheme.inputs = *InputScheme::preset(inputs);
            return hasRule(lintOf(f, [&](const auto&) { return scheme; }), "compressed-tensors-inputs",
                           Severity::Error);
        };
        const json symmetric = {{"bits", 8}, {"group", -1}, {"grid", "symmetric"}};
        QVERIFY(!refused(intScheme(symmetric), "int8"));
        QVERIFY(refused(intScheme(symmetric), "fp8"));
        QVERIFY(refused(intScheme({{"bits", 8}, {"group", -1}}), "int8")); // asymmetric
        QVERIFY(refused(intScheme({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}}), "int8"));
        QVERIFY(!refused(schemeOf("float", json::object()), "fp8"));
        QVERIFY(refused(schemeOf("float", {{"group", 32}, {"block_rows", 32}}), "fp8")); // wants groups of 32
        QVERIFY(!refused(schemeOf("mx", json::object()), "mxfp4"));
        QVERIFY(refused(schemeOf("mx", json::object()), "mxfp8"));
        QVERIFY(!refused(schemeOf("nvfp4", json::object()), "nvfp4"));
        // Formats that cannot say it warn.
        Scheme four = intScheme({{"bits", 4}, {"group", 32}, {"grid", "symmetric"}});
        four.inputs = *InputScheme::preset("int8");
        QVERIFY(
            hasRule((*findExporter("gptq"))->lint(*f.model, planFor(f, [&](const auto&) { return four; })),
                    "gptq-inputs", Severity::Warning));
    }

    void floatsWithoutLayout() {
        const Fixture f = makeFixture();
        for (const auto& [codec, params] : {std::pair("float", json{{"format", "e5m2"}}),
                                            {"float", json{{"group", 32}}},
                                            {"mx", json{{"format", "mxfp6_e2m3"}}}})
            QVERIFY(
                hasRule(lintOf(f, everywhere(codec, params)), "compressed-tensors-format", Severity::Error));
        QVERIFY(hasRule(lintOf(f, everywhere("nf", json::object())), "compressed-tensors-codec",
                        Severity::Error));
        QVERIFY(hasRule(lintOf(f, everywhere("nvfp4", json::object())), "compressed-tensors-global",
                        Severity::Warning));
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
