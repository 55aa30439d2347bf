// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/codec/level_golden.h"

using namespace qs;
using namespace qs::test;

class Codec_dint : public QObject {
    Q_OBJECT
private slots:
    void valuesByHand() {
        const auto codec = makeCodec("dint", {{"bits", 4}});
        const float values[] = {-6, -5, -4, -3, -2, -1, -0.5f, 0, 0.5f, 1, 2, 3, 4, 5, 6};
        QCOMPARE(codec->levels(), 15);
        for (size_t i = 0; i < 15; ++i)
            QCOMPARE(codec->decode(uint8_t(i), 1, 0), values[i]);
        QCOMPARE(makeCodec("dint", {{"bits", 3}})->levels(), 7);
        QCOMPARE(makeCodec("dint", {{"bits", 8}})->levels(), 255);
        for (int bits = 3; bits <= 8; ++bits)
            everyCodeIsItself(*makeCodec("dint", {{"bits", bits}}), 0.37f, 0);
    }
    /// 6 is the largest of the row, so s = 1; 0.3 becomes a half, what integers of 4 bits (s = 6 / 7) make 0.
    void smallValuesStay() {
        Matrix w(1, 4);
        w(0, 0) = 6;
        w(0, 1) = 0.3f;
        w(0, 2) = -0.7f;
        w(0, 3) = 0.2f;
        const auto codec = makeCodec("dint", {{"bits", 4}, {"scale_dtype", "f32"}});
        const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        QS_VERIFY_OK(codec->checkParameters(*q));
        const Matrix out = codec->dequantize(*q);
        QCOMPARE(out(0, 0), 6.0f);
        QCOMPARE(out(0, 1), 0.5f);
        QCOMPARE(out(0, 2), -0.5f);
        QCOMPARE(out(0, 3), 0.0f);
        QCOMPARE(codec->storedBits(4, 8)->total(), uint64_t(4 * 8 * 4 + 4 * 32));
    }
    void searchLosesLess() {
        const auto codec = makeCodec("dint", {{"bits", 3}, {"group", 32}});
        QVERIFY(goldenError(*codec, RangeRule::Mse) < goldenError(*codec, RangeRule::MinMax));
    }
};

QS_TEST(Codec_dint)
#include "tst_codec_dint.moc"
