// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/codec/level_golden.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class Codec_int_two_level : public QObject {
    Q_OBJECT
private slots:
    void golden_data() { goldenRows("int_two_level"); }
    void golden() {
        QFETCH(int, at);
        QuantizedTensor q;
        compareWithGolden(at, q);
    }
    void byHand() {
        // Groups -8 .. 7 (s = 1, z = 8, k up to 15) and 0 .. 6 (s = 0.4, z = 0, k up to 8), 4 bits: s8 =
        // max(1 / 15, 0.4 / 8) = 1 / 15, k = 15 and round(0.4 * 15) = 6.
        const auto codec = makeCodec("int_two_level", {{"group", 8}});
        Matrix w(1, 16);
        const float in[] = {-8, 7, 0, 1, 2, -3, 4, 0.4f, 0, 6, 0.4f, 0.8f, 1.2f, 4, 2, 0};
        std::copy(std::begin(in), std::end(in), w.data());
        const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        QCOMPARE(q->superScale(0, 0), 1.0f / 15);
        QCOMPARE(q->zero(0, 0), 8.0f);
        QCOMPARE(q->zero(0, 1), 0.0f);
        QVERIFY(std::fabs(q->scale(0, 0) - 1) < 1e-6f && std::fabs(q->scale(0, 1) - 0.4f) < 1e-6f);
        const Matrix values = codec->dequantize(*q);
        for (size_t i = 0; i < 16; ++i)
            QVERIFY(std::fabs(values(0, i) - (i == 7 ? 0.0f : in[i])) < 1e-5f);
    }
    /// Every code of every group is an integer of the 8-bit grid.
    void staysOnTheByteGrid_data() {
        QTest::addColumn<int>("bits");
        QTest::addColumn<bool>("search");
        for (int bits = 2; bits <= 6; ++bits)
            for (const bool search : {false, true})
                QTest::addRow("%d bits%s", bits, search ? ", search" : "") << bits << search;
    }
    void staysOnTheByteGrid() {
        QFETCH(int, bits);
        QFETCH(bool, search);
        const auto codec = makeCodec("int_two_level", {{"bits", bits}, {"group", 8}});
        std::mt19937_64 rng(uint64_t(11 + bits));
        std::normal_distribution<float> normal;
        Matrix w(40, 64);
        for (size_t i = 0; i < w.size(); ++i)
            w.data()[i] = normal(rng) * std::exp(normal(rng)) + (i / 8 % 3 == 0 ? 2.0f : 0.0f);
        for (size_t c = 0; c < 64; ++c)
            w(5, c) = 0;
        for (size_t c = 8; c < 64; ++c)
            w(6, c) = 0;
        const auto q =
            quantizeToNearest(w.view(), *codec, search ? RangeRule::Mse : RangeRule::MinMax, JobContext());
        QS_VERIFY_OK(q);
        QS_VERIFY_OK(codec->checkParameters(*q));
        for (size_t r = 0; r < 40; ++r)
            for (size_t g = 0; g < 8; ++g)
                for (int code = 0; code < codec->levels(); ++code) {
                    const double v = double(codec->decode(uint8_t(code), q->scale(r, g), q->zero(r, g))) /
                                     double(q->superScale(r, 0));
                    QVERIFY(std::fabs(v - std::nearbyint(v)) < 1e-4 && std::fabs(v) < 127.01);
                }
        const Matrix values = codec->dequantize(*q);
        for (size_t c = 0; c < 64; ++c)
            QCOMPARE(values(5, c), 0.0f);
    }
    void codes() {
        for (int bits = 2; bits <= 6; ++bits) {
            const auto codec = makeCodec("int_two_level", {{"bits", bits}});
            for (int zero = 0; zero < codec->levels(); zero += 3)
                everyCodeIsItself(*codec, 0.375f, float(zero));
        }
    }
    void sizes() {
        QCOMPARE(makeCodec("int_two_level", {})->storedBits(6, 256)->total(),
                 uint64_t(6 * 256 * 4 + 6 * 2 * (8 + 4) + 6 * 32));
        QVERIFY(!makeCodec("int_two_level", {})->layout(6, 200));
    }
    void searchIsNotWorse() {
        std::vector<float> importance(64);
        for (size_t i = 0; i < 64; ++i)
            importance[i] = i % 5 == 0 ? 9.0f : 1.0f;
        for (const int bits : {3, 4}) {
            const auto codec = makeCodec("int_two_level", {{"bits", bits}, {"group", 16}});
            QVERIFY(goldenError(*codec, RangeRule::Mse) < goldenError(*codec, RangeRule::MinMax));
            QVERIFY(goldenError(*codec, RangeRule::Mse, importance) <
                    goldenError(*codec, RangeRule::MinMax, importance));
        }
    }
    void damageIsRefused() {
        const auto codec = makeCodec("int_two_level", {{"group", 16}});
        const Matrix w = matrixOf(levelGolden()["weights"]);
        const auto refusal = [&](auto damage) {
            auto q = *quantizeToNearest(w.view(), *codec, {}, JobContext());
            damage(q);
            const auto checked = codec->checkParameters(q);
            return checked ? std::string() : checked.error().message;
        };
        QVERIFY(refusal([](QuantizedTensor&) {}).empty());
        QVERIFY(refusal([](QuantizedTensor& q) { q.zero(1, 2) = 16; }).find("zero[1, 2]") !=
                std::string::npos);
        QVERIFY(refusal([](QuantizedTensor& q) { q.scale(1, 2) *= 1.01f; }).find("scale[1, 2]") !=
                std::string::npos);
        QVERIFY(refusal([](QuantizedTensor& q) {
                    q.scale(0, 1) = 16 * q.superScale(0, 0); // 16 * 8 is beyond the byte
                    q.zero(0, 1) = 8;
                }).find("k = 1 .. 15") != std::string::npos);
        QVERIFY(!refusal([](QuantizedTensor& q) { q.superScale(0, 0) = 0; }).empty());
        QVERIFY(!refusal([](QuantizedTensor& q) { q.superScale = Matrix(); }).empty());
    }
};

QS_TEST(Codec_int_two_level)
#include "tst_codec_int_two_level.moc"
