// SPDX-License-Identifier: Apache-2.0
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {

/// sum_c diag(Sigma)_c (w - w')_c^2
double diagonalError(const Layer& l, const Matrix& q) {
    double sum = 0;
    for (size_t r = 0; r < q.rows(); ++r)
        for (size_t c = 0; c < q.cols(); ++c) {
            const double e = double(l.weight(r, c)) - double(q(r, c));
            sum += l.sigma(c, c) * e * e;
        }
    return sum;
}

} // namespace

class Method_imatrix : public QObject {
    Q_OBJECT
private slots:
    void candidateWithTheLeastWeightedSquare() {
        // 2 bits, one group. Input 0 is a hundred times as active: of the shrunk ranges p [-1, 3] the one
        // wins that makes its weight, 0.8, exact or nearly so.
        Layer l{Matrix(1, 4), Matrix(1, 4), MatrixD(4, 4)};
        const float w[4] = {0.8f, 3.0f, -1.0f, 0.1f};
        std::copy_n(w, 4, l.weight.data());
        for (size_t i = 0; i < 4; ++i)
            l.sigma(i, i) = i == 0 ? 100 : 1;
        const auto codec = intCodec({{"bits", 2}, {"group", -1}, {"scale_dtype", "f32"}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("imatrix", l, *codec, *backend);
        QS_VERIFY_OK(q);
        const double own = diagonalError(l, codec->dequantize(*q));
        double best = INFINITY;
        for (int i = 0; i < 80; ++i) {
            const double p = 1 - i / 100.0, s = p * 4 / 3, z = std::nearbyint(p / s);
            double sum = 0;
            for (size_t c = 0; c < 4; ++c) {
                const double code = std::clamp(std::nearbyint(double(w[c]) / s) + z, 0.0, 3.0),
                             e = s * (code - z) - double(w[c]);
                sum += l.sigma(c, c) * e * e;
            }
            best = std::min(best, sum);
        }
        QVERIFY2(own <= best * 1.001, qPrintable(QString("%1 against %2").arg(own).arg(best)));
        QVERIFY(own < 0.5 * diagonalError(l, codec->dequantize(*runMethod("rtn", l, *codec, *backend))));
    }
    void betterByItsMeasureThanPlainRounding() {
        const Layer l = makeLayer(24, 512, 300, 4);
        auto backend = makeCpuBackend(2);
        for (const char* type : {"q4_0", "q4_1", "q4_k", "q3_k", "q2_k", "q6_k", "iq4_nl", "iq4_xs"}) {
            const CodecDescriptor* d = *findCodec("ggml");
            const auto codec = *d->create(*Params::fromJson(d->params, {{"type", type}}, "test"));
            const auto own = runMethod("imatrix", l, *codec, *backend),
                       rtn = runMethod("rtn", l, *codec, *backend);
            QS_VERIFY_OK(own);
            QS_VERIFY_OK(rtn);
            const double a = diagonalError(l, codec->dequantize(*own)),
                         b = diagonalError(l, codec->dequantize(*rtn));
            QVERIFY2(a < b, qPrintable(QString("%1: %2 against %3").arg(type).arg(a).arg(b)));
        }
    }
    void withoutSigma() {
        const auto codec = intCodec({{"group", 32}});
        auto backend = makeCpuBackend(1);
        const Layer l = makeLayer(4, 64, 32, 1);
        QuantizeInput in;
        in.weight = l.weight.view();
        in.codec = codec.get();
        in.backend = backend.get();
        const auto q = (*findMethod("imatrix"))->quantize(in, {});
        QVERIFY(!q && q.error().message.find("calibrate") != std::string::npos);
    }
};

QS_TEST(Method_imatrix)
#include "tst_method_imatrix.moc"
