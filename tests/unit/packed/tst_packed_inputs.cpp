// SPDX-License-Identifier: Apache-2.0
// How the inputs of packed linears are rounded, by loops over the values that a format has.
#include "core/codec/row_rounder.h"
#include "core/model/forward.h"
#include "core/model/weights.h"
#include "core/tensor/small_float.h"
#include "tests/unit/packed/packed_fixture.h"

#include <algorithm>
#include <cmath>

using namespace qs;
using namespace qs::test;
using nlohmann::ordered_json;

namespace {

constexpr const char* kModule = "model.layers.0.self_attn.q_proj";
constexpr size_t kInputs = 32; ///< of that module

/// Two tokens; the second holds a value that a scale of a calibration does not reach.
Matrix tokens() {
    Matrix x(2, kInputs);
    for (size_t c = 0; c < kInputs; ++c) {
        x(0, c) = std::sin(float(c) * 1.7f) * (c % 16 == 3 ? 3.0f : 0.8f);
        x(1, c) = std::cos(float(c) * 0.9f) * (c == 20 ? 40.0f : 0.11f);
    }
    return x;
}

/// The nearest of `values` times `scale`; the first of two at the same distance is the even one.
float nearest(std::span<const float> values, double x, double scale) {
    double best = INFINITY, chosen = 0;
    for (size_t i = 0; i < values.size(); ++i) {
        const double v = double(values[i]), d = std::fabs(x / scale - v);
        if (!std::isfinite(v)) continue;
        if (d < best || (d == best && i % 2 == 0)) {
            best = d;
            chosen = v;
        }
    }
    return float(chosen * scale);
}

double largest(const Matrix& x, size_t row, size_t first, size_t count) {
    double most = 0;
    for (size_t c = first; c < first + count; ++c)
        most = std::max(most, std::fabs(double(x(row, c))));
    return most;
}

/// x in groups of channels, each rounded to `values` at its own scale.
Matrix inGroups(std::span<const float> values, size_t group,
                const std::function<double(double most)>& scaleFor) {
    Matrix x = tokens();
    for (size_t r = 0; r < x.rows(); ++r)
        for (size_t first = 0; first < kInputs; first += group) {
            const double scale = scaleFor(largest(tokens(), r, first, group));
            for (size_t c = first; c < first + group; ++c)
                x(r, c) = nearest(values, double(x(r, c)), scale);
        }
    return x;
}

std::vector<float> integers(int lo, int hi) {
    std::vector<float> out;
    for (int i = lo; i <= hi; ++i)
        out.push_back(float(i));
    return out;
}

ordered_json arguments(int bits, const char* type, const char* strategy, ordered_json dynamic,
                       ordered_json group = nullptr) {
    return {{"num_bits", bits},
            {"type", type},
            {"symmetric", true},
            {"strategy", strategy},
            {"dynamic", std::move(dynamic)},
            {"group_size", std::move(group)}};
}

StoredPart number(float value, std::vector<uint64_t> shape = {1}) {
    StoredPart p{DType::F32, {}, {}};
    p.reshape(std::move(shape));
    for (size_t i = 0; i < p.bytes.size() / 4; ++i)
        p.set<float>(i, value);
    return p;
}

/// A golden model whose groups (or whose fp8 settings) say how inputs are rounded.
StoredFolder folderWith(const std::string& name, const ordered_json& inputs) {
    StoredFolder f = StoredFolder::load(packedGolden("models/" + name));
    for (auto& [key, group] : f.settings().at("config_groups").items())
        group["input_activations"] = inputs;
    return f;
}

struct Opened {
    std::shared_ptr<const Model> model;
    std::string label; ///< of the module
    Result<std::shared_ptr<const RowRounder>> rounder = std::shared_ptr<const RowRounder>();
};

Opened open(const StoredFolder& f, const std::string& module = kModule) {
    const auto path = scratchDir("packed-inputs");
    if (auto written = f.write(path); !written) return {{}, {}, written.takeError()};
    auto model = openModel(path);
    if (!model) return {{}, {}, model.takeError()};
    Opened o{*model, {}, modelWeights(**model)->inputRounder(module + ".weight")};
    for (const QuantTarget& t : o.model->targets())
        if (t.weight == module + ".weight") o.label = t.packed->label;
    return o;
}

/// "" when the rounder makes `want` of the tokens, to a part in a million.
std::string wrong(const StoredFolder& f, const Matrix& want, const char* words,
                  const std::string& module = kModule) {
    const Opened o = open(f, module);
    if (!o.rounder) return o.rounder.error().describe();
    if (!*o.rounder) return "nothing rounds";
    if (!o.label.ends_with(std::string(", inputs ") + words)) return "label: " + o.label;
    Matrix x = tokens();
    if (auto done = (*o.rounder)->round(x.view()); !done) return done.error().describe();
    for (size_t i = 0; i < x.size(); ++i)
        if (!(std::fabs(x.data()[i] - want.data()[i]) <= 1e-6f * std::fabs(want.data()[i])))
            return "element " + std::to_string(i) + ": " + std::to_string(x.data()[i]) + ", not " +
                   std::to_string(want.data()[i]);
    return {};
}

} // namespace

