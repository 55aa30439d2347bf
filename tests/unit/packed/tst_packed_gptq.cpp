// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/safetensors.h"
#include "core/model/packed/packed_linear.h"
#include "core/model/weights.h"
#include "tests/support/qs_test.h"

#include <cstring>
#include <fstream>

using namespace qs;

namespace {

const char* const kModule = "model.lin";

std::filesystem::path golden(const QString& name) {
    return test::sourceDir() / "tests/golden/gptq" / name.toStdString();
}

/// One tensor of a packed linear, filled with a repeated 32-bit word (a 16-bit one for scales).
struct Part {
    std::string name;
    DType dtype;
    std::vector<uint64_t> shape;
    uint32_t word;
};

/// 4 bits, [32 out, 64 in], groups of 32: every code 8, every stored zero 7, every scale 1.
std::vector<Part> wellFormed() {
    return {{"model.lin.qweight", DType::I32, {8, 32}, 0x88888888},
            {"model.lin.qzeros", DType::I32, {2, 4}, 0x77777777},
            {"model.lin.scales", DType::F16, {2, 32}, 0x3c003c00},
            {"model.lin.g_idx", DType::I32, {64}, 1}};
}

const char* const kConfig =
    R"({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 32}})";

std::shared_ptr<const Checkpoint> build(const char* name, const std::vector<Part>& parts,
                                        const std::string& config) {
    const auto folder = test::scratchDir(name);
    std::vector<SafetensorsItem> items;
    for (const Part& p : parts)
        items.push_back({p.name, p.dtype, p.shape, [word = p.word](std::span<std::byte> out) -> Result<void> {
                             for (size_t i = 0; i < out.size(); ++i)
                                 out[i] = std::byte(word >> (8 * (i % 4)) & 0xff);
                             return {};
                         }});
    if (!writeSafetensors(folder / "model.safetensors", std::move(items), {})) return nullptr;
    if (!config.empty()) std::ofstream(folder / "config.json") << config;
    auto opened = openCheckpoint(folder);
    return opened ? *opened : nullptr;
}

} // namespace

class PackedGptq : public QObject {
    Q_OBJECT
private slots:
    void golden_data();
    void golden();
    void plainTensorsPassThrough();
    void wellFormedByHand();
    void largestZeroOfVersion1DoesNotWrap();
    void refused_data();
    void refused();
};

void PackedGptq::golden_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<int>("bits");
    QTest::newRow("version 1, 4 bits, act-order") << "v1_4bit_act_order" << 4;
    QTest::newRow("version 2, 3 bits") << "v2_3bit" << 3;
    QTest::newRow("version 1, 8 bits, per channel, no g_idx, quantize_config.json") << "v1_8bit_channel" << 8;
    QTest::newRow("version 2, 2 bits, act-order") << "v2_2bit_act_order" << 2;
}

// Packed and dequantized by tests/golden/gen/gptq_packing.py.
void PackedGptq::golden() {
    QFETCH(QString, name);
    QFETCH(int, bits);
    const auto checkpoint = openCheckpoint(::golden(name));
    QS_VERIFY_OK(checkpoint);
    const auto expected = openCheckpoint(::golden(name) / "expected.safetensors");
    QS_VERIFY_OK(expected);
    const PackedReader reader(**checkpoint);
    const auto packed = reader.find(kModule);
    QS_VERIFY_OK(packed);
    QVERIFY(*packed);
    QCOMPARE((*packed)->info().bits, bits);
    QCOMPARE((*packed)->info().out, size_t(32));
    QCOMPARE((*packed)->info().in, size_t(64));
    const auto unpacked = (*packed)->codes();
    QS_VERIFY_OK(unpacked);
    const auto codes = (*expected)->rawBytes((*expected)->find("codes"));
    QS_VERIFY_OK(codes);
    QCOMPARE(unpacked->size(), codes->size());
    for (size_t i = 0; i < codes->size(); ++i)
        QCOMPARE(int(unpacked->data()[i]), int((*codes)[i]));

    const auto values = (*expected)->readMatrix("model.lin.weight");
    QS_VERIFY_OK(values);
    const auto weights = checkpointWeights(*checkpoint);
    const auto read = weights->matrix("model.lin.weight");
    QS_VERIFY_OK(read);
    QCOMPARE(read->rows(), size_t(32));
    QCOMPARE(read->cols(), size_t(64));
    for (size_t i = 0; i < values->size(); ++i)
        QVERIFY2(read->data()[i] == values->data()[i], qPrintable(QString::number(i)));
}

