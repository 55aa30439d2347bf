// SPDX-License-Identifier: Apache-2.0
#include "core/codec/row_rounder.h"
#include "core/tensor/dtype.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

using namespace qs;

namespace {

/// Channel 1 in three parts; 0 and 4 merged, 2 and 5 too; 3 as it is.
const ChannelReassembly kExample{{0, 1, 2, 3, 1, 1}, {4, 1, 5, 3, 1, 1}};

/// G by its definition.
std::vector<std::vector<double>> plainMap(const ChannelReassembly& r) {
    const size_t n = r.first.size();
    std::vector<std::vector<double>> g(n, std::vector<double>(n));
    for (size_t k = 0; k < n; ++k) {
        if (r.first[k] != r.second[k]) {
            g[k][r.first[k]] = g[k][r.second[k]] = 0.5;
            continue;
        }
        double readers = 0;
        for (size_t l = 0; l < n; ++l)
            readers += r.first[l] == r.first[k] && r.second[l] == r.first[k] ? 1 : 0;
        g[k][r.first[k]] = 1 / readers;
    }
    return g;
}

} // namespace

class ChannelReassemblyTest : public QObject {
    Q_OBJECT
private slots:
    void rowsByHand() {
        QS_VERIFY_OK(checkReassembly(kExample, 6));
        const ReassemblyMap map(kExample);
        std::vector<float> x = {1, 12, 5, -2, 3, 7}, w = {10, 20, 30, 40, 50, 60}, scratch(6);
        map.gather(x.data(), scratch);
        QCOMPARE(x, (std::vector<float>{2, 4, 6, -2, 4, 4}));
        std::vector<float> back = x;
        map.spread(back.data(), scratch);
        QCOMPARE(back, (std::vector<float>{2, 12, 6, -2, 2, 6}));
        map.gatherWeights(w.data(), scratch);
        QCOMPARE(w, (std::vector<float>{60, 20, 90, 40, 20, 20}));
        map.spreadWeights(w.data(), scratch);
        QCOMPARE(w, (std::vector<float>{30, 20, 45, 40, 30, 45})); // (20 + 20 + 20) / 3 for channel 1
    }

    void sigmaByPlainLoops() {
        std::mt19937_64 rng(5);
        std::normal_distribution<double> normal;
        MatrixD sigma(6, 6);
        for (size_t i = 0; i < 6; ++i)
            for (size_t j = 0; j <= i; ++j)
                sigma(i, j) = sigma(j, i) = normal(rng);
        const auto g = plainMap(kExample);
        MatrixD made = sigma.clone();
        ReassemblyMap(kExample).gatherSigma(made);
        for (size_t k = 0; k < 6; ++k)
            for (size_t l = 0; l < 6; ++l) {
                double expected = 0;
                for (size_t a = 0; a < 6; ++a)
                    for (size_t b = 0; b < 6; ++b)
                        expected += g[k][a] * sigma(a, b) * g[l][b];
                QVERIFY(std::fabs(made(k, l) - expected) <= 1e-7 * (1 + std::fabs(expected)));
            }
    }

    void listsThatBreakARule_data() {
        QTest::addColumn<QList<int>>("first");
        QTest::addColumn<QList<int>>("second");
        QTest::addColumn<QString>("part");
        const auto row = [](const char* name, QList<int> first, QList<int> second, const char* part) {
            QTest::newRow(name) << first << second << part;
        };
        row("short", {0, 1}, {0, 1, 2}, "lists of 2 and 3 for 3 channels");
        row("beyond", {0, 1, 3}, {0, 1, 2}, "reassembled channel 2 reads 3 of 3");
        row("merged twice", {0, 0, 2}, {1, 2, 2}, "reassembled channel 1 merges 0 once more");
        row("merged and alone", {0, 1, 2}, {1, 1, 2}, "channel 1 is both alone in and merged by");
        row("left out", {0, 1, 1}, {0, 1, 1}, "channel 2 is read by no");
    }
    void listsThatBreakARule() {
        QFETCH(QList<int>, first);
        QFETCH(QList<int>, second);
        QFETCH(QString, part);
        const ChannelReassembly r{{first.begin(), first.end()}, {second.begin(), second.end()}};
        const auto checked = checkReassembly(r, 3);
        QVERIFY(!checked);
        QVERIFY2(checked.error().describe().find(part.toStdString()) != std::string::npos,
                 checked.error().describe().c_str());
    }

    /// Steps of 1 after channel 1 (12) is three of 4, not of 3 as without.
    void rowsAreRoundedInNewChannels() {
        const CodecDescriptor* d = *findCodec("int");
        const auto codec = *d->create(*Params::fromJson(
            d->params, {{"bits", 4}, {"group", -1}, {"grid", "absmax"}, {"scale_dtype", "f32"}}, "test"));
        RowAdjustment adjust;
        adjust.channels = kExample;
        Matrix x(1, 6);
        const float values[] = {1.2f, 21, 5, -2.4f, 2.2f, 7}; // new: 1.7 7 6 -2.4 7 7, largest 7: steps of 1
        std::copy_n(values, 6, x.data());
        QS_VERIFY_OK(RowRounder(codec, {}, 0, std::nullopt, adjust).round(x.view()));
        const float expected[] = {2, 21, 6, -2, 2, 6};
        for (size_t c = 0; c < 6; ++c)
            QCOMPARE(x(0, c), expected[c]);
        const auto grouped = *d->create(*Params::fromJson(d->params, {{"bits", 4}, {"group", 2}}, "test"));
        const auto refused = RowRounder(grouped, {}, 0, std::nullopt, adjust).round(x.view());
        QVERIFY(!refused);
        QVERIFY(refused.error().message.find("3 scales in a row") != std::string::npos);
    }

    /// The last thing that makes the values: behind the product and what is kept.
    void valuesOfATensor() {
        const CodecDescriptor* d = *findCodec("int");
        const auto codec = *d->create(
            *Params::fromJson(d->params, {{"bits", 4}, {"group", -1}, {"grid", "absmax"}}, "test"));
        QuantizedTensor q;
        q.codec = "int";
        q.codecParams = codec->params();
        q.rows = 1;
        q.cols = 3;
        q.layout = *codec->layout(1, 3);
        codec->allocateParameters(q);
        q.scale(0, 0) = 1;
        q.zero(0, 0) = 8;
        q.codes = {12, 10, 8}; // 4 2 0
        q.extras.kept = {{0, 1}, {2}, {6}};
        q.extras.reassembly = {{0, 1, 1}, {2, 1, 1}}; // 0 and 2 merged, 1 twice
        const Matrix w = codec->dequantize(q);
        QCOMPARE(w(0, 0), 2.0f);
        QCOMPARE(w(0, 1), 4.0f); // (2 + 6) / 2
        QCOMPARE(w(0, 2), 2.0f);
        QVERIFY(sizeOf(q.extras).reassembled);
        QCOMPARE(reassemblyBits(3), uint64_t(96));
        QCOMPARE(reassemblyBits(70000), uint64_t(70000 * 64));
    }
};

QS_TEST(ChannelReassemblyTest)
#include "tst_channel_reassembly.moc"