class PackedInputs : public QObject {
    Q_OBJECT
private slots:
    void integersPerToken() {
        StoredFolder f = folderWith("ct_int", arguments(8, "int", "token", true));
        QCOMPARE(wrong(f, inGroups(integers(-127, 127), kInputs, [](double m) { return m / 127; }),
                       "int8 per token"),
                 std::string());
        f = folderWith("ct_int", arguments(4, "int", "group", true, 8));
        QCOMPARE(
            wrong(f, inGroups(integers(-7, 7), 8, [](double m) { return m / 7; }), "int4 per 8 channels"),
            std::string());
    }

    /// Values beyond the calibration's saturate; a zero point shifts the codes.
    void integersStatic() {
        StoredFolder f = folderWith("ct_int", arguments(8, "int", "tensor", false));
        const std::string prefix = std::string(kModule) + ".";
        f.parts[prefix + "input_scale"] = number(0.03f);
        const double scale = double(0.03f);
        QCOMPARE(
            wrong(f, inGroups(integers(-128, 127), kInputs, [&](double) { return scale; }), "int8 static"),
            std::string());
        for (auto& [key, group] : f.settings().at("config_groups").items())
            group["input_activations"]["symmetric"] = false;
        f.parts[prefix + "input_zero_point"] = {DType::I8, {1}, {std::byte(uint8_t(-100))}};
        // codes -128 .. 127 around -100
        QCOMPARE(wrong(f, inGroups(integers(-28, 227), kInputs, [&](double) { return scale; }),
                       "int8 asymmetric static"),
                 std::string());
    }

    void floats() {
        const auto e4m3 = e4m3Values();
        StoredFolder f = folderWith("ct_float", arguments(8, "float", "token", true));
        QCOMPARE(wrong(f, inGroups(e4m3, kInputs, [](double m) { return m / 448; }), "fp8 per token"),
                 std::string());
        f = folderWith("ct_float", arguments(8, "float", "group", true, 16));
        QCOMPARE(wrong(f, inGroups(e4m3, 16, [](double m) { return m / 448; }), "fp8 per 16 channels"),
                 std::string());
        f = folderWith("ct_float", arguments(8, "float", "tensor", false));
        f.parts[std::string(kModule) + ".input_scale"] = number(0.0078125f, {});
        QCOMPARE(wrong(f, inGroups(e4m3, kInputs, [](double) { return 0.0078125; }), "fp8 static"),
                 std::string());
    }

    /// The scale of 16 channels is an E4M3 value over the one of the checkpoint.
    void nvfp4() {
        StoredFolder f = folderWith("ct_fp4", arguments(4, "float", "tensor_group", "local", 16));
        f.parts[std::string(kModule) + ".input_global_scale"] = number(700);
        const auto scaleFor = [](double most) {
            return double(nearest(e4m3Values(), most / 6 * 700, 1)) / 700;
        };
        QCOMPARE(wrong(f, inGroups(kE2M1Values, 16, scaleFor), "NVFP4"), std::string());
    }

    /// A power of two for 32 channels: the largest value saturates at 6 where it is above.
    void mxfp4() {
        const StoredFolder f = folderWith("ct_fp4", arguments(4, "float", "group", true, 32));
        const auto scaleFor = [](double most) { return std::exp2(std::floor(std::log2(most)) - 2); };
        QCOMPARE(wrong(f, inGroups(kE2M1Values, 32, scaleFor), "MXFP4", "model.layers.0.mlp.gate_proj"),
                 std::string());
        const Opened other = open(f); // NVFP4 weights
        QVERIFY(!other.rounder && other.rounder.error().message.find("NVFP4") != std::string::npos);
    }

    void plainFloat8() {
        StoredFolder f = StoredFolder::load(packedGolden("models/fp8_block")); // blocks of 20 x 16
        f.settings()["activation_scheme"] = "dynamic";
        const Matrix blocks = inGroups(e4m3Values(), 16, [](double m) { return m / 448; });
        QCOMPARE(wrong(f, blocks, "fp8 per 16 channels"), std::string());
        f.settings().erase("activation_scheme"); // the default
        QCOMPARE(wrong(f, blocks, "fp8 per 16 channels"), std::string());
        f.settings()["activation_scheme"] = "static";
        refused(f, {"activation_scheme is \"static\"", "blocks"});
        f.settings()["activation_scheme"] = "sometimes";
        QVERIFY(!open(f).rounder);
    }

