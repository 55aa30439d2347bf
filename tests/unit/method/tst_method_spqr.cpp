// SPDX-License-Identifier: Apache-2.0
#include "core/quant/outlier/leave_one_out.h"
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_solver.h"
#include "core/tensor/dtype.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {

/// Algorithm 1 of GPTQ by plain float64 loops on the inverse of H, with grids that are given and weights that
/// keep their values.
Matrix plainGptq(const Layer& l, const Codec& codec, const QuantizedTensor& grids, const KeptMask& kept,
                 double damping) {
    const size_t n = l.weight.cols(), m = l.weight.rows();
    MatrixD h(n, n), inverse(n, n);
    double trace = 0;
    for (size_t i = 0; i < n; ++i)
        trace += l.sigma(i, i);
    for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < n; ++j)
            h(i, j) = l.sigma(i, j);
        h(i, i) += damping * trace / double(n);
        inverse(i, i) = 1;
    }
    for (size_t p = 0; p < n; ++p) { // Gauss and Jordan; h is positive definite
        const double pivot = h(p, p);
        for (size_t j = 0; j < n; ++j) {
            h(p, j) /= pivot;
            inverse(p, j) /= pivot;
        }
        for (size_t i = 0; i < n; ++i) {
            const double f = h(i, p);
            for (size_t j = 0; i != p && j < n; ++j) {
                h(i, j) -= f * h(p, j);
                inverse(i, j) -= f * inverse(p, j);
            }
        }
    }
    Matrix out(m, n);
    MatrixD w(m, n);
    for (size_t i = 0; i < w.size(); ++i)
        w.data()[i] = double(l.weight.data()[i]);
    for (size_t j = 0; j < n; ++j) {
        for (size_t r = 0; r < m; ++r) {
            const float v = float(w(r, j)), s = grids.scale(r, grids.groupOf(j)),
                        z = grids.zero(r, grids.groupOf(j));
            uint8_t code = 0;
            codec.round(&v, 1, &s, &z, &code, &out(r, j));
            if (kept.at(r, j)) out(r, j) = halfToFloat(floatToHalf(v));
            const double e = (w(r, j) - double(out(r, j))) / inverse(j, j);
            for (size_t k = j; k < n; ++k)
                w(r, k) -= e * inverse(j, k);
        }
        // The inverse of H without the inputs that are done.
        for (size_t a = j + 1; a < n; ++a)
            for (size_t b = j + 1; b < n; ++b)
                inverse(a, b) -= inverse(a, j) * inverse(j, b) / inverse(j, j);
    }
    return out;
}

KeptMask everySeventh(size_t rows, size_t cols) {
    Matrix scores(rows, cols);
    for (size_t i = 0; i < scores.size(); ++i)
        scores.data()[i] = i % 7 == 2 ? 1.0f : 0.0f;
    return KeptMask::highest(scores.view(), (rows * cols + 4) / 7);
}

} // namespace

class Method_spqr : public QObject {
    Q_OBJECT
private slots:
    void maskOfTheHighest() {
        Matrix scores(2, 3);
        const float values[] = {1, 5, 3, 3, 0, 3};
        std::copy_n(values, 6, scores.data());
        const KeptMask mask = KeptMask::highest(scores.view(), 3); // 5, and the first two of the threes
        QCOMPARE(mask.count(), size_t(3));
        const KeptWeights places = mask.places();
        QCOMPARE(places.rowStart, (std::vector<uint32_t>{0, 2, 3}));
        QCOMPARE(places.columns, (std::vector<uint32_t>{1, 2, 0}));
        float row[] = {1, 5, 3};
        mask.cover(row, 0, 0);
        QCOMPARE(row[0], 1.0f);
        QCOMPARE(row[1], 1.0f); // the mean of the only other
        QCOMPARE(row[2], 1.0f);
        QCOMPARE(KeptMask::highest(scores.view(), 100).count(), size_t(6));
        const double columns[] = {1, 3, 2};
        QCOMPARE(KeptMask::columns(2, columns, 1).places().columns, (std::vector<uint32_t>{1, 1}));
    }

