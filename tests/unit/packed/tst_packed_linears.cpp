// SPDX-License-Identifier: Apache-2.0
// Every layout against codes and values written by tests/golden/gen/packed_layouts.py.
#include "tests/unit/packed/packed_fixture.h"

#include <cmath>
#include <set>

using namespace qs;
using namespace qs::test;

namespace {

struct Golden {
    std::shared_ptr<const Checkpoint> checkpoint, expected;
};

Golden openGolden(const QString& name) {
    const auto folder = packedGolden("linears/" + name.toStdString());
    const auto checkpoint = openCheckpoint(folder);
    const auto expected = openCheckpoint(folder / "expected.safetensors");
    return checkpoint && expected ? Golden{*checkpoint, *expected} : Golden{};
}

bool sameValue(float have, float want) {
    return std::isnan(want) ? std::isnan(have) : have == want;
}

/// Index of the first difference, or -1.
int firstDifference(ConstMatrixView have, ConstMatrixView want) {
    if (have.rows != want.rows || have.cols != want.cols) return 0;
    for (size_t r = 0; r < have.rows; ++r)
        for (size_t c = 0; c < have.cols; ++c)
            if (!sameValue(have(r, c), want(r, c))) return int(r * have.cols + c);
    return -1;
}

} // namespace

class PackedLinears : public QObject {
    Q_OBJECT
private slots:
    void golden_data();
    void golden();
    void described_data();
    void described();
    void widthTellsPaddingFromDense();
    void plainModulesAreNot();
    void rowsOutsideAreRefused();
};

void PackedLinears::golden_data() {
    QTest::addColumn<QString>("name");
    for (const char* name : {"gptq_dynamic", "awq", "awq_channel", "ct_pack", "ct_pack_old", "ct_int",
                             "ct_float", "bnb", "bnb_double", "fp8", "fp8_block"})
        QTest::newRow(name) << name;
}

void PackedLinears::golden() {
    QFETCH(QString, name);
    const Golden g = openGolden(name);
    QVERIFY(g.checkpoint);
    const PackedReader reader(*g.checkpoint);
    const std::vector<std::string> modules = reader.modules();
    QCOMPARE(modules.size() * 2, g.expected->tensors().size());
    QCOMPARE(std::set<std::string>(modules.begin(), modules.end()).size(), modules.size());
    for (const std::string& module : modules) {
        const auto linear = reader.find(module);
        QS_VERIFY_OK(linear);
        QVERIFY(*linear);
        const PackedInfo& info = (*linear)->info();
        QCOMPARE(info.module, module);

        const auto codes = (*linear)->codes();
        QS_VERIFY_OK(codes);
        const auto bytes = g.expected->rawBytes(g.expected->find(module + ".codes"));
        QS_VERIFY_OK(bytes);
        QCOMPARE(codes->size() * 2, bytes->size());
        QVERIFY2(std::memcmp(codes->data(), bytes->data(), bytes->size()) == 0, module.c_str());

        const auto want = g.expected->readMatrix(module + ".values");
        QS_VERIFY_OK(want);
        const auto values = (*linear)->dequantize();
        QS_VERIFY_OK(values);
        const int at = firstDifference(values->view(), want->view());
        QVERIFY2(at < 0, qPrintable(QStringLiteral("%1: element %2").arg(module.c_str()).arg(at)));

        // Streamed in bands that end inside blocks and words.
        Matrix streamed(info.out, info.in);
        for (size_t r = 0; r < info.out; r += 3)
            QS_VERIFY_OK((*linear)->readRows(
                r, streamed.view().block(r, std::min<size_t>(3, info.out - r), 0, info.in)));
        QVERIFY2(firstDifference(streamed.view(), want->view()) < 0, module.c_str());

        const auto scales = (*linear)->scales();
        QS_VERIFY_OK(scales);
        QCOMPARE(scales->scale.rows(), info.scaleRows);
        QCOMPARE(scales->scale.cols(), info.groups);
    }
}

