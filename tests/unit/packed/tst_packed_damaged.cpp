// SPDX-License-Identifier: Apache-2.0
// Golden folders with one thing wrong: the error names the place, the rule and the value.
#include "core/model/weights.h"
#include "tests/unit/packed/packed_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {
using Edit = std::function<void(StoredFolder&)>;
}

class PackedDamaged : public QObject {
    Q_OBJECT
private slots:
    void awq_data();
    void awq() { refused(); }
    void compressedTensors_data();
    void compressedTensors() { refused(); }
    void bitsandbytes_data();
    void bitsandbytes() { refused(); }
    void float8_data();
    void float8() { refused(); }
    void settings_data();
    void settings() { refused(); }
    void endlessExpressionGivesUp();
    void modelSaysWhy();

private:
    static void columns() {
        QTest::addColumn<QString>("folder");
        QTest::addColumn<QString>("module");
        QTest::addColumn<Edit>("edit");
        QTest::addColumn<QString>("says");
    }
    static void row(const char* name, const char* folder, const char* module, Edit edit, const char* says) {
        QTest::newRow(name) << folder << module << edit << says;
    }
    static void refused();
};

void PackedDamaged::refused() {
    QFETCH(QString, folder);
    QFETCH(QString, module);
    QFETCH(Edit, edit);
    QFETCH(QString, says);
    StoredFolder stored = StoredFolder::load(packedGolden("linears/" + folder.toStdString()));
    QVERIFY(!stored.parts.empty());
    const auto clean = scratchDir("packed-clean"), damaged = scratchDir("packed-damaged");
    const std::string weight = module.toStdString() + ".weight";
    // Written back unchanged it is good: the refusal comes from the edit.
    QS_VERIFY_OK(stored.write(clean));
    const auto good = openCheckpoint(clean);
    QS_VERIFY_OK(good);
    QS_VERIFY_OK(checkpointWeights(*good)->matrix(weight));
    edit(stored);
    QS_VERIFY_OK(stored.write(damaged));
    const auto checkpoint = openCheckpoint(damaged);
    QS_VERIFY_OK(checkpoint);
    const auto values = checkpointWeights(*checkpoint)->matrix(weight);
    QVERIFY(!values);
    const std::string text = values.error().describe();
    QVERIFY2(text.find(says.toStdString()) != std::string::npos, text.c_str());
    QVERIFY2(text.find("model.") != std::string::npos ||
                 text.find("quantization_config") != std::string::npos,
             text.c_str());
}

void PackedDamaged::awq_data() {
    columns();
    const auto lin = [](const char* name, Edit edit, const char* says) {
        row(name, "awq", "model.lin", std::move(edit), says);
    };
    lin(
        "scales missing", [](auto& f) { f.parts.erase("model.lin.scales"); }, "model.lin.scales is missing");
    lin(
        "group size", [](auto& f) { f.settings()["group_size"] = 24; }, "group_size 24");
    lin(
        "qzeros too wide",
        [](auto& f) {
            f.parts["model.lin.qzeros"].reshape({3, 4});
        },
        "I32 [3, 3]");
    lin(
        "scales too narrow",
        [](auto& f) {
            f.parts["model.lin.scales"].reshape({3, 23});
        },
        "8 outputs a word");
    lin(
        "a group of scales missing",
        [](auto& f) {
            f.parts["model.lin.scales"].reshape({2, 24});
        },
        "[3, 24]");
    lin(
        "qweight F32", [](auto& f) { f.parts["model.lin.qweight"].dtype = DType::F32; }, "must be I32");
    lin(
        "qweight a list", [](auto& f) { f.parts["model.lin.qweight"].reshape({144}); }, "2 dimension");
    lin(
        "scale NaN", [](auto& f) { f.parts["model.lin.scales"].set(25, uint16_t(0x7e00)); },
        "model.lin.scales: element 25 is nan");
    lin(
        "skipped", [](auto& f) { f.settings()["modules_to_not_convert"] = {"lin"}; },
        "modules_to_not_convert names it (\"lin\")");
    lin(
        "gemv", [](auto& f) { f.settings()["version"] = "gemv"; }, "\"gemv\"");
    lin(
        "8 bits", [](auto& f) { f.settings()["bits"] = 8; }, "bits 8");
    lin(
        "says gptq", [](auto& f) { f.settings()["quant_method"] = "gptq"; }, "do not fit together");
    lin(
        "weight as well", [](auto& f) { f.parts["model.lin.weight"] = f.parts["model.plain.weight"]; },
        "both weight and qweight");
}