void PackedGptq::plainTensorsPassThrough() {
    const auto checkpoint = openCheckpoint(::golden("v2_3bit"));
    QS_VERIFY_OK(checkpoint);
    const auto weights = checkpointWeights(*checkpoint);
    const auto bias = weights->matrix("model.lin.bias");
    QS_VERIFY_OK(bias);
    QCOMPARE(bias->rows(), size_t(1));
    QCOMPARE(bias->cols(), size_t(32));
    const auto none = weights->matrix("model.other.weight");
    QVERIFY(!none && none.error().code == ErrorCode::NotFound);
    const auto absent = PackedReader(**checkpoint).find("model.other");
    QS_VERIFY_OK(absent);
    QVERIFY(!*absent);
    const auto fingerprint = (*checkpoint)->fingerprint();
    QS_VERIFY_OK(fingerprint);
    QCOMPARE(weights->fingerprint(), *fingerprint);
}

void PackedGptq::wellFormedByHand() {
    const auto c = build("gptq-good", wellFormed(), kConfig);
    QVERIFY(c);
    const auto packed = PackedReader(*c).find(kModule);
    QS_VERIFY_OK(packed);
    const PackedInfo& info = (*packed)->info();
    QCOMPARE(info.groups, size_t(2));
    QCOMPARE(info.label, std::string("GPTQ 4-bit, group 32"));
    // qweight 1024, qzeros 32, scales 128 and g_idx 256 bytes for 2048 weights.
    QCOMPARE(info.storedBytes, uint64_t(1440));
    QCOMPARE(info.bitsPerWeight(), 5.625);
    const auto scales = (*packed)->scales();
    QS_VERIFY_OK(scales);
    for (float z : scales->zero.span())
        QCOMPARE(z, 8.0f); // 7 is stored
    const auto values = (*packed)->dequantize();
    QS_VERIFY_OK(values);
    for (float w : values->span())
        QCOMPARE(w, 0.0f);
}

void PackedGptq::largestZeroOfVersion1DoesNotWrap() {
    auto parts = wellFormed();
    parts[1].word = 0xffffffff;
    const auto c = build("gptq-zero16", parts, kConfig);
    QVERIFY(c);
    const auto packed = PackedReader(*c).find(kModule);
    QS_VERIFY_OK(packed);
    const auto scales = (*packed)->scales();
    QS_VERIFY_OK(scales);
    QCOMPARE(scales->zero(0, 0), 16.0f);
    const auto values = (*packed)->dequantize();
    QS_VERIFY_OK(values);
    QCOMPARE((*values)(0, 0), -8.0f);
}

