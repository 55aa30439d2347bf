// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/codec/level_golden.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class Codec_bdr : public QObject {
    Q_OBJECT
private slots:
    void golden_data() { goldenRows("bdr"); }
    void golden() {
        QFETCH(int, at);
        QuantizedTensor q;
        compareWithGolden(at, q);
    }
    void exactBits() {
        for (const auto& [format, bits] : {std::pair("mx9", 9), {"mx6", 6}, {"mx4", 4}})
            QCOMPARE(makeCodec("bdr", {{"format", format}})->storedBits(7, 48)->total(),
                     uint64_t(7 * 48 * bits));
        QVERIFY(!makeCodec("bdr", {})->layout(2, 24));
    }
    void codes() {
        for (const auto& [format, mantissa] : {std::pair("mx9", 7), {"mx6", 4}, {"mx4", 2}}) {
            const auto codec = makeCodec("bdr", {{"format", format}});
            const int top = (1 << mantissa) - 1;
            QCOMPARE(codec->levels(), 2 * top + 1);
            for (int k = -top; k <= top; ++k) // on 2^3: steps of 2^(4 - m)
                QCOMPARE(codec->decode(uint8_t(k + top), 8, 0), float(k) * std::ldexp(1.0f, 4 - mantissa));
            everyCodeIsItself(*codec, 0.25f, 0);
        }
    }
    void byHand() {
        // MX4, max 5: E = 2, steps of 2. Pairs below 4 are shifted: steps of 1, up to 3.
        const auto codec = makeCodec("bdr", {{"format", "mx4"}});
        Matrix w(1, 16);
        const float in[] = {5, 0.9f, 3.4f, -1.6f, -4.9f, 1.1f}, out[] = {4, 0, 3, -2, -4, 2};
        std::copy(std::begin(in), std::end(in), w.data());
        const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        QCOMPARE(q->superScale(0, 0), 4.0f);
        QCOMPARE(q->scale(0, 1), 2.0f);
        const Matrix values = codec->dequantize(*q);
        for (size_t i = 0; i < 16; ++i)
            QCOMPARE(values(0, i), i < 6 ? out[i] : 0.0f);
    }
    void extremeExponents() {
        const auto codec = makeCodec("bdr", {{"format", "mx9"}});
        Matrix w(2, 16);
        w(0, 0) = 3e38f;
        w(1, 0) = 1e-40f; // below 2^-127: a fraction of the smallest exponent
        const auto q = quantizeToNearest(w.view(), *codec, RangeRule::Mse, JobContext());
        QS_VERIFY_OK(q);
        QS_VERIFY_OK(codec->checkParameters(*q));
        const Matrix values = codec->dequantize(*q);
        QVERIFY(std::fabs(values(0, 0) / 3e38f - 1) < 0.01f);
        QVERIFY(std::fabs(values(1, 0) - 1e-40f) <= 1e-40f);
    }
    void searchIsNotWorse() {
        std::vector<float> importance(64);
        for (size_t i = 0; i < 64; ++i)
            importance[i] = i % 5 == 0 ? 9.0f : 1.0f;
        for (const char* format : {"mx4", "mx6"}) {
            const auto codec = makeCodec("bdr", {{"format", format}});
            QVERIFY(goldenError(*codec, RangeRule::Mse) < goldenError(*codec, RangeRule::MinMax));
            QVERIFY(goldenError(*codec, RangeRule::Mse, importance) <
                    goldenError(*codec, RangeRule::MinMax, importance));
        }
    }
    void damageIsRefused() {
        const auto codec = makeCodec("bdr", {});
        const Matrix w = matrixOf(levelGolden()["weights"]);
        const auto refusal = [&](auto damage) {
            auto q = *quantizeToNearest(w.view(), *codec, {}, JobContext());
            damage(q);
            const auto checked = codec->checkParameters(q);
            return checked ? std::string() : checked.error().message;
        };
        QVERIFY(refusal([](QuantizedTensor&) {}).empty());
        QVERIFY(refusal([](QuantizedTensor& q) { q.superScale(1, 2) *= 1.5f; }).find("super_scale[1, 2]") !=
                std::string::npos);
        QVERIFY(refusal([](QuantizedTensor& q) { q.scale(3, 9) /= 4; }).find("scale[3, 9]") !=
                std::string::npos);
        QVERIFY(!refusal([](QuantizedTensor& q) { q.superScale = Matrix(1, 1); }).empty());
    }
};

QS_TEST(Codec_bdr)
#include "tst_codec_bdr.moc"