void PackedDamaged::compressedTensors_data() {
    columns();
    const auto pack = [](const char* name, const char* module, Edit edit, const char* says) {
        row(name, "ct_pack", module, std::move(edit), says);
    };
    pack(
        "scale missing", "model.lin", [](auto& f) { f.parts.erase("model.lin.weight_scale"); },
        "model.lin.weight_scale is missing");
    pack(
        "shape missing", "model.lin", [](auto& f) { f.parts.erase("model.lin.weight_shape"); },
        "weight_shape is missing");
    pack(
        "shape of other rows", "model.lin",
        [](auto& f) { f.parts["model.lin.weight_shape"].set(0, int64_t(7)); }, "says [7, 64]");
    pack(
        "huge shape", "model.lin", [](auto& f) { f.parts["model.lin.weight_shape"].set(1, INT64_MAX); },
        "9223372036854775807");
    pack(
        "negative shape", "model.lin", [](auto& f) { f.parts["model.lin.weight_shape"].set(1, int64_t(-1)); },
        "-1]");
    pack(
        "width between dense and padded", "model.three",
        [](auto& f) {
            f.parts["model.three.weight_packed"].reshape({5, 5});
        },
        "4 or (before 0.17) 4 words");
    pack(
        "zero points missing", "model.five", [](auto& f) { f.parts.erase("model.five.weight_zero_point"); },
        "weight_zero_point is missing");
    pack(
        "zero points of another shape", "model.five",
        [](auto& f) {
            f.parts["model.five.weight_zero_point"].reshape({2, 3});
        },
        "I32 [3, 3] or I8 [13, 3]");
    pack(
        "zero points of a symmetric grid", "model.lin",
        [](auto& f) { f.parts["model.lin.weight_zero_point"] = f.parts["model.five.weight_zero_point"]; },
        "says symmetric");
    pack(
        "g_idx out of range", "model.act",
        [](auto& f) { f.parts["model.act.weight_g_idx"].set(95, int32_t(3)); },
        "element 95 is 3, allowed 0..2");
    pack(
        "g_idx negative", "model.act", [](auto& f) { f.parts["model.act.weight_g_idx"].set(0, int32_t(-1)); },
        "element 0 is -1");
    pack(
        "g_idx too short", "model.act", [](auto& f) { f.parts["model.act.weight_g_idx"].reshape({95}); },
        "I32 [96]");
    pack(
        "scale infinite", "model.lin",
        [](auto& f) { f.parts["model.lin.weight_scale"].set(3, uint16_t(0x7f80)); }, "element 3 is inf");
    pack(
        "group size", "model.lin",
        [](auto& f) { f.settings()["config_groups"]["group_0"]["weights"]["group_size"] = 16; }, "[6, 4]");
    pack(
        "bits", "model.lin",
        [](auto& f) { f.settings()["config_groups"]["group_0"]["weights"]["num_bits"] = 5; }, "10 or");
    pack(
        "ignored", "model.lin", [](auto& f) { f.settings()["ignore"] = {"re:.*lin$"}; }, "ignore names it");
    pack(
        "in no group", "model.lin",
        [](auto& f) { f.settings()["config_groups"]["group_0"]["targets"] = {"Conv1d"}; }, "no targets");
    pack(
        "another format", "model.lin", [](auto& f) { f.settings()["format"] = "int-quantized"; },
        "\"int-quantized\"");
    pack(
        "floats", "model.lin",
        [](auto& f) { f.settings()["config_groups"]["group_0"]["weights"]["type"] = "float"; }, "says float");
    row(
        "int: zero points missing", "ct_int", "model.asym",
        [](auto& f) { f.parts.erase("model.asym.weight_zero_point"); }, "weight_zero_point is missing");
    row(
        "int: scale per tensor", "ct_int", "model.channel",
        [](auto& f) { f.parts["model.channel.weight_scale"].reshape({1}); }, "[7, 1]");
    row(
        "int: scale is I8", "ct_int", "model.channel",
        [](auto& f) {
            f.parts["model.channel.weight_scale"].dtype = DType::I8;
            f.parts["model.channel.weight_scale"].reshape({7, 1});
        },
        "F16, BF16 or F32");
    row(
        "nvfp4: global scale 0", "ct_float", "model.nv",
        [](auto& f) { f.parts["model.nv.weight_global_scale"].set(0, 0.0f); }, "above 0");
    row(
        "nvfp4: scale NaN", "ct_float", "model.nv",
        [](auto& f) { f.parts["model.nv.weight_scale"].set(4, uint8_t(0x7f)); }, "element 4 is nan");
    row(
        "nvfp4: scales of 32", "ct_float", "model.nv",
        [](auto& f) {
            f.parts["model.nv.weight_scale"].reshape({5, 2});
        },
        "F8_E4M3 [5, 3]");
    row(
        "mxfp4: scale 255 is NaN", "ct_float", "model.mx4",
        [](auto& f) { f.parts["model.mx4.weight_scale"].set(1, uint8_t(255)); }, "element 1 is nan");
    row(
        "mxfp4: group of 16", "ct_float", "model.mx4",
        [](auto& f) { f.settings()["config_groups"]["group_5"]["weights"]["group_size"] = 16; },
        "groups of 32");
}

