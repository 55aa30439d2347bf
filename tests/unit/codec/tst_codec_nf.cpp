// SPDX-License-Identifier: Apache-2.0
#include "core/codec/nf_map.h"
#include "tests/unit/codec/level_golden.h"

#include <cmath>
#include <random>

using namespace qs;
using namespace qs::test;

class Codec_nf : public QObject {
    Q_OBJECT
private slots:
    void golden_data() { goldenRows("nf"); }
    void golden() {
        QFETCH(int, at);
        QuantizedTensor q;
        compareWithGolden(at, q);
    }
    void bits() {
        // METHODS G6: 4 + 32/64, and 4 + 8/64 + 32/(64 * 256) (one mean of the whole tensor aside)
        QCOMPARE(makeCodec("nf", {})->storedBits(256, 1024)->total(), uint64_t(256) * 1024 * 9 / 2);
        QCOMPARE(makeCodec("nf", {{"double_quant", true}})->storedBits(256, 1024)->total(),
                 uint64_t(256) * 1024 * 4 + 4096 * 8 + 16 * 32 + 32);
    }
    void everyStoredScaleIsFoundAgain() {
        std::mt19937 rng(4);
        std::uniform_real_distribution<float> draw(0.01f, 0.2f);
        for (int round = 0; round < 50; ++round) {
            const float nested = draw(rng), offset = draw(rng);
            for (size_t c = 0; c < 256; ++c) {
                const float scale = dynamicMap().value(c) * nested + offset;
                const size_t found = dynamicCode(scale, nested, offset);
                QCOMPARE(dynamicMap().value(found) * nested + offset, scale);
            }
        }
        QCOMPARE(dynamicMap().value(255), 1.0f);
        QCOMPARE(dynamicMap().value(0), -0.99296874f); // the middle of the last of 64 intervals
    }
    void nestedValuesOfManyBlocks() {
        // 300 blocks: the first 256 share one nested value, the others have their own.
        const auto codec = makeCodec("nf", {{"group", 32}, {"double_quant", true}});
        Matrix w(300, 32);
        std::mt19937 rng(5);
        std::normal_distribution<float> normal(0, 0.1f);
        for (float& v : w.span())
            v = normal(rng);
        w(10, 3) = 5;
        const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        QS_VERIFY_OK(codec->checkParameters(*q));
        QCOMPARE(q->superScale.cols(), size_t(2));
        QVERIFY(std::fabs(q->superScale(0, 0) + q->superZero(0, 0) - 5) < 1e-5f);
        QVERIFY(q->superScale(0, 1) < 1);
        auto damaged = *quantizeToNearest(w.view(), *codec, {}, JobContext());
        damaged.scale(20, 0) += 1e-4f;
        QVERIFY(!codec->checkParameters(damaged));
    }
    void searchIsNotWorse() {
        for (const bool twice : {false, true}) {
            const auto codec = makeCodec("nf", {{"bits", 3}, {"group", 32}, {"double_quant", twice}});
            const std::vector<float> even(64, 1.0f);
            QVERIFY(goldenError(*codec, RangeRule::Mse, even) < goldenError(*codec, RangeRule::MinMax, even));
        }
    }
};

QS_TEST(Codec_nf)
#include "tst_codec_nf.moc"
