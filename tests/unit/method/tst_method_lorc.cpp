// SPDX-License-Identifier: Apache-2.0
#include "core/quant/low_rank/low_rank.h"
#include "core/quant/quantize_common.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {

/// The largest eigenvalues of E Sigma E^T by plain power iteration with deflation, float64.
std::vector<double> leadingEigenvalues(ConstMatrixView e, const MatrixD* sigma, size_t count) {
    const size_t m = e.rows, n = e.cols;
    MatrixD half(m, n), a(m, m);
    for (size_t r = 0; r < m; ++r)
        for (size_t c = 0; c < n; ++c)
            for (size_t k = 0; k < n; ++k)
                half(r, c) += double(e(r, k)) * (sigma ? (*sigma)(k, c) : double(k == c));
    for (size_t r = 0; r < m; ++r)
        for (size_t s = 0; s < m; ++s)
            for (size_t c = 0; c < n; ++c)
                a(r, s) += half(r, c) * double(e(s, c));
    std::vector<double> values;
    for (size_t i = 0; i < count; ++i) {
        std::vector<double> x(m), y(m);
        for (size_t r = 0; r < m; ++r)
            x[r] = std::cos(double(r * r + i));
        double value = 0;
        for (int step = 0; step < 3000; ++step) {
            double square = 0;
            for (size_t r = 0; r < m; ++r) {
                y[r] = 0;
                for (size_t s = 0; s < m; ++s)
                    y[r] += a(r, s) * x[s];
                square += y[r] * y[r];
            }
            value = std::sqrt(square);
            for (size_t r = 0; r < m; ++r)
                x[r] = y[r] / value;
        }
        values.push_back(value);
        for (size_t r = 0; r < m; ++r)
            for (size_t s = 0; s < m; ++s)
                a(r, s) -= value * x[r] * x[s];
    }
    return values;
}

/// tr(E Sigma E^T)
double errorOf(ConstMatrixView e, const MatrixD* sigma) {
    double sum = 0;
    for (size_t r = 0; r < e.rows; ++r)
        for (size_t i = 0; i < e.cols; ++i)
            for (size_t j = 0; j < e.cols; ++j)
                sum += double(e(r, i)) * (sigma ? (*sigma)(i, j) : double(i == j)) * double(e(r, j));
    return sum;
}

Matrix minusProduct(const Matrix& e, const LowRank& l) {
    Matrix out = e.clone();
    for (size_t r = 0; r < e.rows(); ++r)
        for (size_t c = 0; c < e.cols(); ++c)
            for (size_t k = 0; k < l.rank(); ++k)
                out(r, c) -= l.a(r, k) * l.b(k, c);
    return out;
}

} // namespace

class Method_lorc : public QObject {
    Q_OBJECT
private slots:
    /// What is left is the sum of the eigenvalues that were not taken (Eckart and Young), in either norm.
    void bestOfItsRank() {
        const Layer l = makeLayer(24, 40, 200, 5);
        for (const MatrixD* sigma : {static_cast<const MatrixD*>(nullptr), &l.sigma})
            for (const size_t rank : {1, 3, 8}) {
                const auto product = lowRankOf(l.weight.view(), rank, sigma, 1, {});
                QS_VERIFY_OK(product);
                double expected = errorOf(l.weight.view(), sigma);
                for (const double v : leadingEigenvalues(l.weight.view(), sigma, rank))
                    expected -= v;
                const double left = errorOf(minusProduct(l.weight, *product).view(), sigma);
                QVERIFY2(std::fabs(left - expected) <= 2e-3 * expected,
                         qPrintable(QString("%1, expected %2").arg(left).arg(expected)));
            }
    }

    /// A matrix of rank 2 is met but for the rounding to float16.
    void exactForItsOwnRank() {
        Matrix e(6, 10);
        for (size_t r = 0; r < 6; ++r)
            for (size_t c = 0; c < 10; ++c)
                e(r, c) = float(0.01 * (std::sin(double(r)) * double(c) + std::cos(2.0 * double(r))));
        const auto product = lowRankOf(e.view(), 2, nullptr, 3, {});
        QS_VERIFY_OK(product);
        QVERIFY(errorOf(minusProduct(e, *product).view(), nullptr) <= 1e-6 * errorOf(e.view(), nullptr));
    }

    void noRankOrNoError() {
        const Matrix zero(5, 7);
        QVERIFY(lowRankOf(zero.view(), 0, nullptr, 1, {})->empty());
        const auto product = lowRankOf(zero.view(), 3, nullptr, 1, {});
        QS_VERIFY_OK(product);
        for (const float v : product->b.span())
            QCOMPARE(v, 0.0f);
    }

    void lowersGptqsError() {
        const Layer l = makeLayer(64, 128, 400, 6);
        const auto codec = intCodec({{"bits", 2}, {"group", 64}});
        auto backend = makeCpuBackend(2);
        const auto error = [&](const char* id, const nlohmann::json& params) {
            auto q = runMethod(id, l, *codec, *backend, params);
            if (!q) qFatal("%s", q.error().describe().c_str());
            return outputError(l, codec->dequantize(*q));
        };
        const double gptq = error("gptq", {}), one = error("lorc", {{"rank", 1}}),
                     eight = error("lorc", {{"rank", 8}}),
                     plain = error("lorc", {{"rank", 8}, {"norm", "weight"}});
        QVERIFY2(one < gptq && eight < one, qPrintable(QString("%1 %2 %3").arg(gptq).arg(one).arg(eight)));
        QVERIFY2(eight < plain, qPrintable(QString("%1 against %2").arg(eight).arg(plain)));
    }

    void codesAreGptqs() {
        const Layer l = makeLayer(16, 64, 100, 7);
        const auto codec = intCodec({{"bits", 3}, {"group", 32}});
        auto backend = makeCpuBackend(1);
        const auto gptq = runMethod("gptq", l, *codec, *backend),
                   own = runMethod("lorc", l, *codec, *backend);
        QCOMPARE(own->codes, gptq->codes);
        QCOMPARE(own->extras.lowRank.rank(), size_t(8));
    }
};

QS_TEST(Method_lorc)
#include "tst_method_lorc.moc"