void PackedDamaged::bitsandbytes_data() {
    columns();
    const std::string state = "model.lin.weight.quant_state.bitsandbytes__nf4";
    const auto lin = [](const char* name, Edit edit, const char* says) {
        row(name, "bnb", "model.lin", std::move(edit), says);
    };
    const auto twice = [](const char* name, Edit edit, const char* says) {
        row(name, "bnb_double", "model.lin", std::move(edit), says);
    };
    const auto says = [state](const std::string& json) {
        return [state, json](StoredFolder& f) {
            f.parts[state].reshape({json.size()});
            std::memcpy(f.parts[state].bytes.data(), json.data(), json.size());
        };
    };
    lin(
        "absmax missing", [](auto& f) { f.parts.erase("model.lin.weight.absmax"); }, "absmax is missing");
    lin(
        "state missing", [state](auto& f) { f.parts.erase(state); }, "quant_state.bitsandbytes__nf4");
    lin("state is no JSON", says("{"), "JSON object");
    lin("state without shape", says(R"({"quant_type": "nf4", "blocksize": 64})"), "shape must be");
    lin("state of another shape", says(R"({"quant_type": "nf4", "blocksize": 64, "shape": [5, 40]})"),
        "[5, 40]");
    lin("state of a huge shape",
        says(R"({"quant_type": "nf4", "blocksize": 64, "shape": [1099511627776, 1099511627776]})"),
        "1099511627776");
    lin("state of an empty shape", says(R"({"quant_type": "nf4", "blocksize": 64, "shape": [0, 39]})"),
        "shape must be");
    lin("block of 32", says(R"({"quant_type": "nf4", "blocksize": 32, "shape": [5, 39]})"), "block of 32");
    lin("state says fp4", says(R"({"quant_type": "fp4", "blocksize": 64, "shape": [5, 39]})"), "nf4");
    lin(
        "map is not NF4", [](auto& f) { f.parts["model.lin.weight.quant_map"].set(3, -0.5f); },
        "level 3 is -0.5");
    lin(
        "absmax NaN", [](auto& f) { f.parts["model.lin.weight.absmax"].set(2, NAN); }, "element 2 is nan");
    lin(
        "says double", [](auto& f) { f.settings()["bnb_4bit_use_double_quant"] = true; },
        "bnb_4bit_use_double_quant");
    lin(
        "settings say fp4", [](auto& f) { f.settings()["bnb_4bit_quant_type"] = "fp4"; }, "\"fp4\"");
    lin(
        "8 bits", [](auto& f) { f.settings()["load_in_8bit"] = true; }, "load_in_8bit");
    lin(
        "skipped", [](auto& f) { f.settings()["llm_int8_skip_modules"] = {"model"}; },
        "llm_int8_skip_modules");
    twice(
        "nested scale missing", [](auto& f) { f.parts.erase("model.lin.weight.nested_absmax"); },
        "nested_absmax is missing");
    twice(
        "nested scales too few", [](auto& f) { f.parts["model.lin.weight.nested_absmax"].reshape({2}); },
        "F32 [3]");
    twice(
        "nested map too short", [](auto& f) { f.parts["model.lin.weight.nested_quant_map"].reshape({16}); },
        "F32 [256]");
    twice(
        "nested scale infinite", [](auto& f) { f.parts["model.lin.weight.nested_absmax"].set(1, INFINITY); },
        "element 1 is inf");
    twice("no offset",
          says(R"({"quant_type": "nf4", "blocksize": 64, "shape": [33, 70], "nested_blocksize": 16})"),
          "nested_offset is missing");
}