void PackedGptq::refused_data() {
    using Edit = std::function<void(std::vector<Part>&)>;
    QTest::addColumn<Edit>("edit");
    QTest::addColumn<QString>("config");
    QTest::addColumn<QString>("says");
    const auto row = [](const char* name, Edit edit, const char* config, const char* says) {
        QTest::newRow(name) << edit << QString(config) << QString(says);
    };
    const Edit none = [](auto&) {};
    row("no settings", none, R"({"model_type": "llama"})", "quantization_config");
    row("awq", none, R"({"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 32}})",
        "awq");
    row("marlin", none,
        R"({"quantization_config": {"bits": 4, "group_size": 32, "checkpoint_format": "marlin"}})", "marlin");
    row("pack_dtype", none,
        R"({"quantization_config": {"bits": 4, "group_size": 32, "pack_dtype": "int64"}})", "int64");
    row("bits of the wrong type", none, R"({"quantization_config": {"bits": "4", "group_size": 32}})",
        "bits");
    row("huge bits", none, R"({"quantization_config": {"bits": 18446744073709551615, "group_size": 32}})",
        "bits must be 2..8");
    row("settings are a list", none, R"({"quantization_config": []})", "object");
    row("bits differ", none, R"({"quantization_config": {"bits": 8, "group_size": 32}})", "4 bits");
    row("groups differ", none, R"({"quantization_config": {"bits": 4, "group_size": 16}})", "group_size");
    row(
        "qzeros missing", [](auto& p) { p.erase(p.begin() + 1); }, kConfig, "qzeros is missing");
    row(
        "scales missing", [](auto& p) { p.erase(p.begin() + 2); }, kConfig, "scales is missing");
    row(
        "qweight is U8", [](auto& p) { p[0].dtype = DType::U8; }, kConfig, "must be I32");
    row(
        "scales are I16", [](auto& p) { p[2].dtype = DType::I16; }, kConfig, "F16, BF16 or F32");
    row(
        "scales too narrow",
        [](auto& p) {
            p[2].shape = {2, 31};
        },
        kConfig, "fit together");
    row(
        "qzeros too short",
        [](auto& p) {
            p[1].shape = {1, 4};
        },
        kConfig, "fit together");
    row(
        "qzeros of 5 bits",
        [](auto& p) {
            p[1].shape = {2, 5};
        },
        kConfig, "no width");
    row(
        "qweight not of rank 2", [](auto& p) { p[0].shape = {256}; }, kConfig, "2 dimension");
    row(
        "empty",
        [](auto& p) {
            p[0].shape = {0, 32};
        },
        kConfig, "non-empty");
    row(
        "inputs not a multiple of 32",
        [](auto& p) {
            p[0].shape = {6, 32};
        },
        kConfig, "multiples of 32");
    row(
        "more groups than inputs",
        [](auto& p) {
            p[1].shape = {65, 4};
            p[2].shape = {65, 32};
        },
        kConfig, "groups");
    row(
        "g_idx too short", [](auto& p) { p[3].shape = {63}; }, kConfig, "I32 [64]");
    row(
        "g_idx out of range", [](auto& p) { p[3].word = 2; }, kConfig, "allowed 0..1");
    row(
        "g_idx negative", [](auto& p) { p[3].word = 0xffffffff; }, kConfig, "element 0 is -1");
    row(
        "scale is infinite", [](auto& p) { p[2].word = 0x7c003c00; }, kConfig, "element 1 is inf");
    row(
        "scale is NaN", [](auto& p) { p[2].word = 0x7e003c00; }, kConfig, "element 1 is nan");
    row(
        "weight beside qweight",
        [](auto& p) {
            p.push_back({"model.lin.weight", DType::F16, {32, 64}, 0});
        },
        kConfig, "both");
    row(
        "no g_idx, groups do not divide",
        [](auto& p) {
            p.erase(p.begin() + 3);
            p[1].shape = {3, 4};
            p[2].shape = {3, 32};
        },
        R"({"quantization_config": {"bits": 4, "group_size": 32, "dynamic": {"+:x": {}}}})", "group_size 32");
    row("planar", none,
        R"({"quantization_config": {"bits": 3, "group_size": 32, "checkpoint_format": "gptq_p"}})", "planes");
    row("skipped by a rule", none,
        R"({"quantization_config": {"bits": 4, "group_size": 32, "dynamic": {"-:model": {}}}})",
        "not quantized");
    row("rule of other bits", none,
        R"({"quantization_config": {"bits": 4, "group_size": 32, "dynamic": {"model.l": {"bits": 8}}}})",
        "4 bits");
    row("rule that is no expression", none,
        R"({"quantization_config": {"bits": 4, "group_size": 32, "dynamic": {"+:(": {}}}})",
        "regular expression");
}

void PackedGptq::refused() {
    QFETCH(std::function<void(std::vector<Part>&)>, edit);
    QFETCH(QString, config);
    QFETCH(QString, says);
    auto parts = wellFormed();
    edit(parts);
    const auto c = build("gptq-bad", parts, config.toStdString());
    QVERIFY(c);
    const auto weight = checkpointWeights(c)->matrix("model.lin.weight");
    QVERIFY(!weight);
    QVERIFY2(weight.error().describe().find(says.toStdString()) != std::string::npos,
             weight.error().describe().c_str());
}

QS_TEST(PackedGptq)
#include "tst_packed_gptq.moc"
