// SPDX-License-Identifier: Apache-2.0
#include "core/quant/anatomy.h"
#include "core/quant/quant_report.h"
#include "core/quant/quantize_common.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

#include <numeric>

using namespace qs;
using namespace qs::test;

namespace {

uint64_t sum(const Histogram& h) {
    return std::accumulate(h.counts.begin(), h.counts.end(), h.below + h.above + h.notFinite);
}

/// Counts per bin, straight from the definition in channel_stats.h.
std::vector<uint64_t> binned(const std::vector<double>& values, double lo, double hi, size_t bins) {
    std::vector<uint64_t> counts(bins, 0);
    const double width = (hi - lo) / double(bins);
    for (const double v : values) {
        if (v < lo || v > hi) continue;
        size_t i = 0;
        while (i + 1 < bins && v >= lo + double(i + 1) * width)
            ++i;
        ++counts[i];
    }
    return counts;
}

Result<QuantReport> report(const Matrix& w, const QuantizedTensor& q, const Codec& codec,
                           const SigmaWeights* sigma = nullptr, size_t bins = 64,
                           const QuantizedTensor* axis = nullptr) {
    QuantReportInput in;
    in.rows = w.rows();
    in.cols = w.cols();
    in.weight = rowsOf(w.view());
    in.tensor = &q;
    in.codec = &codec;
    in.sigma = sigma;
    in.bins = bins;
    in.axis = axis;
    return reportQuantized(in, {});
}

/// The 2 x 4 matrix of tst_method_rtn: s = 1, z = 1, codes 0 1 3 3; s = 0.2, z = 3, codes 0 2 1 3.
Matrix small() {
    Matrix m(2, 4);
    const float w[8] = {-1.0f, 0.4f, 1.6f, 2.0f, -0.6f, -0.29f, -0.31f, 0.0f};
    std::copy_n(w, 8, m.data());
    return m;
}

bool near(double a, double b, double tolerance) {
    return std::fabs(a - b) <= tolerance;
}

} // namespace

