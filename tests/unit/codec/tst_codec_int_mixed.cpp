// SPDX-License-Identifier: Apache-2.0
#include "core/codec/mixed_groups.h"
#include "tests/unit/codec/level_golden.h"

using namespace qs;
using namespace qs::test;

namespace {

/// One row of three groups of eight: +-0.1, 0 .. 3 twice, 0 .. 7.
Matrix threeGroups() {
    Matrix w(1, 24);
    for (size_t i = 0; i < 8; ++i) {
        w(0, i) = i % 2 == 0 ? 0.125f : -0.125f;
        w(0, 8 + i) = float(i % 4);
        w(0, 16 + i) = float(i);
    }
    return w;
}

} // namespace

class Codec_int_mixed : public QObject {
    Q_OBJECT
private slots:
    /// 1, 2 and 3 bits hold the three groups exactly, 2 bits everywhere do not.
    void byHand() {
        const auto codec = makeCodec("int_mixed", {{"bits", 2}, {"group", 8}});
        const Matrix w = threeGroups();
        const auto q = quantizeToNearest(w.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(q);
        QS_VERIFY_OK(codec->checkParameters(*q));
        QCOMPARE(q->zero(0, 0), 256.0f + 4); // offset (4 - 2) / 4
        QCOMPARE(q->scale(0, 0), 0.25f);
        QCOMPARE(q->zero(0, 1), 512.0f);
        QCOMPARE(q->scale(0, 1), 1.0f);
        QCOMPARE(q->zero(0, 2), 768.0f);
        QCOMPARE(q->codes, (std::vector<uint8_t>{1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 2, 3,
                                                 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7}));
        const Matrix v = codec->dequantize(*q);
        for (size_t i = 0; i < 24; ++i)
            QCOMPARE(v(0, i), w(0, i));
        // 24 weights of 2 bits, 3 scales of 16, 3 zeros of 3, 3 groups of 2.
        QCOMPARE(codec->storedBits(1, 24)->total(), uint64_t(48 + 48 + 9 + 6));
        QCOMPARE(codec->storedBits(10, 24)->total(), uint64_t(10 * (48 + 48 + 9) + 6));
    }
    /// A group of 1 bit: the mean less and plus the mean deviation, by hand; and where all are alike.
    void oneBit() {
        const float values[] = {1, 3, -1, 0, 2, 1}, weights[] = {1, 1, 1, 1, 1, 1};
        const MixedGroup g = MixedGroup::binary(values, weights, DType::F32);
        QCOMPARE(g.scale, 2.0f); // mean 1, deviations 0 2 2 1 1 0
        QCOMPARE(g.value(0), 0.0f);
        QCOMPARE(g.value(1), 2.0f);
        QCOMPARE(int(g.nearest(0.9f)), 0);
        QCOMPARE(int(g.nearest(1.1f)), 1);
        const float three[] = {0, 4, 7}, last[] = {1, 3, 1e-9f}; // mean 3, deviation 3 / 4 + 3 / 4
        const MixedGroup weighted = MixedGroup::binary(three, last, DType::F32);
        QVERIFY(std::fabs(weighted.value(0) - 1.5f) <= 1e-6f && std::fabs(weighted.value(1) - 4.5f) <= 1e-6f);
        for (const float same : {0.25f, -3.0f}) {
            const std::vector<float> alike(9, same);
            const MixedGroup flat = MixedGroup::binary(alike, {}, DType::F16);
            QCOMPARE(flat.value(flat.nearest(same)), same);
        }
    }
    void search() {
        // Two bits, one value far out. Steps of 5 / 3 leave each 1 an error of 2 / 3, sum 1.89; of 4 / 3 a
        // third and 5 an error of 1, sum 1.36; of 1 only 5 is wrong, by 2, sum 5.28.
        const float values[] = {1, 1, 1, 1, 1, 5, 0, 0}, shares[] = {1, 0.8f, 0.6f};
        const MixedGroup g = MixedGroup::search(2, values, {}, shares, DType::F32);
        QCOMPARE(g.scale, 4.0f / 3);
        const float few[] = {1, 1, 1, 1, 1, 1e4f, 1, 1};
        QCOMPARE(MixedGroup::search(2, values, few, shares, DType::F32).scale, 5.0f / 3);
    }
    void orderOfSalience() {
        const double salience[] = {5, 1, 9, 3, 7};
        QCOMPARE(bitsBySalience(salience, 0, 4), std::vector<int>(5, 4));
        QCOMPARE(bitsBySalience(salience, 2, 4), (std::vector<int>{4, 3, 5, 3, 5}));
    }
    void refusesWhatItDoesNotHold() {
        const auto codec = makeCodec("int_mixed", {{"bits", 2}, {"group", 8}});
        const Matrix w = threeGroups();
        const auto refused = [&](const char* part, const std::function<void(QuantizedTensor&)>& change) {
            QuantizedTensor q = *quantizeToNearest(w.view(), *codec, {}, JobContext());
            change(q);
            const auto r = codec->checkParameters(q);
            return !r && r.error().message.find(part) != std::string::npos;
        };
        QVERIFY(refused("codes[0, 3] is 2 in a group of 1 bits", [](auto& q) { q.codes[3] = 2; }));
        QVERIFY(refused("codes[0, 9] is 4 in a group of 2 bits", [](auto& q) { q.codes[9] = 4; }));
        QVERIFY(refused("scale[0, 1] = 0.1", [](auto& q) { q.scale(0, 1) = 0.1f; })); // no f16
        QVERIFY(refused("scale[0, 1] = -1", [](auto& q) { q.scale(0, 1) = -1; }));
        QVERIFY(refused("zero[0, 1] = 516", [](auto& q) { q.zero(0, 1) = 516; }));   // 0 .. 3
        QVERIFY(refused("zero[0, 0] = 264", [](auto& q) { q.zero(0, 0) = 264; }));   // 0 .. 7
        QVERIFY(refused("zero[0, 2] = 1024", [](auto& q) { q.zero(0, 2) = 1024; })); // 4 bits
        QVERIFY(refused("zero[0, 2] = 768.5", [](auto& q) { q.zero(0, 2) = 768.5f; }));
        QVERIFY(refused("zero[0, 2] = -1", [](auto& q) { q.zero(0, 2) = -1; }));
        QVERIFY(refused("zero[0, 2] = 1.00000002e+30", [](auto& q) { q.zero(0, 2) = 1e30f; }));
        QVERIFY(refused("+1 bits beyond 2", [](auto& q) { q.zero(0, 0) = 512; }));
        QVERIFY(refused("keeps the order", [](auto& q) { q.groupOfColumn.assign(24, 0); }));
        Matrix two(2, 24);
        for (size_t c = 0; c < 24; ++c)
            two(0, c) = two(1, c) = w(0, c);
        QuantizedTensor q = *quantizeToNearest(two.view(), *codec, {}, JobContext());
        QS_VERIFY_OK(codec->checkParameters(q));
        q.zero(1, 2) = 512;
        const auto r = codec->checkParameters(q);
        QVERIFY(!r && r.error().message.find("zero[1, 2] has 2 bits") != std::string::npos);
    }
    /// Inputs weigh: the group of few bits is the one whose inputs are hardly active.
    void importanceDecides() {
        const auto codec = makeCodec("int_mixed", {{"bits", 3}, {"group", 8}});
        Matrix w(4, 16);
        for (size_t i = 0; i < w.size(); ++i)
            w.data()[i] = float(int(i * 7919 % 101) - 50);
        for (const size_t quiet : {size_t(0), size_t(1)}) {
            std::vector<float> importance(16, 1);
            std::fill_n(importance.begin() + long(quiet * 8), 8, 1e-3f);
            QuantizedTensor q;
            q.rows = 4;
            q.cols = 16;
            q.layout = *codec->layout(4, 16);
            codec->prepareParameters(w.view(), importance, q);
            for (size_t r = 0; r < 4; ++r) {
                QCOMPARE(MixedZero::unpack(q.zero(r, quiet)).bits, 2);
                QCOMPARE(MixedZero::unpack(q.zero(r, 1 - quiet)).bits, 4);
            }
        }
    }
};

QS_TEST(Codec_int_mixed)
#include "tst_codec_int_mixed.moc"