void PackedDamaged::float8_data() {
    columns();
    const auto lin = [](const char* name, Edit edit, const char* says) {
        row(name, "fp8_block", "model.lin", std::move(edit), says);
    };
    lin(
        "no scale at all", [](auto& f) { f.parts.erase("model.lin.weight_scale_inv"); },
        "neither weight_scale_inv nor weight_scale");
    lin(
        "blocks of another size",
        [](auto& f) {
            f.settings()["weight_block_size"] = {8, 8};
        },
        "[2, 3]");
    lin(
        "no block size", [](auto& f) { f.settings().erase("weight_block_size"); }, "weight_block_size");
    lin(
        "block size 0",
        [](auto& f) {
            f.settings()["weight_block_size"] = {0, 8};
        },
        "weight_block_size");
    lin(
        "scale NaN", [](auto& f) { f.parts["model.lin.weight_scale_inv"].set(8, NAN); }, "element 8 is nan");
    lin(
        "scale too small",
        [](auto& f) {
            f.parts["model.lin.weight_scale_inv"].reshape({3, 2});
        },
        "[3, 3]");
    lin(
        "scale I32", [](auto& f) { f.parts["model.lin.weight_scale_inv"].dtype = DType::I32; },
        "F32, BF16, F16");
    lin(
        "weight a list", [](auto& f) { f.parts["model.lin.weight"].reshape({210}); }, "2 dimension");
    lin(
        "E5M2", [](auto& f) { f.parts["model.lin.weight"].dtype = DType::F8E5M2; }, "F8_E5M2");
    lin(
        "skipped", [](auto& f) { f.settings()["modules_to_not_convert"] = {"model.lin"}; },
        "modules_to_not_convert");
    row(
        "scale of neither shape", "fp8", "model.channel",
        [](auto& f) {
            f.parts["model.channel.weight_scale"].reshape({5, 1});
        },
        "[6, 1]");
    row(
        "compressed: scale missing", "ct_float", "model.channel",
        [](auto& f) { f.parts.erase("model.channel.weight_scale"); }, "weight_scale is missing");
    row(
        "compressed: integers", "ct_float", "model.channel",
        [](auto& f) { f.settings()["config_groups"]["group_1"]["weights"]["type"] = "int"; }, "int of 8");
}

