// SPDX-License-Identifier: Apache-2.0
// The pure functions over a residual trace and over the terms of a down_proj, on numbers made by hand.
#include "core/calibrate/probe.h"
#include "core/text/tokenizer.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

namespace {

/// Two blocks and a final norm, three channels. Channel 0 is ordinary; channel 1 is written by block 0's
/// feed-forward half on token 0 and taken back by block 1's; channel 2 only has a large gain.
ResidualTrace madeTrace() {
    ResidualTrace t;
    t.channels = 3;
    const double way[6][3] = {{0.5, 0.2, 0.6},  {0.6, 0.4, 0.7}, {0.8, -300, 0.8},
                              {0.9, -310, 0.9}, {1.0, 4, 1.0},   {1.0, 4, 1.0}};
    for (size_t p = 0; p < 6; ++p) {
        TracePoint point;
        point.kind = p == 0   ? TracePoint::Kind::Embedding
                     : p == 5 ? TracePoint::Kind::FinalNorm
                              : TracePoint::Kind::Half;
        point.block = (p - 1) / 2;
        point.half = p % 2 ? BlockHalf::Attention : BlockHalf::FeedForward;
        point.median = 1;
        t.points.push_back(point);
        for (size_t c = 0; c < kTokenClasses; ++c) {
            // Token 0 is First and has everything; token 3 is Other with a tenth of it; no delimiters.
            const double share = c == 0 ? 1 : c == 1 ? 0 : 0.1;
            std::vector<Peak> peaks;
            for (size_t i = 0; i < 3; ++i)
                peaks.push_back({float(way[p][i] * share), c == 2 ? 3u : 0u});
            t.peaks[c].push_back(peaks);
        }
        t.written.emplace_back(p > 0 && p < 5 ? 3 : 0);
        t.normed.emplace_back();
    }
    t.written[4][1] = {314, 0};
    t.gains = {{0, BlockHalf::Attention, false, {1, 1.5f, -9}}, {1, BlockHalf::Attention, false, {1, 1, 2}}};
    return t;
}

} // namespace

class ResidualTraceTest : public QObject {
    Q_OBJECT
private slots:
    void bornAndDies() {
        const ResidualTrace t = madeTrace();
        const ChannelPath path = channelPath(t, 1, {}, MassiveRule{});
        QCOMPARE(path.value.size(), size_t(6));
        QCOMPARE(path.born, std::optional<size_t>(2));
        QVERIFY(std::fabs(path.jump - 300.0 / double(0.4f)) <= 1e-6);
        QCOMPARE(path.dies, std::optional<size_t>(4));
        QVERIFY(path.opposed); // -310 before, +314 written, on the same token
        QVERIFY(!path.amplifiedBy);
        QCOMPARE(path.gainRatio, 1.0); // 1.5 / median(1, 1.5, 9) and 1 / median(1, 1, 2)
    }

    void theOtherTokensSeeLess() {
        const ResidualTrace t = madeTrace();
        const ChannelPath others = channelPath(t, 1, TokenFilter::only(TokenClass::Other), MassiveRule{});
        QVERIFY(std::fabs(others.value[2] - 30) <= 1e-5);
        QVERIFY(!others.born); // 30 < 50 times the median
        QVERIFY(channelPath(t, 1, TokenFilter::only(TokenClass::Other), MassiveRule{20, 0}).born);
        const ChannelPath none = channelPath(t, 1, TokenFilter::only(TokenClass::Delimiter), MassiveRule{});
        QCOMPARE(none.value[2], 0.0);
    }

    void livesToTheEndAndFromTheStart() {
        ResidualTrace t = madeTrace();
        t.peaks[0][4][1].value = -320;
        t.peaks[0][5][1].value = -1; // the final norm is not the stream
        const ChannelPath path = channelPath(t, 1, {}, MassiveRule{});
        QVERIFY(!path.dies);
        t.peaks[0][0][1].value = 70;
        const ChannelPath early = channelPath(t, 1, {}, MassiveRule{});
        QCOMPARE(early.born, std::optional<size_t>(0));
        QCOMPARE(early.jump, 70.0);
    }

    void gainsAndTellingChannels() {
        const ResidualTrace t = madeTrace();
        const ChannelPath path = channelPath(t, 2, {}, MassiveRule{});
        QVERIFY(!path.born);
        QCOMPARE(path.amplifiedBy, std::optional<size_t>(0));
        QCOMPARE(path.gainRatio, 6.0); // |-9| / median(1, 1.5, 9)
        QCOMPARE(tellingChannels(t, MassiveRule{}, 8), (std::vector<size_t>{1, 2}));
        QCOMPARE(tellingChannels(t, MassiveRule{}, 1), (std::vector<size_t>{1}));
        const TraceBand band = traceBand(t, {});
        QVERIFY(std::fabs(band.median[2] - 0.8) <= 1e-6);
        QVERIFY(std::fabs(band.p99[2] - (0.8 + 0.98 * 299.2)) <= 1e-3); // NumPy's linear interpolation
    }

