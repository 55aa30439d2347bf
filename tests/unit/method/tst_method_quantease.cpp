// SPDX-License-Identifier: Apache-2.0
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/coordinate_descent.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {

/// The paper's algorithm 1 by plain loops in float64, a row at a time, on the grids of `q`.
Matrix plainDescent(const Layer& l, const Codec& codec, const QuantizedTensor& q, int sweeps) {
    const size_t n = l.weight.cols(), m = l.weight.rows();
    Matrix out(m, n);
    for (size_t r = 0; r < m; ++r) {
        std::vector<double> value(l.weight.row(r), l.weight.row(r) + n);
        for (int sweep = 0; sweep < sweeps; ++sweep)
            for (size_t j = 0; j < n; ++j) {
                double cross = 0;
                for (size_t k = 0; k < n; ++k)
                    if (k != j) cross += (double(l.weight(r, k)) - value[k]) * l.sigma(k, j);
                const double target = double(l.weight(r, j)) + cross / l.sigma(j, j);
                value[j] = target;
                if (sweep % 3 == 1 && sweep + 1 < sweeps) continue;
                const float v = float(target), s = q.scale(r, q.groupOf(j)), z = q.zero(r, q.groupOf(j));
                uint8_t code = 0;
                float rounded = 0;
                codec.round(&v, 1, &s, &z, &code, &rounded);
                value[j] = double(rounded);
            }
        std::copy(value.begin(), value.end(), out.row(r));
    }
    return out;
}

Result<QuantizedTensor> descended(const Layer& l, const Codec& codec, Backend& backend,
                                  DescentOptions options) {
    QuantizeInput in;
    in.weight = l.weight.view();
    in.codec = &codec;
    in.sigma = &l.sigma;
    in.backend = &backend;
    QS_TRY(QuantizedTensor q, quantizeToNearest(l.weight.view(), codec, {}, {}));
    QS_CHECK(descend(in, options, q, {}));
    return q;
}

} // namespace

class Method_quantease : public QObject {
    Q_OBJECT
private slots:
    void twoColumnsByHand() {
        // Sigma = [[2, 1], [1, 2]] and a third, independent input that sets the grid 0..3. From nearest codes
        // (0, 1): column 0: 0.4 + 0.35 / 2 = 0.575 -> 1; column 1: 1.35 - 0.6 / 2 = 1.05 -> 1; then column 0
        // stays: 0.4 + 0.175 = 0.575 -> 1. tr(D Sigma D^T) falls from 2 .16 + 2 .1225 + 2 .14 = .845 to
        // 2 .36 + 2 .1225 - 2 .21 = .545.
        Layer l{Matrix(1, 3), Matrix(1, 3), MatrixD(3, 3)};
        l.weight(0, 0) = 0.4f;
        l.weight(0, 1) = 1.35f;
        l.weight(0, 2) = 3.0f;
        l.sigma(0, 0) = l.sigma(1, 1) = l.sigma(2, 2) = 2;
        l.sigma(0, 1) = l.sigma(1, 0) = 1;
        const auto codec = intCodec({{"bits", 2}, {"group", -1}, {"scale_dtype", "f32"}});
        auto backend = makeCpuBackend(1);
        for (const int sweeps : {1, 2, 5}) {
            const auto q = descended(l, *codec, *backend, {.sweeps = sweeps});
            QS_VERIFY_OK(q);
            QCOMPARE(q->codes, (std::vector<uint8_t>{1, 1, 3}));
        }
    }

    /// Blocks of any size and threads give what the plain loops give, but where a sum falls between two
    /// codes.
    void equalsThePlainAlgorithm() {
        const Layer l = makeLayer(20, 96, 400, 11);
        const auto codec = intCodec({{"bits", 3}, {"group", 32}, {"scale_dtype", "f32"}});
        for (const int sweeps : {1, 4}) {
            for (const auto& [threads, block] : {std::pair(1, 128), {2, 40}, {1, 7}}) {
                auto backend = makeCpuBackend(threads);
                const auto q = descended(l, *codec, *backend,
                                         {.sweeps = sweeps, .blockSize = size_t(block), .fromWeights = true});
                QS_VERIFY_OK(q);
                const Matrix expected = plainDescent(l, *codec, *q, sweeps), have = codec->dequantize(*q);
                size_t differ = 0;
                for (size_t i = 0; i < have.size(); ++i)
                    differ += !(std::fabs(have.data()[i] - expected.data()[i]) < 1e-6f);
                QVERIFY2(differ <= have.size() / 100, qPrintable(QString::number(differ)));
                const double a = outputError(l, have), b = outputError(l, expected);
                QVERIFY2(std::fabs(a - b) <= 0.02 * b, qPrintable(QString("%1 against %2").arg(a).arg(b)));
            }
        }
    }

    void everySweepIsAsGoodOrBetter() {
        const Layer l = makeLayer(24, 128, 300, 12);
        auto backend = makeCpuBackend(2);
        for (const auto& codec :
             {intCodec({{"bits", 2}, {"group", 32}}), intCodec({{"bits", 4}, {"group", -1}})}) {
            double last = outputError(l, codec->dequantize(*runMethod("rtn", l, *codec, *backend)));
            for (const int sweeps : {1, 2, 4, 8, 16}) {
                const double now =
                    outputError(l, codec->dequantize(*descended(l, *codec, *backend, {.sweeps = sweeps})));
                QVERIFY2(now <= last * (1 + 1e-6), qPrintable(QString("%1 after %2").arg(now).arg(last)));
                last = now;
            }
        }
    }