    /// Every weight left out in turn and the grid of its group fitted anew, with plain loops.
    void gainsOfLeavingOut() {
        const Layer l = makeLayer(10, 48, 60, 31);
        const auto codec = intCodec({{"bits", 3}, {"group", 16}, {"scale_dtype", "f32"}});
        std::vector<double> cost(48);
        for (size_t c = 0; c < 48; ++c)
            cost[c] = 1 + double(c % 5);
        QuantizeInput in;
        in.weight = l.weight.view();
        in.codec = codec.get();
        QuantizedTensor q = *beginTensor(in, Needs::Nothing);
        const Matrix gains = leaveOneOutGains(l.weight.view(), *codec, {}, cost, q);
        const auto groupError = [&](size_t r, size_t group, size_t without) {
            float lo = 1e9f, hi = -1e9f;
            for (size_t c = group * 16; c < group * 16 + 16; ++c)
                if (c != without) {
                    lo = std::min(lo, l.weight(r, c));
                    hi = std::max(hi, l.weight(r, c));
                }
            lo = std::min(lo, 0.0f);
            hi = std::max(hi, 0.0f);
            const double scale = double((hi - lo) / 7.0f), zero = std::nearbyint(-double(lo) / scale);
            double sum = 0;
            for (size_t c = group * 16; c < group * 16 + 16; ++c) {
                if (c == without) continue;
                const double code =
                    std::clamp(std::nearbyint(double(l.weight(r, c)) / scale) + zero, 0.0, 7.0);
                sum += cost[c] * std::pow(double(l.weight(r, c)) - scale * (code - zero), 2);
            }
            return sum;
        };
        for (size_t r = 0; r < 10; ++r)
            for (size_t c = 0; c < 48; ++c) {
                const double expected = groupError(r, c / 16, 48) - groupError(r, c / 16, c);
                QVERIFY2(
                    std::fabs(double(gains(r, c)) - expected) <= 1e-4 * groupError(r, c / 16, 48),
                    qPrintable(
                        QString("[%1, %2] %3, expected %4").arg(r).arg(c).arg(gains(r, c)).arg(expected)));
            }
    }

    void equalsThePlainRecursion() {
        const Layer l = makeLayer(12, 64, 300, 32);
        const KeptMask kept = everySeventh(12, 64);
        auto backend = makeCpuBackend(2);
        const CodecDescriptor* nf = *findCodec("nf");
        for (const auto& codec : {intCodec({{"bits", 3}, {"group", 16}, {"scale_dtype", "f32"}}),
                                  *nf->create(Params::defaults(nf->params))}) {
            QuantizeInput in;
            in.weight = l.weight.view();
            in.codec = codec.get();
            in.sigma = &l.sigma;
            in.backend = backend.get();
            QuantizedTensor q = *beginTensor(in, Needs::Sigma);
            GptqOptions options;
            options.blockSize = 32;
            options.kept = everySeventh(12, 64);
            QS_VERIFY_OK(solveGptq(in, options, q, {}));
            const Matrix have = codec->dequantize(q), expected = plainGptq(l, *codec, q, kept, 0.01);
            size_t differ = 0;
            for (size_t i = 0; i < have.size(); ++i)
                differ += !(std::fabs(have.data()[i] - expected.data()[i]) <=
                            1e-5f + 1e-3f * std::fabs(expected.data()[i]));
            QVERIFY2(differ <= have.size() / 50, qPrintable(QString::number(differ)));
        }
    }

    void withoutOutliersItIsGptq() {
        const Layer l = makeLayer(16, 64, 200, 33);
        const auto codec = intCodec({{"bits", 3}, {"group", 16}});
        auto backend = makeCpuBackend(1);
        const auto gptq = runMethod("gptq", l, *codec, *backend, {{"act_order", true}}),
                   own = runMethod("spqr", l, *codec, *backend, {{"outliers", 0}});
        QS_VERIFY_OK(own);
        QCOMPARE(own->codes, gptq->codes);
        QVERIFY(own->extras.empty());
    }

    /// More kept weights, less error; and less than keeping as many by magnitude.
    void choosesWell() {
        const Layer l = makeLayer(64, 128, 500, 34);
        const auto codec = intCodec({{"bits", 3}, {"group", 16}});
        auto backend = makeCpuBackend(2);
        double last =
            outputError(l, codec->dequantize(*runMethod("gptq", l, *codec, *backend, {{"act_order", true}})));
        for (const double share : {0.005, 0.02, 0.1}) {
            const auto q = runMethod("spqr", l, *codec, *backend, {{"outliers", share}});
            QS_VERIFY_OK(q);
            QCOMPARE(q->extras.kept.count(), size_t(std::llround(share * 64 * 128)));
            const double now = outputError(l, codec->dequantize(*q));
            QVERIFY2(now < last, qPrintable(QString("%1: %2 after %3").arg(share).arg(now).arg(last)));
            last = now;
        }
    }
};

QS_TEST(Method_spqr)
#include "tst_method_spqr.moc"
