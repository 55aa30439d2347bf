// SPDX-License-Identifier: Apache-2.0
#include "core/codec/levels.h"
#include "core/tensor/small_float.h"
#include "tests/unit/codec/level_golden.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class Codec_float : public QObject {
    Q_OBJECT
private slots:
    void golden_data() { goldenRows("float"); }
    void golden() {
        QFETCH(int, at);
        QuantizedTensor q;
        compareWithGolden(at, q);
        if (QTest::currentTestFailed()) return;
        const auto& expected = levelGolden()["cases"][size_t(at)];
        const SmallFloat& format = *smallFloat(expected["params"]["format"].get<std::string>());
        for (size_t i = 0; i < q.codes.size(); ++i)
            QCOMPARE(int(patternOf(format, q.codes[i])),
                     expected["patterns"][i / q.cols][i % q.cols].get<int>());
    }
    void patternsDecode() {
        // The decoders of files, which are tested against the standard's tables, agree for every code.
        for (const auto& [id, decode] : {std::pair("e4m3", &e4m3ToFloat), std::pair("e5m2", &e5m2ToFloat)}) {
            const SmallFloat& f = *smallFloat(id);
            const Levels& levels = levelsOf(f);
            QCOMPARE(levels.count(), size_t(std::string(id) == "e4m3" ? 253 : 247));
            for (size_t c = 0; c < levels.count(); ++c)
                QCOMPARE(levels.value(c), decode(patternOf(f, c)));
        }
        const SmallFloat& f = *smallFloat("e2m1");
        for (size_t c = 0; c < levelsOf(f).count(); ++c)
            QCOMPARE(levelsOf(f).value(c), kE2M1Values[patternOf(f, c)]);
    }
    void tiesGoToEvenPatterns() {
        const Levels& fp4 = levelsOf(*smallFloat("e2m1")); // 0 .5 1 1.5 2 3 4 6: patterns 0..7
        for (const auto& [v, nearest] : {std::pair(0.25f, 0.0f),
                                         {0.75f, 1.0f},
                                         {1.25f, 1.0f},
                                         {1.75f, 2.0f},
                                         {2.5f, 2.0f},
                                         {3.5f, 4.0f},
                                         {5.0f, 4.0f},
                                         {-5.0f, -4.0f},
                                         {-2.5f, -2.0f},
                                         {-0.75f, -1.0f},
                                         {7.0f, 6.0f},
                                         {-100.0f, -6.0f}})
            QCOMPARE(fp4.value(fp4.nearest(v)), nearest);
    }
    /// The largest value of E2M1 is 6: max|w| / 6 rounded up to a power of two.
    void scalesThatArePowersOfTwo() {
        const auto codec = makeCodec("float", {{"format", "e2m1"}, {"group", 4}, {"power_of_two", true}});
        Matrix w(1, 12);
        const float values[] = {6, 1, 0, -3, 6.1f, 1, 0, 0, 0.7f, -0.1f, 0, 0};
        std::copy_n(values, 12, w.data());
        auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        QS_VERIFY_OK(codec->checkParameters(*q));
        QCOMPARE(q->scale(0, 0), 1.0f);
        QCOMPARE(q->scale(0, 1), 2.0f);
        QCOMPARE(q->scale(0, 2), 0.125f);
        QCOMPARE(codec->storedBits(1, 12)->total(), uint64_t(12 * 4 + 3 * 8));
        QuantizedTensor bad = std::move(*q);
        bad.scale(0, 1) = 3;
        const auto refused = codec->checkParameters(bad);
        QVERIFY(!refused && refused.error().message.find("power of two") != std::string::npos);
    }
    void positionCountsSteps() {
        const Levels& fp4 = levelsOf(*smallFloat("e2m1"));
        QCOMPARE(fp4.position(0), 7.0);
        QCOMPARE(fp4.position(2.5), 11.5);
        QCOMPARE(fp4.position(7), 14.5); // the last step is 2
        QCOMPARE(fp4.position(-8), -1.0);
    }
    void blocks() {
        // [5, 6] in blocks of 2 x 4: 3 x 2 scales, the last ones of smaller blocks.
        const auto codec = makeCodec("float", {{"format", "e4m3"}, {"group", 4}, {"block_rows", 2}});
        const GroupLayout l = *codec->layout(5, 6);
        QCOMPARE(l.scaleRows, size_t(3));
        QCOMPARE(l.groups, size_t(2));
        QCOMPARE(codec->storedBits(5, 6)->total(), uint64_t(5 * 6 * 8 + 6 * 32));
        Matrix w(5, 6);
        for (size_t i = 0; i < w.size(); ++i)
            w.data()[i] = float(i) - 12.0f;
        const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        const float most[3][2] = {{12, 8}, {9, 11}, {15, 17}};
        for (size_t b = 0; b < 3; ++b)
            for (size_t g = 0; g < 2; ++g)
                QCOMPARE(q->scale(b, g), most[b][g] / 448.0f);
        const Matrix values = codec->dequantize(*q);
        for (size_t r = 0; r < 5; ++r)
            for (size_t c = 0; c < 6; ++c)
                QVERIFY(std::fabs(values(r, c) - w(r, c)) <= most[r / 2][c / 4] / 16);
    }
    void searchIsNotWorse() {
        for (const char* format : {"e2m1", "e2m3", "e3m0"}) {
            const auto codec = makeCodec("float", {{"format", format}, {"group", 32}});
            QVERIFY(goldenError(*codec, RangeRule::Mse, std::vector<float>(64, 1.0f)) <=
                    goldenError(*codec, RangeRule::MinMax));
        }
    }
    void refusals() {
        const CodecDescriptor* d = *findCodec("float");
        const auto p = Params::fromJson(d->params, {{"block_rows", 128}}, "test");
        QVERIFY(!d->create(*p));
        QVERIFY(!makeCodec("float", {{"group", 32}})->layout(4, 48));
        QVERIFY(makeCodec("float", {{"group", 32}, {"block_rows", 2}})->layout(4, 48).has_value());
    }
};

QS_TEST(Codec_float)
#include "tst_codec_float.moc"
