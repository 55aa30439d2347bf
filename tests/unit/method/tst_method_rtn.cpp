// SPDX-License-Identifier: Apache-2.0
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Method_rtn : public QObject {
    Q_OBJECT
private slots:
    void twoByFourByHand() {
        // Row 0: range [-1, 2], 2 bits (maxq 3): s = 1, z = round(1 / 1) = 1; values -1 0 1 2 are exact; 0.4
        // -> 0, 1.6 -> 2. Row 1: range [-0.6, 0]: s = 0.2, z = 3; -0.6 -> code 0, -0.29 -> -0.2 (code 2),
        // -0.31 -> -0.4 (code 1), 0 -> code 3
        Layer l{Matrix(2, 4), Matrix(1, 4), MatrixD(4, 4)};
        const float w[8] = {-1.0f, 0.4f, 1.6f, 2.0f, -0.6f, -0.29f, -0.31f, 0.0f};
        std::copy_n(w, 8, l.weight.data());
        const auto codec = intCodec({{"bits", 2}, {"group", -1}, {"scale_dtype", "f32"}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("rtn", l, *codec, *backend);
        QS_VERIFY_OK(q);
        QCOMPARE(q->codes, (std::vector<uint8_t>{0, 1, 3, 3, 0, 2, 1, 3}));
        const Matrix m = codec->dequantize(*q);
        const float expected[8] = {-1, 0, 2, 2, -0.6f, -0.2f, -0.4f, 0};
        for (int i = 0; i < 8; ++i)
            QVERIFY(std::fabs(m.data()[i] - expected[i]) <= 1e-6f);
        const auto error = measureError(l.weight.view(), m.view(), nullptr);
        QS_VERIFY_OK(error);
        // (0.16 + 0.16 + 0.0081 + 0.0081) / (1 + 0.16 + 2.56 + 4 + 0.36 + 0.0841 + 0.0961)
        QVERIFY(std::fabs(error->weight - 0.3362 / 8.2602) <= 1e-6);
        QVERIFY(std::fabs(error->maxAbs - 0.4) <= 1e-6);
        QCOMPARE(error->output, -1.0);
    }
    void mseRangeIsTheBestOfItsCandidates() {
        Layer l = makeLayer(6, 64, 4, 11);
        l.weight(0, 5) = 0.9f; // one outlier makes a shrunk range pay
        const auto codec = intCodec({{"bits", 3}, {"group", -1}, {"scale_dtype", "f32"}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("rtn", l, *codec, *backend, {{"range", "mse"}});
        QS_VERIFY_OK(q);
        const Matrix got = codec->dequantize(*q);
        for (size_t r = 0; r < 6; ++r) {
            double lo = 0, hi = 0;
            for (size_t c = 0; c < 64; ++c) {
                lo = std::min(lo, double(l.weight(r, c)));
                hi = std::max(hi, double(l.weight(r, c)));
            }
            double best = INFINITY, own = 0;
            for (int i = 0; i < 80; ++i) {
                const double p = 1 - i / 100.0, s = p * (hi - lo) / 7, z = std::nearbyint(-p * lo / s);
                double sum = 0;
                for (size_t c = 0; c < 64; ++c) {
                    const double code = std::clamp(std::nearbyint(double(l.weight(r, c)) / s) + z, 0.0, 7.0);
                    sum += std::pow(std::fabs(s * (code - z) - double(l.weight(r, c))), 2.4);
                }
                best = std::min(best, sum);
            }
            for (size_t c = 0; c < 64; ++c)
                own += std::pow(std::fabs(double(got(r, c)) - double(l.weight(r, c))), 2.4);
            QVERIFY2(own <= best * 1.001,
                     qPrintable(QString("row %1: %2 against %3").arg(r).arg(own).arg(best)));
        }
    }
    void clipShrinksTheRange() {
        // [-1, 2] at 0.5: range [-0.5, 1], 2 bits: s = 0.5, z = 1. -1 -> 0, 0.4 -> 2, 1.6 and 2 -> 3.
        Layer l{Matrix(1, 4), Matrix(1, 4), MatrixD(4, 4)};
        const float w[4] = {-1.0f, 0.4f, 1.6f, 2.0f};
        std::copy_n(w, 4, l.weight.data());
        const auto codec = intCodec({{"bits", 2}, {"group", -1}, {"scale_dtype", "f32"}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("rtn", l, *codec, *backend, {{"clip", 0.5}});
        QS_VERIFY_OK(q);
        QCOMPARE(q->scale(0, 0), 0.5f);
        QCOMPARE(q->zero(0, 0), 1.0f);
        QCOMPARE(q->codes, (std::vector<uint8_t>{0, 2, 3, 3}));
        // The search has a range of its own.
        const auto searched = runMethod("rtn", l, *codec, *backend, {{"range", "mse"}, {"clip", 0.5}});
        const auto plain = runMethod("rtn", l, *codec, *backend, {{"range", "mse"}});
        QS_VERIFY_OK(searched);
        QS_VERIFY_OK(plain);
        QCOMPARE(searched->scale(0, 0), plain->scale(0, 0));
        const MethodDescriptor* m = *findMethod("rtn");
        QVERIFY(!Params::fromJson(m->params, {{"clip", 0.0}}, "test"));
        QVERIFY(!Params::fromJson(m->params, {{"clip", 1.5}}, "test"));
    }
    void oneScaleForTheTensor() {
        const Layer l = makeLayer(5, 16, 4, 2);
        const auto codec = intCodec({{"bits", 8}, {"group", 0}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("rtn", l, *codec, *backend);
        QS_VERIFY_OK(q);
        QCOMPARE(q->scale.size(), size_t(1));
        const Matrix m = codec->dequantize(*q);
        for (size_t i = 0; i < m.size(); ++i)
            QVERIFY(std::fabs(m.data()[i] - l.weight.data()[i]) <= 0.51f * q->scale(0, 0));
    }
};

QS_TEST(Method_rtn)
#include "tst_method_rtn.moc"
