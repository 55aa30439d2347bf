// SPDX-License-Identifier: Apache-2.0
#include "core/codec/gaussian_levels.h"
#include "tests/unit/codec/level_golden.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class Codec_gaussian : public QObject {
    Q_OBJECT

    static constexpr double kQuestClip[8] = {0.79788, 1.49353, 2.05107, 2.51393,
                                             2.91609, 3.27660, 3.60105, 3.88494};

    /// E f(x) for x of N(0, 1) between low and high, by Simpson's rule.
    template<class F>
    static double integral(double low, double high, F f) {
        constexpr int kSteps = 2000;
        const double h = (high - low) / kSteps;
        double sum = 0;
        for (int i = 0; i <= kSteps; ++i) {
            const double x = low + h * i;
            sum += (i == 0 || i == kSteps ? 1 : i % 2 ? 4 : 2) * f(x) * std::exp(-x * x / 2);
        }
        return sum * h / 3 / std::sqrt(2 * M_PI);
    }

private slots:
    void golden_data() { goldenRows("gaussian"); }
    void golden() {
        QFETCH(int, at);
        QuantizedTensor q;
        compareWithGolden(at, q);
    }
    /// METHODS G14: QuEST's constants are the optimum to 4 bits, and within 1 % in squared error at 8.
    void publishedClips() {
        for (int bits = 1; bits <= 4; ++bits)
            QVERIFY2(std::fabs(gaussianClip(bits) - kQuestClip[bits - 1]) < 1e-4,
                     qPrintable(QString::number(gaussianClip(bits), 'g', 8)));
        for (int bits = 5; bits <= 8; ++bits) {
            const double own = gaussianError(evenLevels(gaussianClip(bits), bits)),
                         published = gaussianError(evenLevels(kQuestClip[bits - 1], bits));
            QVERIFY(own <= published && published <= 1.01 * own);
        }
    }
    void publishedErrors() {
        const double even[] = {0.36338, 0.11885, 0.03744, 0.01154},
                     best[] = {0.36338, 0.1175, 0.03454, 0.009497};
        for (int bits = 1; bits <= 4; ++bits) {
            QVERIFY(std::fabs(gaussianError(evenLevels(gaussianClip(bits), bits)) - even[bits - 1]) < 6e-6);
            QVERIFY(std::fabs(gaussianError(lloydMaxLevels(bits)) - best[bits - 1]) < 6e-5);
        }
    }
    /// By the definition: every level is the mean of the values that are nearest to it.
    void levelsAreMeans_data() {
        QTest::addColumn<int>("bits");
        for (int bits = 1; bits <= 8; ++bits)
            QTest::addRow("%d", bits) << bits;
    }
    void levelsAreMeans() {
        QFETCH(int, bits);
        const std::vector<double> v = lloydMaxLevels(bits);
        QCOMPARE(v.size(), size_t(1) << bits);
        double error = 0;
        for (size_t k = 0; k < v.size(); ++k) {
            const double low = k == 0 ? -12 : (v[k - 1] + v[k]) / 2,
                         high = k + 1 == v.size() ? 12 : (v[k] + v[k + 1]) / 2;
            QVERIFY(low < v[k] && v[k] < high);
            const double mass = integral(low, high, [](double) { return 1.0; }),
                         mean = integral(low, high, [](double x) { return x; }) / mass;
            QVERIFY2(std::fabs(mean - v[k]) < 1e-9, qPrintable(QString("%1: %2").arg(k).arg(mean - v[k])));
            error += integral(low, high, [&](double x) { return (x - v[k]) * (x - v[k]); });
        }
        QVERIFY(std::fabs(gaussianError(v) / error - 1) < 1e-7);
        QVERIFY(gaussianError(v) <= gaussianError(evenLevels(gaussianClip(bits), bits)) * (1 + 1e-12));
    }
    void codes_data() { levelsAreMeans_data(); }
    void codes() {
        QFETCH(int, bits);
        for (const char* steps : {"even", "best"}) {
            const auto codec = makeCodec("gaussian", {{"bits", bits}, {"steps", steps}});
            QCOMPARE(codec->levels(), 1 << bits);
            everyCodeIsItself(*codec, 0.37f, 0);
            QCOMPARE(codec->storedBits(2, 256)->total(), uint64_t(2 * 256 * bits + 2 * 2 * 16));
            for (int c = 0; c + 1 < codec->levels(); ++c) // upwards, and symmetric
                QVERIFY(codec->decode(uint8_t(c), 1, 0) < codec->decode(uint8_t(c + 1), 1, 0));
            QCOMPARE(codec->decode(0, 1, 0), -codec->decode(uint8_t(codec->levels() - 1), 1, 0));
        }
    }
    /// What the codec does to normal weights is what the integrals say.
    void errorOfNormalWeights() {
        std::mt19937_64 rng(9);
        std::normal_distribution<float> normal(0.0f, 0.03f);
        Matrix w(64, 4096);
        for (float& v : w.span())
            v = normal(rng);
        for (const auto& [bits, steps, expected] : {std::tuple(2, "even", 0.11885), {3, "best", 0.03454}}) {
            const auto codec = makeCodec("gaussian", {{"bits", bits}, {"steps", steps}, {"group", -1}});
            const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
            QS_VERIFY_OK(q);
            const double error = measureError(w.view(), codec->dequantize(*q).view(), nullptr)->weight;
            QVERIFY2(std::fabs(error / expected - 1) < 0.01, qPrintable(QString::number(error)));
        }
    }
    void searchIsNotWorse() {
        const std::vector<float> same(64, 1.0f);
        for (const char* steps : {"even", "best"}) {
            const auto codec = makeCodec("gaussian", {{"bits", 3}, {"steps", steps}, {"group", 32}});
            QVERIFY(goldenError(*codec, RangeRule::Mse, same) < goldenError(*codec, RangeRule::MinMax));
        }
    }
};

QS_TEST(Codec_gaussian)
#include "tst_codec_gaussian.moc"