    /// After many sweeps no single code can be changed for the better.
    void endsWhereNoSingleChangeHelps() {
        const Layer l = makeLayer(6, 64, 200, 13);
        const auto codec = intCodec({{"bits", 3}, {"group", 32}});
        auto backend = makeCpuBackend(1);
        const auto q = descended(l, *codec, *backend, {.sweeps = 100});
        QS_VERIFY_OK(q);
        const Matrix values = codec->dequantize(*q);
        for (size_t r = 0; r < 6; ++r)
            for (size_t j = 0; j < 64; ++j) {
                double gradient = 0; // (D Sigma)_j
                for (size_t k = 0; k < 64; ++k)
                    gradient += (double(l.weight(r, k)) - double(values(r, k))) * l.sigma(k, j);
                for (int code = 0; code < codec->levels(); ++code) {
                    const double step =
                        double(codec->decode(uint8_t(code), q->scale(r, j / 32), q->zero(r, j / 32))) -
                        double(values(r, j));
                    // error(step) - error(0) of the row
                    QVERIFY(step * step * l.sigma(j, j) - 2 * step * gradient >=
                            -1e-4 * l.sigma(j, j) * 1e-4);
                }
            }
    }

    void neverWorseThanGptq() {
        const Layer l = makeLayer(32, 256, 500, 14);
        auto backend = makeCpuBackend(2);
        const CodecDescriptor* ggml = *findCodec("ggml");
        const CodecDescriptor* nvfp4 = *findCodec("nvfp4");
        const std::shared_ptr<const Codec> codecs[] = {
            intCodec({{"bits", 2}, {"group", 64}}), intCodec({{"bits", 4}, {"group", -1}}),
            *ggml->create(*Params::fromJson(ggml->params, {{"type", "q3_k"}}, "test")),
            *nvfp4->create(Params::defaults(nvfp4->params))};
        for (const auto& codec : codecs) {
            const double gptq = outputError(l, codec->dequantize(*runMethod("gptq", l, *codec, *backend))),
                         own =
                             outputError(l, codec->dequantize(*runMethod("quantease", l, *codec, *backend)));
            QVERIFY2(own <= gptq, qPrintable(QString("%1: %2 against %3")
                                                 .arg(QString::fromStdString(codec->label()))
                                                 .arg(own)
                                                 .arg(gptq)));
        }
    }

    /// Kept weights are part of the solution: more turns are as good or better, and it beats keeping none.
    void outliersByTurns() {
        const Layer l = makeLayer(24, 96, 300, 16);
        auto backend = makeCpuBackend(2);
        const auto codec = intCodec({{"bits", 3}, {"group", -1}});
        const auto error = [&](const nlohmann::json& params) {
            const auto q = runMethod("quantease", l, *codec, *backend, params);
            if (!q) qFatal("%s", q.error().describe().c_str());
            return outputError(l, codec->dequantize(*q));
        };
        double last = error({{"start", "gptq"}, {"sweeps", 2}});
        for (const int sweeps : {1, 2, 4, 8, 16}) {
            const double now = error({{"outliers", 0.05}, {"sweeps", sweeps}});
            QVERIFY2(sweeps == 1 || now <= last * (1 + 1e-3), // the kept values are float16
                     qPrintable(QString("%1 after %2").arg(now).arg(last)));
            last = now;
        }
        QVERIFY(last < error({{"sweeps", 16}}));
        QVERIFY(last < error({{"outliers", 0.05}, {"outlier_shape", "columns"}, {"sweeps", 16}}));
    }

    /// Whole channels: those whose kept values make up the columns of largest norm, and nothing is left of
    /// their error but the rounding to float16.
    void outlierColumns() {
        Layer l = makeLayer(12, 64, 200, 17);
        for (size_t r = 0; r < 12; ++r)
            l.weight(r, 20) *= 30;
        auto backend = makeCpuBackend(1);
        const auto codec = intCodec({{"bits", 3}, {"group", -1}});
        const auto q = runMethod("quantease", l, *codec, *backend,
                                 {{"outliers", 1.0 / 64}, {"outlier_shape", "columns"}, {"sweeps", 1}});
        QS_VERIFY_OK(q);
        QCOMPARE(q->extras.kept.columns, std::vector<uint32_t>(12, 20));
    }

    void inputThatNeverFired() {
        Layer l = makeLayer(8, 64, 100, 15);
        for (size_t i = 0; i < 64; ++i)
            l.sigma(5, i) = l.sigma(i, 5) = 0;
        const auto codec = intCodec({{"bits", 4}, {"group", 32}});
        auto backend = makeCpuBackend(1);
        for (const char* start : {"gptq", "weights"}) {
            const auto q = runMethod("quantease", l, *codec, *backend, {{"start", start}});
            QS_VERIFY_OK(q);
            const Matrix values = codec->dequantize(*q);
            for (size_t r = 0; r < 8; ++r)
                QCOMPARE(values(r, 5), 0.0f);
        }
    }
};

QS_TEST(Method_quantease)
#include "tst_method_quantease.moc"
