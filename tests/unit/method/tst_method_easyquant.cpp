// SPDX-License-Identifier: Apache-2.0
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Method_easyquant : public QObject {
    Q_OBJECT
    static double weightError(const Layer& l, const Matrix& values) {
        double sum = 0;
        for (size_t i = 0; i < values.size(); ++i)
            sum += std::pow(double(l.weight.data()[i]) - double(values.data()[i]), 2);
        return sum;
    }
private slots:
    /// 2 bits, levels -s, 0, s (absmax). Weights 4, 3, 3, 3, 0, 0, 0, 0: s = 4 leaves 3, all codes 1, so s =
    /// 13 / 4 and the error falls from 3 to .5625 + 3 .0625 = .75, where it stays.
    void scaleByHand() {
        Layer l{Matrix(1, 8), Matrix(1, 8), MatrixD(8, 8)};
        const float w[] = {4, 3, 3, 3, 0, 0, 0, 0};
        std::copy_n(w, 8, l.weight.data());
        const auto codec = intCodec({{"bits", 2}, {"group", -1}, {"grid", "absmax"}, {"scale_dtype", "f32"}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("easyquant", l, *codec, *backend, {{"outliers", 0}});
        QS_VERIFY_OK(q);
        QCOMPARE(q->scale(0, 0), 3.25f);
        QVERIFY(std::fabs(weightError(l, codec->dequantize(*q)) - 0.75) < 1e-6);
    }

    /// The weight that is furthest out in its own channel is kept, not the largest of the matrix.
    void keepsWhatIsFarOut() {
        Layer l{Matrix(2, 8), Matrix(1, 8), MatrixD(8, 8)};
        for (size_t c = 0; c < 8; ++c) {
            l.weight(0, c) = c % 2 ? 2.0f : -2.0f;
            l.weight(1, c) = c == 5 ? 1.0f : 0.01f * float(c);
        }
        const auto codec = intCodec({{"bits", 4}, {"group", -1}, {"grid", "absmax"}, {"scale_dtype", "f32"}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("easyquant", l, *codec, *backend, {{"outliers", 1.0 / 16}});
        QS_VERIFY_OK(q);
        QCOMPARE(q->extras.kept.rowStart, (std::vector<uint32_t>{0, 0, 1}));
        QCOMPARE(q->extras.kept.columns, (std::vector<uint32_t>{5}));
        QCOMPARE(codec->dequantize(*q)(1, 5), 1.0f);
        QVERIFY(q->scale(1, 0) < 0.02f); // the grid is fitted without it
    }

    void betterThanNearest() {
        auto backend = makeCpuBackend(2);
        const Layer l = makeLayer(32, 128, 50, 41);
        const CodecDescriptor* nf = *findCodec("nf");
        for (const auto& codec :
             {intCodec({{"bits", 4}, {"group", -1}}), intCodec({{"bits", 2}, {"group", 64}}),
              intCodec({{"bits", 3}, {"group", 32}, {"grid", "asymmetric"}}),
              *nf->create(Params::defaults(nf->params))}) {
            const double rtn = weightError(l, codec->dequantize(*runMethod("rtn", l, *codec, *backend))),
                         scaled = weightError(l, codec->dequantize(*runMethod("easyquant", l, *codec,
                                                                              *backend, {{"outliers", 0}}))),
                         kept =
                             weightError(l, codec->dequantize(*runMethod("easyquant", l, *codec, *backend)));
            QVERIFY2(scaled < rtn && kept < scaled,
                     qPrintable(QString("%1: %2 %3 %4")
                                    .arg(QString::fromStdString(codec->label()))
                                    .arg(rtn)
                                    .arg(scaled)
                                    .arg(kept)));
        }
    }
};

QS_TEST(Method_easyquant)
#include "tst_method_easyquant.moc"
