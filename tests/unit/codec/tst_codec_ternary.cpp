// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/codec/level_golden.h"

using namespace qs;
using namespace qs::test;

class Codec_ternary : public QObject {
    Q_OBJECT

    static Matrix weights() {
        Matrix w(2, 4); // |w|: mean 8 / 8 = 1, median (lower) 0.5; per row 3.5 / 4 and 4.5 / 4
        const float values[] = {-2, 0.5f, -0.5f, 0.5f, 3, -0.4f, 0.6f, 0.5f};
        std::copy(std::begin(values), std::end(values), w.data());
        return w;
    }
    static Matrix rounded(const nlohmann::json& params, Matrix* scale = nullptr) {
        const auto codec = makeCodec("ternary", params);
        auto q = quantizeToNearest(weights().view(), *codec, {}, JobContext());
        if (!q) qFatal("%s", q.error().describe().c_str());
        if (scale) *scale = q->scale.clone();
        return codec->dequantize(*q);
    }
    static std::vector<float> list(const Matrix& m) { return {m.span().begin(), m.span().end()}; }

private slots:
    void golden_data() { goldenRows("ternary"); }
    void golden() {
        QFETCH(int, at);
        QuantizedTensor q;
        compareWithGolden(at, q);
    }
    void byHand() {
        // One scale, mean|w| = 1: 0.5 is midway and goes to 0.
        Matrix scale;
        QCOMPARE(list(rounded({}, &scale)), (std::vector<float>{-1, 0, 0, 0, 1, 0, 1, 0}));
        QCOMPARE(list(scale), std::vector<float>{1});
        // The median is 0.5: only what is within 0.25 of 0 goes there.
        QCOMPARE(list(rounded({{"statistic", "absmedian"}}, &scale)),
                 (std::vector<float>{-0.5f, 0.5f, -0.5f, 0.5f, 0.5f, -0.5f, 0.5f, 0.5f}));
        QCOMPARE(list(scale), std::vector<float>{0.5f});
        // Per row, 4/3 of 0.875 and 1.125, as f32.
        rounded({{"statistic", "entropy"}, {"group", -1}, {"scale_dtype", "f32"}}, &scale);
        QCOMPARE(list(scale), (std::vector<float>{float(3.5 / 3), 1.5f}));
    }
    void codes() { everyCodeIsItself(*makeCodec("ternary", {}), 0.37f, 0); }
    void entropyOfUniformWeights() {
        // On -1 .. 1 the scale is 2/3: each of the three values for a third of the weights.
        const auto codec = makeCodec("ternary", {{"statistic", "entropy"}, {"scale_dtype", "f32"}});
        Matrix w(1, 3000);
        for (size_t i = 0; i < 3000; ++i)
            w.data()[i] = (float(i) + 0.5f) / 1500 - 1;
        const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        for (const int code : {0, 1, 2})
            QCOMPARE(std::count(q->codes.begin(), q->codes.end(), code), ptrdiff_t(1000));
    }
    void searchFindsTheBestScale() {
        // Of a normal distribution the best s is 1.22401 sigma (METHODS G14), 1.534 mean|w|, with an error of
        // 0.1902.
        const auto codec = makeCodec("ternary", {{"group", -1}, {"scale_dtype", "f32"}});
        std::mt19937_64 rng(8);
        std::normal_distribution<float> normal;
        Matrix w(1, 1 << 16);
        for (float& v : w.span())
            v = normal(rng);
        const auto q = quantizeToNearest(w.view(), *codec, RangeRule::Mse, JobContext());
        QS_VERIFY_OK(q);
        QVERIFY(std::abs(q->scale(0, 0) - 1.224f) < 0.02f);
        const Matrix values = codec->dequantize(*q);
        double error = 0;
        for (size_t i = 0; i < w.size(); ++i)
            error += std::pow(double(values.data()[i]) - double(w.data()[i]), 2) / double(w.size());
        QVERIFY2(std::abs(error - 0.1902) < 0.003, qPrintable(QString::number(error)));
    }
    void clipAndSizes() {
        const auto codec = makeCodec("ternary", {{"group", 64}});
        const Matrix w = matrixOf(levelGolden()["weights"]);
        const auto plain = quantizeToNearest(w.view(), *codec, {}, JobContext()),
                   half = quantizeToNearest(w.view(), *codec, RangeChoice(RangeRule::MinMax, 0.5f),
                                            JobContext());
        QVERIFY(std::abs(half->scale(1, 0) / plain->scale(1, 0) - 0.5f) < 1e-3f);
        QCOMPARE(codec->storedBits(4, 64)->total(), uint64_t(4 * 64 * 2 + 4 * 16));
        QCOMPARE(makeCodec("ternary", {})->storedBits(4, 60)->total(), uint64_t(4 * 60 * 2 + 16));
        QVERIFY(!codec->layout(4, 60));
    }
    void damageIsRefused() {
        const auto codec = makeCodec("ternary", {{"group", 32}});
        const Matrix w = matrixOf(levelGolden()["weights"]);
        auto q = *quantizeToNearest(w.view(), *codec, {}, JobContext());
        q.scale(1, 1) = 0.1f; // no f16
        const auto refused = codec->checkParameters(q);
        QVERIFY(!refused && refused.error().message.find("scale[1, 1]") != std::string::npos);
    }
};

QS_TEST(Codec_ternary)
#include "tst_codec_ternary.moc"
