// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/codec/level_golden.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class Codec_log : public QObject {
    Q_OBJECT
private slots:
    /// Every code by the definition: s sign 2^(-q base / 74), and 0.
    void codes_data() {
        QTest::addColumn<int>("bits");
        QTest::addColumn<int>("base");
        QTest::addColumn<bool>("isSigned");
        for (const bool isSigned : {true, false})
            for (const int bits : {2, 3, 4, 6})
                for (const int base : {7, 37, 74, 148})
                    QTest::addRow("%d bits, base %d, %d", bits, base, isSigned) << bits << base << isSigned;
    }
    void codes() {
        QFETCH(int, bits);
        QFETCH(int, base);
        QFETCH(bool, isSigned);
        const nlohmann::json params = {{"bits", bits}, {"base", base}, {"sign", isSigned ? "both" : "none"}};
        const CodecDescriptor* d = *findCodec("log");
        const auto made = d->create(*Params::fromJson(d->params, params, "test"));
        if ((isSigned ? (1 << (bits - 1)) - 2 : (1 << bits) - 2) * base > 126 * 74) {
            QVERIFY(!made && made.error().message.find("smaller base") != std::string::npos);
            return;
        }
        QS_VERIFY_OK(made);
        const Codec& codec = **made;
        const int count = isSigned ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
        QCOMPARE(codec.levels(), isSigned ? 2 * count + 1 : count + 1);
        const int zero = isSigned ? count : 0;
        const float scale = 0.37f;
        QCOMPARE(codec.decode(uint8_t(zero), scale, 0), 0.0f);
        for (int q = 0; q < count; ++q) {
            const double expected = double(scale) * std::pow(2.0, -double(q) * base / 74);
            QVERIFY(std::fabs(double(codec.decode(uint8_t(zero + count - q), scale, 0)) - expected) <=
                    2e-7 * expected);
            if (isSigned)
                QVERIFY(std::fabs(double(codec.decode(uint8_t(q), scale, 0)) + expected) <= 2e-7 * expected);
        }
        everyCodeIsItself(codec, scale, 0);
    }
    /// Probabilities 0.5, 0.3, 0.15, 0.05 to powers of two: 0.5, 0.25, 0.125, 0.0625.
    void byHand() {
        const auto codec = makeCodec("log", {{"bits", 3}, {"sign", "none"}, {"scale_dtype", "f32"}});
        Matrix w(1, 6);
        const float values[] = {0.5f, 0.3f, 0.15f, 0.05f, -0.2f, 0.0f},
                    expected[] = {0.5f, 0.25f, 0.125f, 0.0625f, 0.0f, 0.0f};
        std::copy_n(values, 6, w.data());
        const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        const Matrix out = codec->dequantize(*q);
        for (size_t i = 0; i < 6; ++i)
            QCOMPARE(out(0, i), expected[i]);
        QCOMPARE(codec->storedBits(1, 6)->total(), uint64_t(6 * 3 + 32));
    }
    void fewerBitsKeepTheReach() {
        const CodecDescriptor* d = *findCodec("log");
        for (const int bits : d->bits) {
            const auto params =
                d->withBits(*Params::fromJson(d->params, {{"base", 148}, {"sign", "none"}}, "test"), bits);
            QS_VERIFY_OK(params);
            QS_VERIFY_OK(d->create(*params));
            QCOMPARE(params->integer("base") == 148, bits <= 6);
        }
    }
};

QS_TEST(Codec_log)
#include "tst_codec_log.moc"