void PackedLinears::described_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("module");
    QTest::addColumn<QString>("layout");
    QTest::addColumn<QString>("label");
    QTest::addColumn<QString>("format");
    QTest::addColumn<int>("bits");
    QTest::addColumn<int>("bytes");
    const auto row = [](const char* name, const char* module, const char* layout, const char* label,
                        const char* format, int bits, int bytes) {
        QTest::addRow("%s %s", name, module) << name << module << layout << label << format << bits << bytes;
    };
    // Bytes by hand: codes + zeros + scales + shape or index.
    row("gptq_dynamic", "model.lin", "gptq", "GPTQ 4-bit, group 32, asymmetric", "int4 g32 asym", 4,
        32 * 64 / 2 + 2 * 32 / 2 + 2 * 32 * 2 + 64 * 4);
    row("gptq_dynamic", "model.three", "gptq", "GPTQ 3-bit, group 16, asymmetric", "int3 g16 asym", 3,
        64 * 96 * 3 / 8 + 6 * 64 * 3 / 8 + 6 * 64 * 2 + 96 * 4);
    row("gptq_dynamic", "model.eight", "gptq", "GPTQ 8-bit, per channel, symmetric", "int8 channel sym", 8,
        32 * 32 + 32 + 32 * 2 + 32 * 4);
    row("awq", "model.lin", "awq", "AWQ 4-bit, group 16, asymmetric", "int4 g16 asym", 4,
        24 * 48 / 2 + 3 * 24 / 2 + 3 * 24 * 2);
    row("ct_pack", "model.three", "ct_pack", "Compressed-tensors 3-bit, per channel, symmetric",
        "int3 channel sym", 3, 5 * 4 * 4 + 5 * 2 + 16); // 111 bits are 4 words
    row("ct_pack", "model.tensor", "ct_pack", "Compressed-tensors 4-bit, per tensor, asymmetric",
        "int4 tensor asym", 4, 4 * 3 * 4 + 2 + 1 + 16);
    row("ct_pack_old", "model.b7", "ct_pack", "Compressed-tensors 7-bit, per channel, symmetric",
        "int7 channel sym", 7, 5 * 9 * 4 + 5 * 2 + 16); // 4 codes a word
    row("ct_int", "model.asym", "ct_int", "Compressed-tensors 8-bit, per channel, asymmetric",
        "int8 channel asym", 8, 5 * 18 + 5 * 4 + 5); // input_scale does not count
    row("ct_float", "model.block", "ct_float", "FP8 E4M3, block 4x8", "fp8 block 4x8", 8,
        10 * 21 + 3 * 3 * 4);
    row("ct_float", "model.mx8", "ct_float", "MXFP8 E4M3, group 32", "mxfp8 group 32", 8, 3 * 70 + 3 * 3);
    row("ct_float", "model.nv", "ct_nvfp4", "NVFP4, group 16", "nvfp4", 4, 5 * 24 + 5 * 3 + 4);
    row("ct_float", "model.mx4", "ct_mxfp4", "MXFP4, group 32", "mxfp4", 4, 3 * 32 + 3 * 2);
    row("fp8", "model.tensor", "fp8", "FP8 E4M3, per tensor, inputs fp8 static", "fp8 tensor", 8, 5 * 7 + 4);
    row("fp8", "model.channel", "fp8", "FP8 E4M3, per channel, inputs fp8 static", "fp8 channel", 8,
        6 * 9 + 6 * 4);
    // Groups of 8 inputs in rows of 21, which no runtime cuts so.
    row("fp8_block", "model.lin", "fp8_block", "FP8 E4M3, block 4x8, inputs not as its runtime has them",
        "fp8 block 4x8", 8, 10 * 21 + 3 * 3 * 4);
    row("fp8_block", "model.powers", "fp8_block", "FP8 E4M3, block 4x8, inputs fp8 per 8 channels",
        "fp8 block 4x8", 8, 8 * 16 + 2 * 2);
}

void PackedLinears::described() {
    QFETCH(QString, name);
    QFETCH(QString, module);
    const Golden g = openGolden(name);
    QVERIFY(g.checkpoint);
    const auto linear = PackedReader(*g.checkpoint).find(module.toStdString());
    QS_VERIFY_OK(linear);
    const PackedInfo& info = (*linear)->info();
    QTEST(QString::fromStdString(info.layout), "layout");
    QTEST(QString::fromStdString(info.label), "label");
    QTEST(QString::fromStdString(info.format), "format");
    QTEST(info.bits, "bits");
    QTEST(int(info.storedBytes), "bytes");
}

// 6 and 7 bits fill rows of another width with padding than without: no version is needed then. 41 codes of 6
// bits take 8 words in one stream and 9 with five to a word.
void PackedLinears::widthTellsPaddingFromDense() {
    StoredFolder old = StoredFolder::load(packedGolden("linears/ct_pack_old"));
    const Golden g = openGolden("ct_pack_old");
    QVERIFY(g.expected);
    old.settings().erase("version");
    const auto folder = scratchDir("packed-unversioned");
    QS_VERIFY_OK(old.write(folder));
    const auto checkpoint = openCheckpoint(folder);
    QS_VERIFY_OK(checkpoint);
    for (const char* module : {"model.b6", "model.b7"}) {
        const auto linear = PackedReader(**checkpoint).find(module);
        QS_VERIFY_OK(linear);
        const auto values = (*linear)->dequantize(),
                   want = g.expected->readMatrix(std::string(module) + ".values");
        QS_VERIFY_OK(values);
        QS_VERIFY_OK(want);
        QVERIFY(firstDifference(values->view(), want->view()) < 0);
    }
}

void PackedLinears::plainModulesAreNot() {
    for (const char* name : {"gptq_dynamic", "awq", "ct_pack", "bnb", "fp8_block"}) {
        const Golden g = openGolden(name);
        QVERIFY(g.checkpoint);
        QVERIFY(g.checkpoint->find("model.plain.weight") != Checkpoint::npos);
        for (const char* module : {"model.plain", "model.absent", ""}) {
            const auto linear = PackedReader(*g.checkpoint).find(module);
            QS_VERIFY_OK(linear);
            QVERIFY(!*linear);
        }
    }
}

void PackedLinears::rowsOutsideAreRefused() {
    for (const char* name : {"awq", "bnb"}) {
        const Golden g = openGolden(name);
        QVERIFY(g.checkpoint);
        const auto linear = PackedReader(*g.checkpoint).find("model.lin");
        QS_VERIFY_OK(linear);
        const PackedInfo& info = (*linear)->info();
        Matrix two(2, info.in), wrong(2, info.in + 1);
        QVERIFY((*linear)->readRows(info.out - 2, two.view()));
        QVERIFY(!(*linear)->readRows(info.out - 1, two.view()));
        QVERIFY(!(*linear)->readRows(UINT64_MAX, two.view()));
        QVERIFY(!(*linear)->readRows(0, wrong.view()));
        QVERIFY((*linear)->readRows(info.out, MatrixView(nullptr, 0, info.in)));
    }
}

QS_TEST(PackedLinears)
#include "tst_packed_linears.moc"
