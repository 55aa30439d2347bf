// SPDX-License-Identifier: Apache-2.0
#include "core/codec/binary_fit.h"
#include "tests/unit/codec/level_golden.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class Codec_bcq : public QObject {
    Q_OBJECT

    static std::vector<float> normalValues(size_t n, uint64_t seed) {
        std::mt19937_64 rng(seed);
        std::normal_distribution<float> normal(0.2f, 1.0f);
        std::vector<float> out(n);
        for (float& v : out)
            v = normal(rng);
        return out;
    }

private slots:
    void golden_data() { goldenRows("bcq"); }
    void golden() {
        QFETCH(int, at);
        QuantizedTensor q;
        compareWithGolden(at, q);
    }
    void xnorByHand() {
        // Mean 1, mean distance from it 2.
        const auto codec = makeCodec("bcq", {{"bits", 1}, {"group", 8}, {"rounds", 0}});
        Matrix w(1, 8);
        const float in[] = {2, 4, 4, 2, 0, -2, -2, 0}, out[] = {3, 3, 3, 3, -1, -1, -1, -1};
        std::copy(std::begin(in), std::end(in), w.data());
        const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        QCOMPARE(q->scale(0, 0), 2.0f);
        QCOMPARE(q->zero(0, 0), 1.0f);
        const Matrix values = codec->dequantize(*q);
        for (size_t i = 0; i < 8; ++i)
            QCOMPARE(values(0, i), out[i]);
    }
    void everyRoundLowersTheError() {
        std::vector<float> importance(128);
        for (size_t i = 0; i < 128; ++i)
            importance[i] = i % 9 == 0 ? 12.0f : 1.0f;
        for (const auto& weights : {std::vector<float>(), importance})
            for (int planes = 1; planes <= kMostPlanes; ++planes)
                for (uint64_t seed = 0; seed < 20; ++seed) {
                    const std::vector<float> v = normalValues(128, seed);
                    double before = binaryError(fitBinary(v, weights, planes, 0), v, weights);
                    const double start = before;
                    for (int rounds = 1; rounds <= 12; ++rounds) {
                        const double error = binaryError(fitBinary(v, weights, planes, rounds), v, weights);
                        QVERIFY(error <= before);
                        before = error;
                    }
                    QVERIFY(planes == 1 ? before <= start : before < start);
                }
    }
    /// Where no codes change any more, no small change of a parameter helps.
    void fixedPointIsAMinimum() {
        const std::vector<float> v = normalValues(200, 3);
        const BinaryBasis fit = fitBinary(v, {}, 2, 100);
        const double least = binaryError(fit, v, {});
        for (const double step : {-1e-3, 1e-3}) {
            for (size_t p = 0; p < 2; ++p) {
                BinaryBasis moved = fit;
                moved.scales[p] += step;
                QVERIFY(binaryError(moved, v, {}) >= least);
            }
            BinaryBasis moved = fit;
            moved.offset += step;
            QVERIFY(binaryError(moved, v, {}) >= least);
        }
    }
    /// DB-LLM (METHODS C7): a1 b1 + a2 b2 with b in {0, 1}, a1 = 2 s, a2 = -s, is a basis of two planes
    /// around (a1 + a2) / 2, and what it makes of weights is found and stored as it is.
    void twoBinaryDecomposition() {
        const float s = 0.125f, a1 = 2 * s, a2 = -s;
        Matrix w(1, 64);
        for (size_t i = 0; i < 64; ++i) {
            const float v = 0.4f * std::sin(1.7f * float(i));
            const bool b1 = v > (a1 + a2) / 2, b2 = v - (b1 ? a1 : 0) < a2 / 2;
            w(0, i) = (b1 ? a1 : 0) + (b2 ? a2 : 0);
        }
        const auto codec = makeCodec("bcq", {{"group", 64}});
        QuantizedTensor q;
        q.codec = "bcq";
        q.codecParams = codec->params();
        q.rows = 1;
        q.cols = 64;
        q.layout = *codec->layout(1, 64);
        q.codes.resize(64);
        codec->allocateParameters(q);
        // By definition: scales s and s / 2, offset s / 2; fields of 12 bits, of 2^11 to the first scale.
        q.scale(0, 0) = s;
        q.zero(0, 0) = float(1024 + 4096 * (2048 + 1024));
        QS_VERIFY_OK(codec->checkParameters(q));
        roundToNearest(*codec, w.view(), q);
        const Matrix values = codec->dequantize(q);
        for (size_t i = 0; i < 64; ++i)
            QCOMPARE(values(0, i), w(0, i));
        // The fit, too, loses nothing.
        const auto fitted = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(fitted);
        QVERIFY(measureError(w.view(), codec->dequantize(*fitted).view(), nullptr)->weight < 1e-6);
    }
    void codes_data() {
        QTest::addColumn<int>("bits");
        for (int bits = 1; bits <= 4; ++bits)
            QTest::addRow("%d", bits) << bits;
    }
    void codes() {
        QFETCH(int, bits);
        const auto codec = makeCodec("bcq", {{"bits", bits}, {"group", 32}});
        QCOMPARE(codec->levels(), 1 << bits);
        // Halving scales, an offset of a quarter of the first: a_i = 2^(1-i), in fields of 24 / bits bits.
        const int field = 24 / bits, half = 1 << (field - 1);
        double packed = 0.25;
        if (bits > 1) {
            packed = std::ldexp(double(half + half / 4), field * (bits - 1));
            for (int i = 1; i < bits; ++i)
                packed += std::ldexp(double(half >> i), field * (i - 1));
        }
        for (int code = 0; code < 1 << bits; ++code) {
            double value = 0.25;
            for (int i = 0; i < bits; ++i)
                value += (code >> (bits - 1 - i) & 1 ? 1 : -1) * std::ldexp(1.0, -i);
            QCOMPARE(codec->decode(uint8_t(code), 1, float(packed)), float(value));
            QVERIFY(std::fabs(codec->level(value, 1, float(packed)) - code) < 1e-9); // these are in order
        }
        everyCodeIsItself(*codec, 1, float(packed));
        QCOMPARE(codec->storedBits(3, 64)->total(),
                 uint64_t(3 * 64 * bits + 3 * 2 * (16 + (bits == 1 ? 16 : 24))));
    }
    void constantGroups() {
        for (int bits = 1; bits <= 4; ++bits) {
            const auto codec = makeCodec("bcq", {{"bits", bits}, {"group", 16}});
            Matrix w(3, 16);
            for (size_t c = 0; c < 16; ++c) {
                w(1, c) = 0.25f;
                w(2, c) = c == 3 ? 30.0f : -1e-40f;
            }
            const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
            QS_VERIFY_OK(q);
            QS_VERIFY_OK(codec->checkParameters(*q));
            const Matrix values = codec->dequantize(*q);
            for (size_t c = 0; c < 16; ++c) {
                QVERIFY(std::fabs(values(0, c)) < 1e-6f);
                QVERIFY2(std::fabs(values(1, c) - 0.25f) < 1e-3f, qPrintable(QString::number(values(1, c))));
                QVERIFY(std::fabs(values(2, c) - w(2, c)) < 0.2f);
            }
        }
    }
    void damageIsRefused() {
        const auto codec = makeCodec("bcq", {{"bits", 3}, {"group", 32}});
        const Matrix w = matrixOf(levelGolden()["weights"]);
        const auto refusal = [&](float scale, float zero) {
            auto q = *quantizeToNearest(w.view(), *codec, {}, JobContext());
            if (!codec->checkParameters(q)) qFatal("the codec refuses its own");
            q.scale(2, 1) = scale;
            q.zero(2, 1) = zero;
            const auto checked = codec->checkParameters(q);
            return checked ? std::string() : checked.error().message;
        };
        QVERIFY(refusal(0.5f, 64 + 256 * 32).empty());
        QVERIFY(refusal(0.1f, 64).find("[2, 1]") != std::string::npos); // no f16
        QVERIFY(!refusal(-0.5f, 64).empty());
        QVERIFY(!refusal(0.5f, 0x1p24f).empty());
        QVERIFY(!refusal(0.5f, -1).empty());
        QVERIFY(!refusal(0.5f, 0.5f).empty());
        QVERIFY(!refusal(0.5f, 129).empty()); // the second scale above the first
    }
};

QS_TEST(Codec_bcq)
#include "tst_codec_bcq.moc"