    void superWeightIsNamed() {
        // One token in eight carries it: x[3] = 200, w[2, 3] = -2, everything else is around 0.1.
        Matrix x(8, 5), w(4, 5), y(8, 4);
        for (size_t i = 0; i < x.size(); ++i)
            x.data()[i] = 0.1f + 0.01f * float(i % 7);
        for (size_t i = 0; i < w.size(); ++i)
            w.data()[i] = 0.3f - 0.02f * float(i % 5);
        x(5, 3) = 200;
        for (size_t r = 0; r < 4; ++r)
            w(r, 3) = 0.001f;
        w(2, 3) = -2;
        for (size_t t = 0; t < 8; ++t)
            for (size_t r = 0; r < 4; ++r)
                for (size_t j = 0; j < 5; ++j)
                    y(t, r) += w(r, j) * x(t, j);
        const auto row = [&](size_t r) -> Result<std::vector<float>> {
            return std::vector<float>(w.row(r), w.row(r) + 5);
        };
        const auto spikes = downSpikes(std::as_const(x).view(), std::as_const(y).view(), 3, row);
        QS_VERIFY_OK(spikes);
        QCOMPARE(spikes->size(), size_t(3));
        const DownSpike& s = spikes->front();
        QCOMPARE(s.token, size_t(5));
        QCOMPARE(s.row, size_t(2));
        QCOMPARE(s.column, size_t(3));
        QCOMPARE(s.contribution(), -400.0);
        QVERIFY(std::fabs(s.share() - 400.0 / (400.0 - 4 * 0.29 * 0.13)) <= 0.01);
        const std::vector<DownSpike> found = superWeights(*spikes, MassiveRule{});
        QCOMPARE(found.size(), size_t(1));
        QCOMPARE(found[0].row, size_t(2));
        // An output that many weights make together is no super weight.
        DownSpike shared = s;
        shared.y *= 3;
        QVERIFY(!isSuperWeight(shared, MassiveRule{}));
        QVERIFY(!isSuperWeight(s, MassiveRule{1e6, 0}));
    }

    void evenShares() {
        // Three tokens, causal: token 0 gets (1 + 1/2 + 1/3) / 3.
        const std::vector<double> even = evenAttention(3, true, 0);
        QVERIFY(std::fabs(even[0] - 11.0 / 18) <= 1e-12);
        QVERIFY(std::fabs(even[1] - (0.5 + 1.0 / 3) / 3) <= 1e-12);
        QVERIFY(std::fabs(even[2] - 1.0 / 9) <= 1e-12);
        QCOMPARE(evenAttention(4, false, 0)[3], 0.25);
        // A reach of 1: every token sees itself alone.
        QCOMPARE(evenAttention(4, true, 1)[2], 0.25);
    }

    void sinksAreMeasuredByTheirEvenShare() {
        MatrixD received(2, 4), even(2, 4);
        for (size_t i = 0; i < even.size(); ++i)
            even.data()[i] = 0.25;
        received(0, 2) = 0.9; // 3.6 times its share and the mean
        received(1, 2) = 0.8;
        received(1, 0) = 0.7; // 2.8 times
        const auto sinks = attentionSinks(std::as_const(received).view(), std::as_const(even).view());
        QCOMPARE(sinks.size(), size_t(1));
        QCOMPARE(sinks[0].token, size_t(2));
        QCOMPARE(sinks[0].blocks, (std::vector<size_t>{0, 1}));
        QVERIFY(std::fabs(sinks[0].received - 0.85) <= 1e-12);
    }

    void classesOfTokens() {
        const auto tokenizer = loadTokenizer(sampleModel());
        QS_VERIFY_OK(tokenizer);
        const auto ids = (*tokenizer)->encode("the king,\n", true);
        QS_VERIFY_OK(ids);
        const std::vector<int32_t> tokens(ids->begin(), ids->end());
        const std::vector<TokenClass> classes = tokenClasses(tokens, **tokenizer);
        QCOMPARE(classes.front(), TokenClass::First);
        QCOMPARE(classes[1], TokenClass::Other);
        QCOMPARE(classes.back(), TokenClass::Delimiter);
        for (size_t i = 0; i < tokens.size(); ++i) {
            const std::string shown = (*tokenizer)->display(tokens[i]);
            if (shown == ",") QCOMPARE(classes[i], TokenClass::Delimiter);
        }
    }
};

QS_TEST(ResidualTraceTest)
#include "tst_residual_trace.moc"