class QuantReportTest : public QObject {
    Q_OBJECT
private slots:
    void twoByFourByHand() {
        const Matrix w = small();
        const auto codec = intCodec({{"bits", 2}, {"group", -1}, {"scale_dtype", "f32"}});
        const auto q = quantizeToNearest(w.view(), *codec, {}, {});
        QS_VERIFY_OK(q);
        const auto r = report(w, *q, *codec, nullptr, 6);
        QS_VERIFY_OK(r);
        // Errors: 0 -0.4 0.4 0 / 0 0.09 -0.09 0; squares of w: 7.72 / 0.5402.
        QVERIFY(near(r->error.weight, 0.3362 / 8.2602, 1e-6));
        QVERIFY(near(r->error.maxAbs, 0.4, 1e-6));
        QCOMPARE(r->error.output, -1.0);
        QVERIFY(near(r->groupError(0, 0), std::sqrt(0.32 / 7.72), 1e-6));
        QVERIFY(near(r->groupError(1, 0), std::sqrt(0.0162 / 0.5402), 1e-6));
        QVERIFY(near(r->groupSquare(0, 0), 0.32, 1e-6) && near(r->groupSquare(1, 0), 0.0162, 1e-6));
        // <w, w'> = 1 + 3.2 + 4 + 0.36 + 0.058 + 0.124, ||w'||^2 = 9 + 0.56
        QVERIFY(near(r->cosine, 8.742 / std::sqrt(8.2602 * 9.56), 1e-6));
        QCOMPARE(r->clipped, uint64_t(0));
        QCOMPARE(r->codesUsed, 4);
        QCOMPARE(r->levels, 4);
        // [-1, 2] in 6 bins of 0.5.
        QCOMPARE(r->original.lo, -1.0);
        QCOMPARE(r->original.hi, 2.0);
        QCOMPARE(r->original.counts, (std::vector<uint64_t>{2, 2, 2, 0, 0, 2}));
        QCOMPARE(r->quantized.counts, (std::vector<uint64_t>{2, 2, 2, 0, 0, 2}));
        QVERIFY(near(r->errors.hi, 0.4, 1e-6) && r->errors.lo == -r->errors.hi);
        // Errors of this size fall into [-0.4, -0.267), [-0.133, 0), [0, 0.133), [0.267, 0.4].
        QCOMPARE(r->errors.counts, (std::vector<uint64_t>{1, 0, 1, 5, 0, 1}));
        // u: 0 1.4 2.6 3 / 0 1.55 1.45 3; 255 bins a code from -0.5 to 3.5.
        QCOMPARE(r->originalCodes.lo, -0.5);
        QCOMPARE(r->originalCodes.hi, 3.5);
        QCOMPARE(r->originalCodes.counts.size(), size_t(4 * 255));
        const uint64_t ofCode[4] = {2, 2, 1, 3};
        for (size_t code = 0; code < 4; ++code) // the middle bin of each
            QCOMPARE(r->quantizedCodes.counts[code * 255 + 127], ofCode[code]);
        QCOMPARE(r->worst.size(), size_t(2));
        QCOMPARE(r->worst[0].row, size_t(0));
        QCOMPARE(r->worst[0].scaleChannel, size_t(3)); // |2| is the largest of row 0
        QCOMPARE(r->worst[1].scaleChannel, size_t(0)); // |-0.6| of row 1
        QVERIFY(near(r->columnRms[1], std::sqrt((0.16 + 0.0081) / 2), 1e-6));
        QCOMPARE(r->columnMax[3], 2.0f);
    }
    void clippedWeightsAreCounted() {
        // clip 0.5 on [-1, 2]: range [-0.5, 1], s = 0.5, z = 1; below -0.75 or above 1.25 is clipped.
        Matrix w(1, 5);
        const float values[5] = {-1.0f, 0.4f, 1.6f, 2.0f, 1.2f};
        std::copy_n(values, 5, w.data());
        const auto codec = intCodec({{"bits", 2}, {"group", -1}, {"scale_dtype", "f32"}});
        const auto q = quantizeToNearest(w.view(), *codec, {RangeRule::MinMax, 0.5f}, {});
        QS_VERIFY_OK(q);
        QCOMPARE(q->scale(0, 0), 0.5f);
        QCOMPARE(q->codes, (std::vector<uint8_t>{0, 2, 3, 3, 3}));
        const auto r = report(w, *q, *codec);
        QS_VERIFY_OK(r);
        QCOMPARE(r->clipped, uint64_t(3));
        QVERIFY(near(r->error.maxAbs, 1.0, 1e-6)); // 2 became 1
        QCOMPARE(r->codesUsed, 3);
        QCOMPARE(r->original.hi, 2.0); // the histogram shows what was cut
        // On the axis of the unclipped grid (s = 1, z = 1) the three levels stand at 0.5, 1.5 and 2.
        const auto whole = quantizeToNearest(w.view(), *codec, {}, {});
        QS_VERIFY_OK(whole);
        const auto onAxis = report(w, *q, *codec, nullptr, 64, &*whole);
        QS_VERIFY_OK(onAxis);
        const size_t perCode = 255; // u from 0 to 3
        for (const auto& [u, n] : {std::pair(0.5, 1), {1.5, 1}, {2.0, 3}})
            QCOMPARE(onAxis->quantizedCodes.counts[size_t((u + 0.5) * double(perCode))], uint64_t(n));
    }
    void agreesWithPlainFloat64() {
        const Layer l = makeLayer(48, 96, 40, 5);
        for (const char* grid : {"asymmetric", "symmetric"}) {
            const auto codec = intCodec({{"bits", 3}, {"group", 32}, {"grid", grid}});
            const auto q = quantizeToNearest(l.weight.view(), *codec, {RangeRule::MinMax, 0.8f}, {});
            QS_VERIFY_OK(q);
            const auto sigma = SigmaWeights::make(l.sigma, 96);
            QS_VERIFY_OK(sigma);
            const auto r = report(l.weight, *q, *codec, &**sigma);
            QS_VERIFY_OK(r);
            const Matrix m = codec->dequantize(*q);
            QVERIFY(near(r->error.output, outputError(l, m), 1e-5 * outputError(l, m)));
            // Shares by plain sums: E (E Sigma), per group of columns.
            std::vector<double> share(3, 0.0);
            double total = 0, dot = 0, ww = 0, qq = 0;
            std::vector<double> weights, codes, dequantized;
            uint64_t clipped = 0;
            for (size_t row = 0; row < 48; ++row)
                for (size_t c = 0; c < 96; ++c) {
                    double product = 0;
                    for (size_t k = 0; k < 96; ++k)
                        product += (double(m(row, k)) - l.weight(row, k)) * l.sigma(k, c);
                    const double e = double(m(row, c)) - l.weight(row, c);
                    share[c / 32] += e * product;
                    total += e * product;
                    dot += double(m(row, c)) * l.weight(row, c);
                    ww += double(l.weight(row, c)) * l.weight(row, c);
                    qq += double(m(row, c)) * m(row, c);
                    const double w = l.weight(row, c), s = q->scale(row, c / 32), z = q->zero(row, c / 32);
                    const double slack = std::fabs(w) / 1024;
                    clipped += w > s * (7.5 - z) + slack || w < s * (-0.5 - z) - slack;
                    codes.push_back(double(float(w / s + z)));
                    weights.push_back(l.weight(row, c));
                    dequantized.push_back(m(row, c));
                }
            for (size_t g = 0; g < 3; ++g)
                QVERIFY(near(r->groupShare[g], share[g] / total, 1e-4));
            QVERIFY(near(r->cosine, dot / std::sqrt(ww * qq), 1e-9));
            QVERIFY(clipped > 20 && r->clipped == clipped);
            QCOMPARE(r->original.counts, binned(weights, r->original.lo, r->original.hi, 64));
            QCOMPARE(r->quantized.counts, binned(dequantized, r->original.lo, r->original.hi, 64));
            QCOMPARE(r->originalCodes.counts,
                     binned(codes, r->originalCodes.lo, r->originalCodes.hi, r->originalCodes.counts.size()));
            QCOMPARE(sum(r->errors), uint64_t(48 * 96));
            // Worst groups: the largest of all relative errors, in order.
            std::vector<double> errors(r->groupError.span().begin(), r->groupError.span().end());
            std::sort(errors.rbegin(), errors.rend());
            QCOMPARE(r->worst.size(), QuantReport::kWorst);
            for (size_t i = 0; i < r->worst.size(); ++i) {
                QCOMPARE(r->worst[i].relative, errors[i]);
                for (size_t c = 0; c < 32; ++c)
                    QVERIFY(std::fabs(l.weight(r->worst[i].row, r->worst[i].scaleChannel)) >=
                            std::fabs(l.weight(r->worst[i].row, r->worst[i].group * 32 + c)));
            }
        }
    }
    void keptTensorsAndBadInput() {
        const Matrix w = small();
        QuantReportInput in;
        in.rows = 2;
        in.cols = 4;
        in.weight = rowsOf(w.view());
        in.bins = 3;
        const auto kept = reportQuantized(in, {});
        QS_VERIFY_OK(kept);
        QCOMPARE(kept->original.counts, (std::vector<uint64_t>{4, 2, 2}));
        QVERIFY(kept->quantized.counts.empty() && kept->groupError.empty());
        const auto codec = intCodec({{"bits", 2}, {"group", 2}});
        const auto q = quantizeToNearest(w.view(), *codec, {}, {});
        QS_VERIFY_OK(q);
        in.tensor = &*q;
        in.codec = codec.get();
        in.cols = 3;
        QVERIFY(!reportQuantized(in, {}));
        std::stop_source stop;
        stop.request_stop();
        in.cols = 4;
        const auto cancelled = reportQuantized(in, JobContext(stop.get_token()));
        QVERIFY(!cancelled && cancelled.error().isCancelled());
    }
    void valuesThatAreNotFiniteAreLeftOut() {
        Matrix w = small();
        const auto codec = intCodec({{"bits", 2}, {"group", -1}, {"scale_dtype", "f32"}});
        const auto q = quantizeToNearest(w.view(), *codec, {}, {});
        QS_VERIFY_OK(q);
        w(0, 1) = NAN;
        const auto r = report(w, *q, *codec, nullptr, 6);
        QS_VERIFY_OK(r);
        QCOMPARE(r->original.notFinite, uint64_t(1));
        QVERIFY(near(r->error.weight, (0.16 + 0.0162) / (8.2602 - 0.16), 1e-6));
    }

