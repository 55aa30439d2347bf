// SPDX-License-Identifier: Apache-2.0
#include "core/codec/codec.h"
#include "core/tensor/dtype.h"
#include "tests/support/qs_test.h"

using namespace qs;

class ExtrasTest : public QObject {
    Q_OBJECT
private slots:
    /// Codes, then the product, then what is kept: by hand.
    void valuesOfATensor() {
        const CodecDescriptor* d = *findCodec("int");
        const auto codec = *d->create(
            *Params::fromJson(d->params, {{"bits", 4}, {"group", -1}, {"grid", "absmax"}}, "test"));
        QuantizedTensor q;
        q.codec = "int";
        q.codecParams = codec->params();
        q.rows = 2;
        q.cols = 3;
        q.layout = *codec->layout(2, 3);
        codec->allocateParameters(q);
        q.scale(0, 0) = 0.5f;
        q.scale(1, 0) = 2;
        q.zero(0, 0) = q.zero(1, 0) = 8;
        q.codes = {9, 8, 5, 10, 8, 8}; // 0.5 0 -1.5 / 4 0 0
        q.extras.lowRank = {Matrix(2, 1), Matrix(1, 3)};
        q.extras.lowRank.a(0, 0) = 1;
        q.extras.lowRank.a(1, 0) = -2;
        q.extras.lowRank.b(0, 0) = 0.25f;
        q.extras.lowRank.b(0, 1) = 0.5f;
        q.extras.lowRank.b(0, 2) = 4;
        q.extras.kept = {{0, 1, 3}, {1, 0, 2}, {7, -3, 0.125f}};
        const Matrix w = codec->dequantize(q);
        const float expected[] = {0.75f, 7, 2.5f, -3, -1, 0.125f};
        for (size_t i = 0; i < 6; ++i)
            QCOMPARE(w.data()[i], expected[i]);
        Matrix second(1, 3); // a part of the rows
        codec->dequantizeRows(q, 1, second.view());
        for (size_t c = 0; c < 3; ++c)
            QCOMPARE(second(0, c), expected[3 + c]);
        QCOMPARE(q.extras.kept.at(1, 2), 0.125f);
        QVERIFY(sizeOf(q.extras) == (ExtrasSize{3, 1}));
    }

    /// Every value is an 8-bit integer times the scale, and a float16.
    void valuesOfEightBits() {
        QCOMPARE(keptScale(127), 1.0f);          // 8 / 8
        QCOMPARE(keptScale(128), 9.0f / 8);      // 128 / 127 is above 8 / 8
        QCOMPARE(keptScale(1.99f * 127), 2.0f);  // above 15 / 8
        QCOMPARE(keptScale(0), 0x1p-21f);        // the least
        QCOMPARE(keptScale(1e30f), 480.0f);      // 15 * 2^5
        QCOMPARE(keptInteger(3.3f, 0.5f), 3.5f); // 6.6 steps
        QCOMPARE(keptInteger(-1e9f, 0.5f), -63.5f);
        for (float largest = 1e-9f; largest < 1e6f; largest *= 1.37f) {
            const float scale = keptScale(largest);
            QVERIFY(largest > 60960 || 127 * scale >= largest);
            QVERIFY(largest < 1e-4f || largest > 60960 || 127 * scale < 1.13f * largest);
            for (int k = -127; k <= 127; ++k) {
                const float v = scale * float(k);
                QCOMPARE(halfToFloat(floatToHalf(v)), v);
                QCOMPARE(keptInteger(v, scale), v);
            }
        }
        Extras e;
        e.kept = {{0, 1}, {2}, {-1.5f}, {0.5f}};
        QVERIFY((sizeOf(e) == ExtrasSize{.kept = 1, .keptInt8 = true}));
        float row[] = {1, 2, 3};
        applyExtras(e, 0, MatrixView{row, 1, 3, 3});
        QCOMPARE(row[1], 2.0f);
        QCOMPARE(row[2], -1.5f);
    }

    void bitsByHand() {
        QCOMPARE(keptBits({.kept = 7, .keptInt8 = true}, 3, 10), uint64_t(30 + 7 * 8 + 3 * 16));
        QCOMPARE(keptBits({}, 100, 100), uint64_t(0));
        QCOMPARE(keptBits({3, 0}, 2, 3), uint64_t(3 * 32 + 3 * 32));
        QCOMPARE(keptBits({3, 0}, 2, 65537), uint64_t(3 * 48 + 3 * 32));
        QCOMPARE(lowRankBits({0, 5}, 20, 12), uint64_t(5 * 32 * 16));
    }
};

QS_TEST(ExtrasTest)
#include "tst_extras.moc"
