// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/kmeans.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Method_squeezellm : public QObject {
    Q_OBJECT

    static std::shared_ptr<const Codec> lut(int bits) {
        const CodecDescriptor* d = *findCodec("lut");
        return *d->create(*Params::fromJson(d->params, {{"bits", bits}, {"table_dtype", "f32"}}, "test"));
    }
    /// sum_c diag(Sigma)_c (w - w')_c^2
    static double diagonalError(const Layer& l, const Matrix& q) {
        double sum = 0;
        for (size_t r = 0; r < q.rows(); ++r)
            for (size_t c = 0; c < q.cols(); ++c)
                sum += l.sigma(c, c) * std::pow(double(l.weight(r, c)) - double(q(r, c)), 2);
        return sum;
    }
private slots:
    /// Weight 3 of the first input draws the upper value of {0, 1 | 10, 12}: see KMeans::lineByHand.
    void tablesWeighInputs() {
        Layer l{Matrix(1, 4), Matrix(1, 4), MatrixD(4, 4)};
        const float w[] = {12, 0, 10, 1};
        std::copy_n(w, 4, l.weight.data());
        for (size_t i = 0; i < 4; ++i)
            l.sigma(i, i) = i == 0 ? 3 : 1;
        auto backend = makeCpuBackend(1);
        const auto codec = lut(1);
        const auto q = runMethod("squeezellm", l, *codec, *backend, {{"outliers", 0}});
        QS_VERIFY_OK(q);
        QVERIFY(std::fabs(codec->dequantize(*q)(0, 0) - 11.5f) < 1e-3f);
        QVERIFY(std::fabs(codec->dequantize(*q)(0, 1) - 0.5f) < 1e-3f);
    }
    void largestWeightsAreKept() {
        const Layer l = makeLayer(16, 64, 80, 51);
        auto backend = makeCpuBackend(1);
        const auto codec = lut(3);
        const auto q = runMethod("squeezellm", l, *codec, *backend, {{"outliers", 0.02}});
        QS_VERIFY_OK(q);
        QCOMPARE(q->extras.kept.count(), size_t(20)); // of 1024
        float least = INFINITY, most = 0;
        for (size_t r = 0; r < 16; ++r)
            for (size_t c = 0, i = q->extras.kept.rowStart[r]; c < 64; ++c) {
                const float magnitude = std::fabs(l.weight(r, c));
                if (i < q->extras.kept.rowStart[r + 1] && q->extras.kept.columns[i] == c) {
                    least = std::min(least, magnitude);
                    ++i;
                } else {
                    most = std::max(most, magnitude);
                }
            }
        QVERIFY(least >= most);
    }
    /// No table is better by the measure that it is made for: exact k-means, so none of other grids either.
    void betterThanEvenSteps() {
        const Layer l = makeLayer(24, 256, 300, 52);
        auto backend = makeCpuBackend(2);
        for (const int bits : {2, 3, 4}) {
            const auto codec = lut(bits), even = intCodec({{"bits", bits}, {"group", -1}});
            const double own = diagonalError(l, codec->dequantize(*runMethod("squeezellm", l, *codec,
                                                                             *backend, {{"outliers", 0}}))),
                         plain = diagonalError(l, codec->dequantize(*runMethod("rtn", l, *codec, *backend))),
                         imatrix =
                             diagonalError(l, even->dequantize(*runMethod("imatrix", l, *even, *backend))),
                         kept = diagonalError(
                             l, codec->dequantize(*runMethod("squeezellm", l, *codec, *backend)));
            qInfo("%d bits: %.4g, unweighted %.4g, even %.4g, with outliers %.4g", bits, own, plain, imatrix,
                  kept);
            QVERIFY(own < plain && own < imatrix && kept < own);
        }
    }
};

QS_TEST(Method_squeezellm)
#include "tst_method_squeezellm.moc"