    void anatomyByHand() {
        const Matrix w = small();
        const auto codec = intCodec({{"bits", 2}, {"group", 2}, {"scale_dtype", "f32"}});
        // Row 0, group 1: 1.6 and 2 with range [0, 2]: s = 2/3, z = 0; codes round(2.4) = 2, 3.
        auto q = quantizeToNearest(w.view(), *codec, {}, {});
        QS_VERIFY_OK(q);
        const auto slice = groupSlice(*q, w.view().rowSpan(0), 0, 1);
        QS_VERIFY_OK(slice);
        QCOMPARE(slice->columns, (std::vector<size_t>{2, 3}));
        QCOMPARE(slice->largest, size_t(1));
        GroupCodes g = groupCodes(*q, *codec, w.view().rowSpan(0), *slice, nullptr);
        QVERIFY(near(g.scale, 2.0 / 3, 1e-6));
        QCOMPARE(g.zero, 0.0f);
        QCOMPARE(g.codes, (std::vector<uint8_t>{2, 3}));
        QVERIFY(g.nearest[0] && g.nearest[1]);
        QVERIFY(near(g.weightError, std::sqrt((4.0 / 3 - 1.6) * (4.0 / 3 - 1.6) / (2.56 + 4)), 1e-6));
        QCOMPARE(g.outputError, -1.0);
        // A code that rounding would not choose.
        q->codes[2] = 3;
        g = groupCodes(*q, *codec, w.view().rowSpan(0), *slice, nullptr);
        QVERIFY(!g.nearest[0] && g.nearest[1]);
        // The row's output error: Sigma = [[2, 1], [1, 2]] over the last two columns.
        MatrixD sigma(4, 4);
        sigma(2, 2) = sigma(3, 3) = 2;
        sigma(2, 3) = sigma(3, 2) = 1;
        const auto weights = SigmaWeights::make(sigma, 4);
        QS_VERIFY_OK(weights);
        g = groupCodes(*q, *codec, w.view().rowSpan(0), *slice, &**weights);
        // e = (0.4, 0): 2 * 0.16; w = (1.6, 2): 2 * 2.56 + 2 * 3.2 + 2 * 4
        QVERIFY(near(g.outputError, 0.32 / 19.52, 1e-6));
        QVERIFY(!groupSlice(*q, w.view().rowSpan(0), 2, 0));
        QVERIFY(!groupSlice(*q, w.view().rowSpan(0), 0, 2));
    }
    void gptqLeavesTheNearestLevel() {
        const Layer l = makeLayer(16, 64, 80, 3);
        const auto codec = intCodec({{"bits", 3}, {"group", 32}});
        auto backend = makeCpuBackend(1);
        const auto nearest = runMethod("rtn", l, *codec, *backend),
                   gptq = runMethod("gptq", l, *codec, *backend);
        QS_VERIFY_OK(nearest);
        QS_VERIFY_OK(gptq);
        int away = 0;
        for (size_t row = 0; row < 16; ++row)
            for (size_t group = 0; group < 2; ++group) {
                const auto slice = groupSlice(*gptq, l.weight.view().rowSpan(row), row, group);
                QS_VERIFY_OK(slice);
                const GroupCodes a =
                    groupCodes(*nearest, *codec, l.weight.view().rowSpan(row), *slice, nullptr);
                const GroupCodes b = groupCodes(*gptq, *codec, l.weight.view().rowSpan(row), *slice, nullptr);
                for (size_t i = 0; i < 32; ++i) {
                    QVERIFY(a.nearest[i]);
                    const double w = slice->weights[i];
                    double best = INFINITY; // over all 8 levels, s (q - z)
                    for (int code = 0; code < 8; ++code)
                        best = std::min(best, std::fabs(double(b.scale) * (code - double(b.zero)) - w));
                    const double own = std::fabs(double(b.scale) * (b.codes[i] - double(b.zero)) - w);
                    QCOMPARE(bool(b.nearest[i]), own <= best + 1e-7);
                    away += !b.nearest[i];
                }
            }
        QVERIFY(away > 50);
    }
};

QS_TEST(QuantReportTest)
#include "tst_quant_report.moc"
