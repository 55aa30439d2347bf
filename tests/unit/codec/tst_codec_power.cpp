// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/codec/level_golden.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class Codec_power : public QObject {
    Q_OBJECT
private slots:
    void golden_data() { goldenRows("power"); }
    void golden() {
        QFETCH(int, at);
        QuantizedTensor q;
        compareWithGolden(at, q);
    }
    void codes_data() {
        QTest::addColumn<int>("bits");
        QTest::addColumn<float>("exponent");
        for (int bits = 2; bits <= 8; ++bits)
            for (const float exponent : {0.1f, 0.5f, 0.83f, 1.0f})
                QTest::addRow("%d bits, %g", bits, double(exponent)) << bits << exponent;
    }
    void codes() {
        QFETCH(int, bits);
        QFETCH(float, exponent);
        const auto codec = makeCodec("power", {{"bits", bits}});
        const int top = (1 << (bits - 1)) - 1;
        QCOMPARE(codec->levels(), 2 * top + 1);
        everyCodeIsItself(*codec, 0.37f, exponent);
        for (int q = -top; q <= top; ++q) {
            const double expected =
                0.37f * std::copysign(std::pow(std::abs(q) / double(top), 1 / double(exponent)), q);
            const float value = codec->decode(uint8_t(q + top), 0.37f, exponent);
            QVERIFY(std::fabs(double(value) - expected) <= 2e-7 * std::fabs(expected));
            QVERIFY(std::fabs(codec->level(double(value), 0.37f, exponent) - (q + top)) < 1e-4);
        }
    }
    void evenStepsAtOne() {
        // int8 absmax is the same grid.
        const Matrix w = matrixOf(levelGolden()["weights"]);
        const nlohmann::json rest = {{"bits", 8}, {"group", 32}, {"scale_dtype", "f32"}};
        auto a = rest, b = rest;
        a.update({{"search_exponent", false}, {"exponent", 1.0}});
        b.update({{"grid", "absmax"}});
        const auto power = makeCodec("power", a), absmax = makeCodec("int", b);
        const Matrix x = power->dequantize(*quantizeToNearest(w.view(), *power, {}, JobContext())),
                     y = absmax->dequantize(*quantizeToNearest(w.view(), *absmax, {}, JobContext()));
        for (size_t i = 0; i < w.size(); ++i)
            QVERIFY(std::fabs(x.data()[i] - y.data()[i]) <= 1e-6f * std::fabs(y.data()[i]));
    }
    void searchedExponent() {
        for (const auto& expected : levelGolden()["power_search"]) {
            const auto codec = makeCodec(
                "power", {{"bits", expected["bits"]}, {"group", expected["group"]}, {"scale_dtype", "f32"}});
            const double error = goldenError(*codec, RangeRule::MinMax), best = expected["error"];
            QVERIFY2(error <= 1.005 * best, qPrintable(QString("%1, best %2").arg(error).arg(best)));
            QVERIFY(best < 0.7 * expected["plain"].get<double>()); // what the search is for
        }
    }
    void searchIsNotWorse() {
        const auto codec = makeCodec("power", {{"bits", 3}, {"group", 32}});
        QVERIFY(goldenError(*codec, RangeRule::Mse, std::vector<float>(64, 1.0f)) <
                goldenError(*codec, RangeRule::MinMax));
    }
    void zerosAndSizes() {
        const auto codec = makeCodec("power", {});
        const Matrix w(3, 40);
        const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        QS_VERIFY_OK(codec->checkParameters(*q));
        const Matrix values = codec->dequantize(*q);
        for (const float v : values.span())
            QCOMPARE(v, 0.0f);
        QCOMPARE(codec->storedBits(3, 40)->total(), uint64_t(3 * 40 * 4 + 3 * 16 + 32));
    }
    void damageIsRefused() {
        const auto codec = makeCodec("power", {});
        const Matrix w = matrixOf(levelGolden()["weights"]);
        const auto refusal = [&](auto damage) {
            auto q = *quantizeToNearest(w.view(), *codec, {}, JobContext());
            damage(q);
            const auto checked = codec->checkParameters(q);
            return checked ? std::string() : checked.error().message;
        };
        QVERIFY(refusal([](QuantizedTensor&) {}).empty());
        QVERIFY(refusal([](QuantizedTensor& q) { q.superScale(0, 0) = 0; }).find("0.1") != std::string::npos);
        QVERIFY(refusal([](QuantizedTensor& q) { q.zero(2, 0) = 0.3f; }).find("zero[2, 0]") !=
                std::string::npos);
        QVERIFY(refusal([](QuantizedTensor& q) { q.scale(1, 0) = -1; }).find("scale[1, 0]") !=
                std::string::npos);
        QVERIFY(!refusal([](QuantizedTensor& q) { q.superScale = Matrix(); }).empty());
    }
};

QS_TEST(Codec_power)
#include "tst_codec_power.moc"