    /// One scale a tensor, as vLLM names it and as transformers does.
    void plainFloat8Static() {
        for (const char* part : {"input_scale", "activation_scale"}) {
            StoredFolder f = StoredFolder::load(packedGolden("models/fp8_block"));
            f.settings().erase("weight_block_size");
            std::vector<std::string> modules;
            for (const auto& [name, stored] : f.parts)
                if (name.ends_with(".weight_scale_inv")) modules.push_back(name.substr(0, name.size() - 17));
            for (const std::string& m : modules) {
                f.parts.erase(m + ".weight_scale_inv");
                f.parts[m + ".weight_scale"] = number(0.01f, {});
                f.parts[m + "." + part] = number(0.015625f);
            }
            f.settings()["activation_scheme"] = "dynamic";
            QCOMPARE(
                wrong(f, inGroups(e4m3Values(), kInputs, [](double m) { return m / 448; }), "fp8 per token"),
                std::string());
            f.settings()["activation_scheme"] = "static";
            QCOMPARE(wrong(f, inGroups(e4m3Values(), kInputs, [](double) { return 0.015625; }), "fp8 static"),
                     std::string());
        }
    }

    void weightsAloneRoundNothing() {
        for (const char* name : {"ct_int", "ct_pack", "awq", "gptq_v2_3bit", "bnb_nf4"}) {
            const Opened o = open(StoredFolder::load(packedGolden(std::string("models/") + name)));
            QS_VERIFY_OK(o.rounder);
            QVERIFY2(!*o.rounder && !o.label.empty() && o.label.find("inputs") == std::string::npos, name);
        }
    }

    void refusals_data() {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QString>("inputs");
        QTest::addColumn<QString>("says");
        const auto row = [](const char* name, const char* model, const ordered_json& inputs,
                            const char* says) {
            QTest::newRow(name) << model << QString::fromStdString(inputs.dump()) << says;
        };
        row("one scale for the batch", "ct_int", arguments(8, "int", "tensor", true),
            "dynamic, strategy \"tensor\"");
        row("16 bits", "ct_int", arguments(16, "int", "token", true), "int of 16 bits");
        row("floats of 4 bits for FP8 weights", "ct_float", arguments(4, "float", "token", true),
            "float of 4 bits");
        row("a static scale per group", "ct_int", arguments(8, "int", "group", false, 8), "static");
        row("groups that do not divide", "ct_int", arguments(8, "int", "group", true, 12),
            "row length 32 is not a multiple of group 12");
        row("NVFP4 without a scale for the tensor", "ct_fp4", arguments(4, "float", "tensor_group", true, 16),
            "dynamic, strategy \"tensor_group\"");
    }
    void refusals() {
        QFETCH(QString, model);
        QFETCH(QString, inputs);
        QFETCH(QString, says);
        refused(folderWith(model.toStdString(), ordered_json::parse(inputs.toStdString())),
                {says.toUtf8().constData()});
    }

    void badScales() {
        const std::string part = std::string(kModule) + ".input_scale";
        StoredFolder f = folderWith("ct_int", arguments(8, "int", "tensor", false));
        for (const float value : {0.0f, -0.5f}) {
            f.parts[part] = number(value);
            refused(f, {"must be above 0", "input_scale"});
        }
        f.parts[part] = number(NAN);
        refused(f, {"finite", "input_scale"});
        f.parts.erase(part);
        refused(f, {"input_scale is missing"});
        f.parts[part] = number(0.5f, {2});
        refused(f, {"must be F32 [1], is F32 [2]"});
        f.parts[part] = number(0.5f);
        for (auto& [key, group] : f.settings().at("config_groups").items())
            group["input_activations"]["symmetric"] = false;
        refused(f, {"input_zero_point is missing"});
        for (auto& [key, group] : f.settings().at("config_groups").items())
            group["input_activations"]["dynamic"] = "often";
        QVERIFY(!open(f).rounder); // the settings themselves are wrong
    }

    void outputsAreNotRounded() {
        StoredFolder f = StoredFolder::load(packedGolden("models/ct_int"));
        for (auto& [key, group] : f.settings().at("config_groups").items())
            group["output_activations"] = arguments(8, "int", "token", true);
        refused(f, {"output_activations"});
    }

private:
    /// The model opens and its weights are seen; running it is refused with the words.
    static void refused(const StoredFolder& f, std::initializer_list<const char*> words) {
        const Opened o = open(f);
        QVERIFY(!o.rounder);
        for (const char* w : words)
            QVERIFY2(o.rounder.error().describe().find(w) != std::string::npos,
                     o.rounder.error().describe().c_str());
        QVERIFY2(o.label.ends_with(", inputs not as its runtime has them"), o.label.c_str());
        QVERIFY2(o.model->hasForward(), o.model->noForwardReason().c_str());
        QS_VERIFY_OK(o.model->readTarget(o.model->targets().front()));
        const auto backend = makeCpuBackend();
        const std::vector<int32_t> ids = {1, 2, 3};
        const auto logits = computeLogits(o.model->spec(), *modelWeights(*o.model), ids, *backend, {});
        QVERIFY(!logits);
        QCOMPARE(logits.error().describe(), o.rounder.error().describe());
    }
};

QS_TEST(PackedInputs)
#include "tst_packed_inputs.moc"
