// SPDX-License-Identifier: Apache-2.0
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {

std::shared_ptr<const Codec> binary(int bits, int group, const char* type = "f32") {
    const CodecDescriptor* d = *findCodec("bcq");
    return *d->create(
        *Params::fromJson(d->params, {{"bits", bits}, {"group", group}, {"scale_dtype", type}}, "test"));
}

/// Inputs that do not depend on each other: nothing is passed on, and an error costs what its input has.
Layer withoutCorrelation(size_t rows, size_t cols, uint64_t seed) {
    Layer l = makeLayer(rows, cols, 2, seed);
    for (size_t i = 0; i < cols; ++i)
        for (size_t j = 0; j < cols; ++j)
            l.sigma(i, j) = i == j ? 1.0 + double(i % 7) * 2 : 0;
    return l;
}

/// Least weighted error of nearest levels over all steps and all levels a + {0, d1} + {0, d2} out of 2^m.
double leastError(const Layer& l, size_t row, int m) {
    const size_t n = l.weight.cols();
    double lo = 0, hi = 0, trace = 0, least = INFINITY;
    for (size_t c = 0; c < n; ++c) {
        lo = std::min(lo, double(l.weight(row, c)));
        hi = std::max(hi, double(l.weight(row, c)));
        trace += l.sigma(c, c);
    }
    const int most = (1 << m) - 1;
    for (int p = 16; p <= 24; ++p) {
        const double s = (hi - lo) / most * p / 20, zero = std::nearbyint(-lo / s);
        for (int a = 0; a <= most; ++a)
            for (int d1 = 1; a + d1 <= most; ++d1)
                for (int d2 = 1; d2 <= d1 && a + d1 + d2 <= most; ++d2) {
                    double error = 0;
                    for (size_t c = 0; c < n; ++c) {
                        double best = INFINITY;
                        for (const int level : {a, a + d1, a + d2, a + d1 + d2})
                            best = std::min(best, std::fabs(s * (level - zero) - double(l.weight(row, c))));
                        error += (l.sigma(c, c) + 0.01 * trace / double(n)) * best * best;
                    }
                    const double offset = a - zero + (d1 + d2) / 2.0;
                    if (std::fabs(offset) <= d1 / 2.0) least = std::min(least, error);
                }
    }
    return least;
}

} // namespace

class Method_gptqt : public QObject {
    Q_OBJECT
private slots:
    /// -3, -2, 3 and 4 are 0.5 -+ 3 -+ 0.5: of the integers -3 .. 4 the subset with d = 6 and 1.
    void levelsThatIntegersHaveNot() {
        Layer l = withoutCorrelation(1, 16, 1);
        for (size_t c = 0; c < 16; ++c)
            l.weight(0, c) = std::array{-3.0f, -2.0f, 3.0f, 4.0f}[c * 5 % 4];
        auto backend = makeCpuBackend(1);
        const auto codec = binary(2, 16);
        const auto q = runMethod("gptqt", l, *codec, *backend);
        QS_VERIFY_OK(q);
        QCOMPARE(q->scale(0, 0), 3.0f);
        const Matrix v = codec->dequantize(*q);
        for (size_t c = 0; c < 16; ++c)
            QVERIFY2(std::fabs(v(0, c) - l.weight(0, c)) <= 2e-3f, qPrintable(QString::number(v(0, c))));
    }

    /// Against all subsets by plain loops; what bcq keeps of them, with 12 bits, costs next to nothing.
    void findsTheBestSubset() {
        const Layer l = withoutCorrelation(8, 32, 2);
        auto backend = makeCpuBackend(2);
        const auto codec = binary(2, 32);
        double trace = 0;
        for (size_t c = 0; c < 32; ++c)
            trace += l.sigma(c, c);
        for (const int more : {1, 2}) {
            const auto q = runMethod("gptqt", l, *codec, *backend, {{"more_bits", more}});
            QS_VERIFY_OK(q);
            QS_VERIFY_OK(codec->checkParameters(*q));
            const Matrix v = codec->dequantize(*q);
            for (size_t r = 0; r < 8; ++r) {
                double have = 0;
                for (size_t c = 0; c < 32; ++c)
                    have += (l.sigma(c, c) + 0.01 * trace / 32) *
                            std::pow(double(v(r, c)) - double(l.weight(r, c)), 2);
                const double expected = leastError(l, r, 2 + more);
                QVERIFY2(std::fabs(have - expected) <= 0.01 * expected,
                         qPrintable(QString("row %1: %2, expected %3").arg(r).arg(have).arg(expected)));
            }
        }
    }

    /// Rows of one scale set, as in the paper: less error than GPTQ's even steps at the same bits of codes.
    void beatsEvenSteps() {
        auto backend = makeCpuBackend(2);
        for (const int bits : {2, 3})
            for (uint64_t seed = 40; seed < 43; ++seed) {
                const Layer l = makeLayer(48, 128, 400, seed);
                const auto codec = binary(bits, 128, "f16");
                const auto even = intCodec({{"bits", bits}, {"group", -1}});
                const double own =
                                 outputError(l, codec->dequantize(*runMethod("gptqt", l, *codec, *backend))),
                             gptq = outputError(l, even->dequantize(*runMethod("gptq", l, *even, *backend)));
                qInfo("%d bits: %.4g, gptq %.4g", bits, own, gptq);
                QVERIFY(own < gptq);
            }
    }

    /// Values that all lie far from 0 have no such levels; they are fitted as the format does.
    void valuesFarFromZero() {
        Layer l = withoutCorrelation(2, 16, 3);
        for (float& w : l.weight.span())
            w = 5 + w;
        for (size_t c = 0; c < 16; ++c)
            l.weight(1, c) = 0;
        auto backend = makeCpuBackend(1);
        const auto codec = binary(3, 16);
        const auto q = runMethod("gptqt", l, *codec, *backend);
        QS_VERIFY_OK(q);
        QS_VERIFY_OK(codec->checkParameters(*q));
        const Matrix v = codec->dequantize(*q);
        for (size_t c = 0; c < 16; ++c) {
            QVERIFY(std::fabs(v(0, c) - l.weight(0, c)) <= 0.1f);
            QVERIFY(std::fabs(v(1, c)) <= 1e-6f);
        }
    }
};

QS_TEST(Method_gptqt)
#include "tst_method_gptqt.moc"
