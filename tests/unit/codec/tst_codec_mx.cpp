// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/codec/level_golden.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class Codec_mx : public QObject {
    Q_OBJECT
private slots:
    void golden_data() { goldenRows("mx"); }
    void golden() {
        QFETCH(int, at);
        QuantizedTensor q;
        compareWithGolden(at, q);
    }
    void scalesByHand() {
        // floor(log2 5) = 2, emax of E2M1 is 2: scale 1. 7 saturates at 6.
        const auto codec = makeCodec("mx", {{"format", "mxfp4"}});
        float s = 0, z = 0;
        codec->fitRange(-1, 7, s, z);
        QCOMPARE(s, 1.0f);
        codec->fitRange(-8, 0, s, z);
        QCOMPARE(s, 2.0f);
        codec->fitRange(0, 0, s, z);
        QCOMPARE(s, std::ldexp(1.0f, -127));
        QCOMPARE(codec->storedBits(2, 64)->total(), uint64_t(2 * 64 * 4 + 4 * 8));
    }
    void searchMayAvoidSaturation() {
        // All of a group at 7 |values|: scale 1 gives 6 (error 1), scale 2 gives 6 or 8 (error 1); at 7.9 the
        // larger scale is better.
        const auto codec = makeCodec("mx", {{"format", "mxfp4"}});
        Matrix w(1, 32);
        std::fill(w.span().begin(), w.span().end(), 7.9f);
        const auto plain = quantizeToNearest(w.view(), *codec, RangeRule::MinMax, JobContext());
        const auto searched = quantizeToNearest(w.view(), *codec, RangeRule::Mse, JobContext());
        QCOMPARE(plain->scale(0, 0), 1.0f);
        QCOMPARE(searched->scale(0, 0), 2.0f);
        QCOMPARE(codec->dequantize(*searched)(0, 3), 8.0f);
    }
    void searchIsNotWorse() {
        std::vector<float> importance(64);
        for (size_t i = 0; i < 64; ++i)
            importance[i] = i % 7 == 0 ? 20.0f : 1.0f;
        for (const char* format : {"mxfp4", "mxfp6_e2m3", "mxfp8_e4m3"}) {
            const auto codec = makeCodec("mx", {{"format", format}});
            QVERIFY(goldenError(*codec, RangeRule::Mse) <= goldenError(*codec, RangeRule::MinMax));
            QVERIFY(goldenError(*codec, RangeRule::Mse, importance) <=
                    goldenError(*codec, RangeRule::MinMax, importance));
        }
    }
    void damageIsRefused() {
        const auto codec = makeCodec("mx", {});
        const Matrix w = matrixOf(levelGolden()["weights"]);
        auto q = *quantizeToNearest(w.view(), *codec, {}, JobContext());
        q.scale(1, 1) *= 1.5f;
        const auto refused = codec->checkParameters(q);
        QVERIFY(!refused && refused.error().message.find("scale[1, 1]") != std::string::npos);
    }
};

QS_TEST(Codec_mx)
#include "tst_codec_mx.moc"
