// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/checkpoint.h"
#include "core/tensor/ggml_blocks.h"
#include "tests/support/qs_test.h"

#include <bit>
#include <chrono>
#include <cmath>
#include <random>
#include <set>

using namespace qs;
using namespace qs::test;

namespace {

std::vector<const GgmlType*> readableBlocks() {
    std::vector<const GgmlType*> out;
    for (const GgmlType& t : ggmlTypes())
        if (t.dequantize) out.push_back(&t);
    return out;
}

bool sameBits(float a, float b) {
    return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

} // namespace

class GgmlBlocksTest : public QObject {
    Q_OBJECT
private slots:
    /// Blocks and values of tests/golden/gen/ggml_blocks.py, bit by bit.
    void goldenBlocks_data() {
        QTest::addColumn<uint>("id");
        for (const GgmlType* t : readableBlocks())
            QTest::newRow(std::string(t->name).c_str()) << uint(t->id);
    }
    void goldenBlocks() {
        QFETCH(uint, id);
        const GgmlType& type = *ggmlType(id);
        const auto golden = openCheckpoint(sourceDir() / "tests/golden/ggml/blocks.safetensors");
        QS_VERIFY_OK(golden);
        const auto blocks = (*golden)->rawBytes((*golden)->find(std::string(type.name) + ".blocks"));
        const auto values = (*golden)->readMatrix(std::string(type.name) + ".values");
        QS_VERIFY_OK(blocks);
        QS_VERIFY_OK(values);
        QCOMPARE(blocks->size() / type.bytes * type.elements, values->size());
        std::vector<float> out(values->size());
        QS_VERIFY_OK(ggmlToFloat(type, *blocks, out));
        size_t finite = 0;
        for (size_t i = 0; i < out.size(); ++i) {
            finite += std::isfinite(out[i]);
            QVERIFY2(sameBits(out[i], values->data()[i]),
                     qPrintable(QString("element %1 of block %2: %3, expected %4")
                                    .arg(i % type.elements)
                                    .arg(i / type.elements)
                                    .arg(double(out[i]))
                                    .arg(double(values->data()[i]))));
        }
        QVERIFY(finite > out.size() / 2);
    }

    /// d = 1.5 (0x3E00); byte 0 = 0x91: element 0 is 1 - 8 = -7, element 16 is 9 - 8 = 1.
    void oneBlockByHand() {
        std::vector<std::byte> block(18, std::byte{0x88});
        block[0] = std::byte{0x00};
        block[1] = std::byte{0x3E};
        block[2] = std::byte{0x91};
        std::vector<float> out(32);
        QS_VERIFY_OK(ggmlToFloat(*ggmlType(2), block, out));
        QCOMPARE(out[0], -10.5f);
        QCOMPARE(out[16], 1.5f);
        for (const size_t i : {1, 15, 17, 31})
            QCOMPARE(out[i], 0.0f);
    }

    void tableIsConsistent() {
        std::set<uint32_t> ids;
        std::set<std::string_view> names;
        for (const GgmlType& t : ggmlTypes()) {
            QVERIFY(ids.insert(t.id).second);
            QVERIFY(names.insert(t.name).second);
            QVERIFY(t.elements > 0 && t.bytes > 0);
            QCOMPARE(ggmlType(t.id), &t);
            // Read in one of two ways, or with the reason why not.
            QCOMPARE(int(t.plain.has_value()) + int(t.dequantize != nullptr) + int(!t.notReadable.empty()),
                     1);
            if (t.plain) QCOMPARE(int(t.bytes) * 8, dtypeInfo(*t.plain).bits);
        }
        for (const uint32_t removed : {4u, 5u, 31u, 33u, 36u, 38u, 43u, 1000u})
            QVERIFY(!ggmlType(removed));
        QCOMPARE(ggmlType(12)->bitsPerWeight(), 4.5);
        QCOMPARE(ggmlType(14)->bitsPerWeight(), 6.5625);
    }

    void wrongSizesAndUnreadableTypesAreErrors() {
        std::vector<std::byte> bytes(36);
        std::vector<float> out(64);
        QS_VERIFY_OK(ggmlToFloat(*ggmlType(2), bytes, out));
        QVERIFY(!ggmlToFloat(*ggmlType(2), std::span(bytes).first(35), out));
        QVERIFY(!ggmlToFloat(*ggmlType(2), std::span(bytes).first(18), out));
        QVERIFY(!ggmlToFloat(*ggmlType(2), bytes, std::span(out).first(63)));
        const auto grid = ggmlToFloat(*ggmlType(16), bytes, out);
        QCOMPARE(grid.error().code, ErrorCode::Unsupported);
        QVERIFY(grid.error().message.find("IQ2_XXS") != std::string::npos);
        QCOMPARE(ggmlToFloat(*ggmlType(26), bytes, std::span(out).first(9)).error().code,
                 ErrorCode::Unsupported);
    }

    void throughput() {
        std::mt19937 rng(1);
        for (const GgmlType* t : readableBlocks()) {
            const size_t blocks = (size_t(1) << 22) / t->elements;
            std::vector<std::byte> bytes(blocks * t->bytes);
            for (std::byte& b : bytes)
                b = std::byte(rng() & 0x3F); // scales stay finite
            std::vector<float> out(blocks * t->elements);
            double best = 1e9;
            for (int run = 0; run < 3; ++run) {
                const auto start = std::chrono::steady_clock::now();
                t->dequantize(bytes.data(), blocks, out.data());
                best = std::min(
                    best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
            }
            const double gbps = double(out.size() * sizeof(float)) / best / 1e9;
            qInfo("%-7s %.2f GB/s", std::string(t->name).c_str(), gbps);
            QVERIFY(gbps > 0.05); // a shared machine; the figure is what matters
        }
    }
};

QS_TEST(GgmlBlocksTest)
#include "tst_ggml_blocks.moc"