void PackedDamaged::settings_data() {
    columns();
    const auto lin = [](const char* name, const char* folder, Edit edit, const char* says) {
        row(name, folder, "model.lin", std::move(edit), says);
    };
    // An 8-bit weight is never read as bare values.
    for (const char* folder : {"fp8_block", "awq", "bnb", "ct_pack"})
        lin((std::string("no settings: ") + folder).c_str(), folder,
            [](auto& f) { f.config.erase("quantization_config"); }, "need quantization_config");
    lin(
        "unknown method", "fp8_block", [](auto& f) { f.settings()["quant_method"] = "quip"; }, "\"quip\"");
    lin(
        "bnb of another method", "bnb",
        [](auto& f) {
            f.settings() = {{"quant_method", "fp8"}};
        },
        "quant_method \"fp8\"");
    lin(
        "fp8 of another method", "fp8_block",
        [](auto& f) {
            f.settings() = {{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 32}};
        },
        "quant_method \"gptq\"");
    lin(
        "not an object", "awq", [](auto& f) { f.settings() = "awq"; }, "must be an object");
    lin(
        "skip list of numbers", "awq", [](auto& f) { f.settings()["modules_to_not_convert"] = {1}; },
        "list of strings");
    lin(
        "strategy", "ct_pack",
        [](auto& f) { f.settings()["config_groups"]["group_0"]["weights"]["strategy"] = "attn_head"; },
        "attn_head");
    lin(
        "bits 0", "ct_pack",
        [](auto& f) { f.settings()["config_groups"]["group_0"]["weights"]["num_bits"] = 0; }, "1..8");
    lin(
        "rotations", "ct_pack",
        [](auto& f) {
            f.settings()["transform_config"]["config_groups"]["R1"] = {{"type", "hadamard"}};
        },
        "transform_config");
    lin(
        "targets that are no expression", "ct_pack",
        [](auto& f) { f.settings()["config_groups"]["group_1"]["targets"] = {"re:["}; },
        "regular expression");
}

// Too many steps are an error, not a hang.
void PackedDamaged::endlessExpressionGivesUp() {
    StoredFolder stored = StoredFolder::load(packedGolden("linears/ct_pack"));
    const std::string module = "model." + std::string(60, 'a');
    for (const char* part : {".weight_packed", ".weight_shape", ".weight_scale"})
        stored.parts[module + part] = stored.parts["model.lin" + std::string(part)];
    stored.settings()["ignore"] = {"re:(?:[a-z]|[a-z.])+[0-9]"};
    const auto folder = scratchDir("packed-endless");
    QS_VERIFY_OK(stored.write(folder));
    const auto checkpoint = openCheckpoint(folder);
    QS_VERIFY_OK(checkpoint);
    const PackedReader reader(**checkpoint);
    QS_VERIFY_OK(reader.find("model.lin"));
    const auto linear = reader.find(module);
    QVERIFY(!linear);
    QVERIFY2(linear.error().message.find("gave up") != std::string::npos, linear.error().describe().c_str());
}

// A model with one damaged linear opens at tensor level and tells why; the rest can still be looked at.
void PackedDamaged::modelSaysWhy() {
    StoredFolder stored = StoredFolder::load(packedGolden("models/fp8_block"));
    stored.parts.erase("model.layers.0.mlp.up_proj.weight_scale_inv");
    const auto folder = scratchDir("packed-model");
    QS_VERIFY_OK(stored.write(folder));
    const auto model = openModel(folder);
    QS_VERIFY_OK(model);
    QVERIFY(!(*model)->hasForward());
    const std::string why = (*model)->noForwardReason();
    QVERIFY2(why.find("model.layers.0.mlp.up_proj") != std::string::npos, why.c_str());
    QVERIFY2(why.find("neither weight_scale_inv") != std::string::npos, why.c_str());
    QCOMPARE((*model)->targets().size(), size_t(6));
    // An F16 matrix of scales does not become something to quantize.
    StoredFolder other = StoredFolder::load(packedGolden("linears/awq"));
    other.parts.erase("model.lin.qzeros");
    QS_VERIFY_OK(other.write(folder));
    const auto scalesLeft = openModel(folder);
    QS_VERIFY_OK(scalesLeft);
    for (const QuantTarget& t : (*scalesLeft)->targets())
        QVERIFY2(t.module == "model.odd" || t.module == "model.plain", t.module.c_str());
    const auto bare =
        checkpointWeights((*model)->checkpointPtr())->matrix("model.layers.0.mlp.up_proj.weight");
    QVERIFY(!bare);
}

QS_TEST(PackedDamaged)
#include "tst_packed_damaged.moc"
