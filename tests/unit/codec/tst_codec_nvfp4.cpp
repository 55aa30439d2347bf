// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/codec/level_golden.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class Codec_nvfp4 : public QObject {
    Q_OBJECT
private slots:
    void golden_data() { goldenRows("nvfp4"); }
    void golden() {
        QFETCH(int, at);
        QuantizedTensor q;
        compareWithGolden(at, q);
    }
    void groupOfZerosIsZero() {
        const auto codec = makeCodec("nvfp4", {});
        Matrix w(2, 32);
        w(0, 3) = 1.0f; // the other groups are 0
        const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        QS_VERIFY_OK(codec->checkParameters(*q));
        QCOMPARE(q->scale(1, 1), std::ldexp(1.0f, -9) / (448.0f * 6.0f)); // the least E4M3 value
        const Matrix values = codec->dequantize(*q);
        for (size_t i = 0; i < values.size(); ++i)
            QVERIFY(i == 3 ? std::fabs(values.data()[i] - 1.0f) < 1e-6f : values.data()[i] == 0.0f);
        const auto allZero = quantizeToNearest(Matrix(1, 16).view(), *codec, {}, JobContext());
        QS_VERIFY_OK(allZero);
        QCOMPARE(codec->dequantize(*allZero)(0, 5), 0.0f);
    }
    void searchIsNotWorse() {
        std::vector<float> importance(64);
        for (size_t i = 0; i < 64; ++i)
            importance[i] = i % 5 == 0 ? 9.0f : 1.0f;
        const auto codec = makeCodec("nvfp4", {});
        QVERIFY(goldenError(*codec, RangeRule::Mse) < goldenError(*codec, RangeRule::MinMax));
        QVERIFY(goldenError(*codec, RangeRule::Mse, importance) <
                goldenError(*codec, RangeRule::MinMax, importance));
    }
    void damageIsRefused() {
        const auto codec = makeCodec("nvfp4", {});
        const Matrix w = matrixOf(levelGolden()["weights"]);
        const auto damaged = [&](auto&& damage) {
            auto q = *quantizeToNearest(w.view(), *codec, {}, JobContext());
            damage(q);
            return !codec->checkParameters(q);
        };
        QVERIFY(!damaged([](QuantizedTensor&) {}));
        QVERIFY(damaged([](QuantizedTensor& q) { q.scale(2, 1) *= 1.01f; }));
        QVERIFY(damaged([](QuantizedTensor& q) { q.superScale(0, 0) = 0; }));
        QVERIFY(damaged([](QuantizedTensor& q) { q.superScale = Matrix(1, 2); }));
        QVERIFY(damaged([](QuantizedTensor& q) { q.zero(0, 0) = 1; }));
    }
};

QS_TEST(Codec_nvfp4)
#include "tst_codec_nvfp4.moc"
