// SPDX-License-Identifier: Apache-2.0
// Every operation of every available backend against plain float64 loops.
#include "core/backend/backend.h"
#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"
#include "tests/support/qs_test.h"

#include <atomic>
#include <cmath>
#include <random>

using namespace qs;

namespace {

Matrix randomMatrix(size_t rows, size_t cols, uint64_t seed, double scale = 1) {
    std::mt19937_64 rng(seed);
    Matrix m(rows, cols);
    for (float& v : m.span())
        v = float(scale * (double(rng() >> 11) * 0x1.0p-52 - 1.0));
    return m;
}

/// Largest |a - b| / (1 + |b|); infinity when anything is NaN.
double distance(ConstMatrixView a, const MatrixD& b) {
    double worst = 0;
    for (size_t r = 0; r < a.rows; ++r)
        for (size_t c = 0; c < a.cols; ++c) {
            const double d = std::fabs(double(a(r, c)) - b(r, c)) / (1 + std::fabs(b(r, c)));
            if (!(d <= worst)) worst = std::isnan(d) ? INFINITY : d;
        }
    return worst;
}

MatrixD toDouble(const Matrix& m) {
    MatrixD d(m.rows(), m.cols());
    for (size_t i = 0; i < m.size(); ++i)
        d.data()[i] = m.data()[i];
    return d;
}

} // namespace

class BackendParity : public QObject {
    Q_OBJECT
    std::unique_ptr<Backend> m_backend;

    Tensor up(const Matrix& m) {
        Tensor t;
        if (auto r = m_backend->upload(m.view(), t); !r) qFatal("%s", r.error().describe().c_str());
        return t;
    }
    Matrix down(const Tensor& t) {
        Matrix m(t.rows, t.cols);
        if (auto r = m_backend->download(t, m.view()); !r) qFatal("%s", r.error().describe().c_str());
        return m;
    }
    static void rows() {
        QTest::addColumn<QString>("device");
        for (const BackendInfo& b : listBackends()) {
            if (!b.available) {
                qInfo("%s is not tested: %s", b.id.c_str(), b.reason.c_str());
                continue;
            }
            QTest::addRow("%s", b.id.c_str()) << QString::fromStdString(b.id);
        }
    }
    void take() {
        QFETCH(QString, device);
        auto b = makeBackend(device.toStdString());
        QS_VERIFY_OK(b);
        m_backend = std::move(*b);
        QVERIFY(m_backend->id().rfind(device.toStdString(), 0) ==
                0); // the one asked for is the one that runs
    }
private slots:
    void theCheckerSeesNaN() {
        Matrix m(1, 2);
        m(0, 1) = NAN;
        QVERIFY(!(distance(m.view(), MatrixD(1, 2)) <= 1e30));
    }
    void linear_data() { rows(); }
    void linear() {
        take();
        for (const auto& [t, k, n] :
             {std::array<size_t, 3>{1, 1, 1}, {7, 33, 5}, {130, 172, 64}, {64, 256, 300}}) {
            const Matrix x = randomMatrix(t, k, 1), w = randomMatrix(n, k, 2), b = randomMatrix(1, n, 3);
            MatrixD expected(t, n);
            for (size_t i = 0; i < t; ++i)
                for (size_t j = 0; j < n; ++j) {
                    double s = b(0, j);
                    for (size_t c = 0; c < k; ++c)
                        s += double(x(i, c)) * double(w(j, c));
                    expected(i, j) = s;
                }
            const Tensor tb = up(b);
            Tensor y = *m_backend->allocate(t, n);
            QS_VERIFY_OK(m_backend->linear(up(x), up(w), &tb, y));
            QVERIFY(distance(down(y).view(), expected) <= 1e-4);
        }
        Tensor wrong = *m_backend->allocate(3, 3);
        QVERIFY(!m_backend->linear(up(Matrix(2, 4)), up(Matrix(3, 5)), nullptr, wrong));
    }
    void rmsNorm_data() { rows(); }
    void rmsNorm() {
        take();
        for (size_t n : {size_t(1), size_t(63), size_t(64), size_t(257)}) {
            const Matrix x = randomMatrix(9, n, 4, 30), g = randomMatrix(1, n, 5);
            MatrixD expected(9, n);
            for (size_t r = 0; r < 9; ++r) {
                double s = 0;
                for (size_t c = 0; c < n; ++c)
                    s += double(x(r, c)) * double(x(r, c));
                for (size_t c = 0; c < n; ++c)
                    expected(r, c) = double(x(r, c)) / std::sqrt(s / double(n) + 1e-5) * double(g(0, c));
            }
            Tensor y = *m_backend->allocate(9, n);
            QS_VERIFY_OK(m_backend->rmsNorm(up(x), up(g), 1e-5, y));
            QVERIFY(distance(down(y).view(), expected) <= 1e-5);
        }
    }
    void rope_data() { rows(); }
    void rope() {
        take();
        const size_t d = 12, heads = 3, window = 5;
        const Matrix x = randomMatrix(10, heads * d, 6);
        Matrix cosine(window, d / 2), sine(window, d / 2);
        MatrixD expected(10, heads * d);
        for (size_t t = 0; t < window; ++t)
            for (size_t i = 0; i < d / 2; ++i) {
                cosine(t, i) = float(std::cos(0.3 * double(t * (i + 1))));
                sine(t, i) = float(std::sin(0.3 * double(t * (i + 1))));
            }
        for (size_t r = 0; r < 10; ++r)
            for (size_t h = 0; h < heads; ++h)
                for (size_t i = 0; i < d / 2; ++i) {
                    const double a = x(r, h * d + i), b = x(r, h * d + i + d / 2),
                                 angle = 0.3 * double((r % window) * (i + 1));
                    expected(r, h * d + i) = a * std::cos(angle) - b * std::sin(angle);
                    expected(r, h * d + i + d / 2) = b * std::cos(angle) + a * std::sin(angle);
                }
        Tensor y = up(x);
        QS_VERIFY_OK(m_backend->rope(y, d, {up(cosine), up(sine)}, window));
        QVERIFY(distance(down(y).view(), expected) <= 1e-5);
    }
    void rmsNormPerHead_data() { rows(); }
    void rmsNormPerHead() {
        take();
        const Matrix x = randomMatrix(12, 8, 4), g = randomMatrix(3, 8, 5); // row r takes gain r % 3
        MatrixD expected(12, 8);
        for (size_t r = 0; r < 12; ++r) {
            double s = 0;
            for (size_t c = 0; c < 8; ++c)
                s += double(x(r, c)) * double(x(r, c));
            for (size_t c = 0; c < 8; ++c)
                expected(r, c) = double(x(r, c)) / std::sqrt(s / 8 + 1e-5) * double(g(r % 3, c));
        }
        Tensor y = up(x);
        QS_VERIFY_OK(m_backend->rmsNorm(y, up(g), 1e-5, y)); // in place
        QVERIFY(distance(down(y).view(), expected) <= 1e-5);
    }
    void layerNorm_data() { rows(); }
    void layerNorm() {
        take();
        for (size_t n : {size_t(1), size_t(63), size_t(64), size_t(257)}) {
            Matrix x = randomMatrix(9, n, 4, 30);
            for (float& v : x.span())
                v += 100; // the mean is far from 0
            const Matrix g = randomMatrix(1, n, 5), bias = randomMatrix(1, n, 6);
            MatrixD expected(9, n);
            for (size_t r = 0; r < 9; ++r) {
                double mean = 0, variance = 0;
                for (size_t c = 0; c < n; ++c)
                    mean += double(x(r, c)) / double(n);
                for (size_t c = 0; c < n; ++c)
                    variance += (double(x(r, c)) - mean) * (double(x(r, c)) - mean) / double(n);
                for (size_t c = 0; c < n; ++c)
                    expected(r, c) =
                        (double(x(r, c)) - mean) / std::sqrt(variance + 1e-5) * double(g(0, c)) + bias(0, c);
            }
            Tensor y = *m_backend->allocate(9, n);
            QS_VERIFY_OK(m_backend->layerNorm(up(x), up(g), up(bias), 1e-5, y));
            QVERIFY(n == 1 || distance(down(y).view(), expected) <= 2e-5);
        }
        Tensor y = *m_backend->allocate(2, 4);
        QVERIFY(!m_backend->layerNorm(up(Matrix(2, 4)), up(Matrix(1, 4)), up(Matrix(1, 3)), 1e-5, y));
    }
    void partialRope_data() { rows(); }
    void partialRope() {
        take();
        const size_t d = 10, rotated = 4, window = 3;
        const Matrix x = randomMatrix(6, 2 * d, 6);
        Matrix cosine(window, rotated / 2), sine(window, rotated / 2);
        MatrixD expected = toDouble(x);
        for (size_t t = 0; t < window; ++t)
            for (size_t i = 0; i < rotated / 2; ++i) {
                cosine(t, i) = float(std::cos(0.3 * double(t * (i + 1))));
                sine(t, i) = float(std::sin(0.3 * double(t * (i + 1))));
            }
        for (size_t r = 0; r < 6; ++r)
            for (size_t h = 0; h < 2; ++h)
                for (size_t i = 0; i < rotated / 2; ++i) {
                    const double a = x(r, h * d + i), b = x(r, h * d + i + rotated / 2),
                                 angle = 0.3 * double((r % window) * (i + 1));
                    expected(r, h * d + i) = a * std::cos(angle) - b * std::sin(angle);
                    expected(r, h * d + i + rotated / 2) = b * std::cos(angle) + a * std::sin(angle);
                }
        Tensor y = up(x);
        QS_VERIFY_OK(m_backend->rope(y, d, {up(cosine), up(sine)}, window));
        QVERIFY(distance(down(y).view(), expected) <= 1e-5);
        QVERIFY(!m_backend->rope(y, 2, {up(cosine), up(sine)}, window)); // more pairs than the head has
    }
    void attention_data() {
        QTest::addColumn<QString>("device");
        QTest::addColumn<double>("softCap");
        QTest::addColumn<int>("reach");
        QTest::addColumn<bool>("causal");
        QTest::addColumn<bool>("alibi");
        for (const BackendInfo& b : listBackends()) {
            if (!b.available) continue;
            const QString id = QString::fromStdString(b.id);
            QTest::addRow("%s causal", b.id.c_str()) << id << 0.0 << 0 << true << false;
            QTest::addRow("%s capped", b.id.c_str()) << id << 2.0 << 0 << true << false;
            QTest::addRow("%s sliding", b.id.c_str()) << id << 0.0 << 3 << true << false;
            QTest::addRow("%s sliding beyond", b.id.c_str()) << id << 0.0 << 50 << true << false;
            QTest::addRow("%s bidirectional", b.id.c_str()) << id << 0.0 << 0 << false << false;
            QTest::addRow("%s alibi", b.id.c_str()) << id << 0.0 << 0 << true << true;
            QTest::addRow("%s everything", b.id.c_str()) << id << 1.5 << 4 << true << true;
        }
    }
    void attention() {
        take();
        QFETCH(double, softCap);
        QFETCH(int, reach);
        QFETCH(bool, causal);
        QFETCH(bool, alibi);
        const size_t d = 8, heads = 4, window = 7, t = 21;
        const Matrix q = randomMatrix(t, heads * d, 7, 3), k = randomMatrix(t, 2 * d, 8, 3),
                     v = randomMatrix(t, 2 * d, 9);
        const Matrix bias = randomMatrix(heads, window, 10, 4);
        MatrixD expected(t, heads * d);
        for (size_t i = 0; i < t; ++i)
            for (size_t h = 0; h < heads; ++h) {
                const size_t first = i / window * window, kv = h / 2;
                std::vector<double> p(window);
                double sum = 0;
                for (size_t j = first; j < first + window; ++j) {
                    if (causal && j > i) continue;
                    if (reach > 0 && j + size_t(reach) <= i) continue;
                    double s = 0;
                    for (size_t c = 0; c < d; ++c)
                        s += 0.4 * double(q(i, h * d + c)) * double(k(j, kv * d + c));
                    if (softCap > 0) s = softCap * std::tanh(s / softCap);
                    if (alibi) s += double(bias(h, j - first));
                    sum += p[j - first] = std::exp(s);
                }
                for (size_t j = first; j < first + window; ++j)
                    for (size_t c = 0; c < d; ++c)
                        expected(i, h * d + c) += p[j - first] / sum * double(v(j, kv * d + c));
            }
        AttentionShape shape{.heads = heads,
                             .kvHeads = 2,
                             .windowLength = window,
                             .scale = 0.4f,
                             .softCap = float(softCap),
                             .reach = size_t(reach),
                             .causal = causal,
                             .keyBias = {}};
        if (alibi) shape.keyBias = up(bias);
        Tensor out = *m_backend->allocate(t, heads * d);
        QS_VERIFY_OK(m_backend->attention(up(q), up(k), up(v), shape, out));
        QVERIFY(distance(down(out).view(), expected) <= 1e-5);
        shape.kvHeads = 3;
        QVERIFY(!m_backend->attention(up(q), up(k), up(v), shape, out));
    }
    void activations_data() { rows(); }
    void activations() {
        take();
        const auto exact = [](Activation f, double x) {
            switch (f) {
            case Activation::Silu:
                return x / (1 + std::exp(-x));
            case Activation::GeluErf:
                return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
            case Activation::GeluTanh:
                return 0.5 * x *
                       (1 + std::tanh(std::sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
            case Activation::QuickGelu:
                return x / (1 + std::exp(-1.702 * x));
            default:
                return std::max(x, 0.0);
            }
        };
        Matrix g = randomMatrix(5, 37, 10, 12);
        const Matrix u = randomMatrix(5, 37, 11);
        g(0, 0) = -200; // exp overflows: the limit is 0
        g(0, 1) = 200;
        g(0, 2) = -30;
        g(0, 3) = 0;
        for (Activation f : {Activation::Silu, Activation::GeluErf, Activation::GeluTanh,
                             Activation::QuickGelu, Activation::Relu}) {
            MatrixD plain(5, 37), gated(5, 37);
            for (size_t i = 0; i < g.size(); ++i) {
                plain.data()[i] = exact(f, double(g.data()[i]));
                gated.data()[i] = plain.data()[i] * double(u.data()[i]);
            }
            Tensor a = up(g), b = up(g);
            QS_VERIFY_OK(m_backend->activate(f, a));
            QS_VERIFY_OK(m_backend->activateMultiply(f, b, up(u)));
            QVERIFY2(distance(down(a).view(), plain) <= 1e-6, qPrintable(QString::number(int(f))));
            QVERIFY2(distance(down(b).view(), gated) <= 1e-6, qPrintable(QString::number(int(f))));
        }
    }
    void softCap_data() { rows(); }
    void softCap() {
        take();
        const Matrix x = randomMatrix(4, 35, 12, 90);
        MatrixD expected(4, 35);
        for (size_t i = 0; i < x.size(); ++i)
            expected.data()[i] = 30 * std::tanh(double(x.data()[i]) / 30);
        Tensor y = up(x);
        QS_VERIFY_OK(m_backend->softCap(y, 30));
        QVERIFY(distance(down(y).view(), expected) <= 1e-6);
        QVERIFY(!m_backend->softCap(y, 0));
    }
    void rowsOfExperts_data() { rows(); }
    void rowsOfExperts() {
        take();
        const Matrix x = randomMatrix(6, 19, 14), y = randomMatrix(3, 19, 15);
        const std::vector<uint32_t> picked = {5, 0, 3};
        const std::vector<float> weights = {0.5f, -2, 1};
        Tensor gathered = *m_backend->allocate(3, 19), sum = up(x);
        QS_VERIFY_OK(m_backend->gatherRows(up(x), picked, gathered));
        QS_VERIFY_OK(m_backend->addScaledRows(sum, picked, weights, up(y)));
        const Matrix g = down(gathered);
        MatrixD expected = toDouble(x);
        for (size_t i = 0; i < 3; ++i)
            for (size_t c = 0; c < 19; ++c) {
                QCOMPARE(g(i, c), x(picked[i], c));
                expected(picked[i], c) += double(weights[i]) * double(y(i, c));
            }
        QVERIFY(distance(down(sum).view(), expected) <= 1e-6);
        const std::vector<uint32_t> outside = {5, 6, 0};
        QVERIFY(!m_backend->gatherRows(up(x), outside, gathered));
        QVERIFY(!m_backend->addScaledRows(sum, outside, weights, up(y)));
    }
    void add_data() { rows(); }
    void add() {
        take();
        const Matrix a = randomMatrix(3, 19, 12), b = randomMatrix(3, 19, 13);
        MatrixD expected = toDouble(a);
        for (size_t i = 0; i < a.size(); ++i)
            expected.data()[i] += double(b.data()[i]);
        Tensor t = up(a);
        QS_VERIFY_OK(m_backend->add(t, up(b)));
        QVERIFY(distance(down(t).view(), expected) <= 1e-6);
    }
    void accumulateSigma_data() { rows(); }
    void accumulateSigma() {
        take();
        const size_t n = 77;
        MatrixD sigma(n, n), expected(n, n);
        for (uint64_t seed : {20, 21}) {
            const Matrix x = randomMatrix(1500, n, seed);
            QS_VERIFY_OK(m_backend->accumulateSigma(up(x), sigma));
            for (size_t t = 0; t < x.rows(); ++t)
                for (size_t i = 0; i < n; ++i)
                    for (size_t j = 0; j < n; ++j)
                        expected(i, j) += double(x(t, i)) * double(x(t, j));
        }
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j) {
                QVERIFY(std::fabs(sigma(i, j) - expected(i, j)) <= 1e-5 * expected(i, i));
                QCOMPARE(sigma(i, j), sigma(j, i));
            }
    }
    void upperFactor_data() { rows(); }
    void upperFactor() {
        take();
        const size_t n = 83;
        const Matrix a = randomMatrix(200, n, 30);
        MatrixD h(n, n);
        for (size_t t = 0; t < 200; ++t)
            for (size_t i = 0; i < n; ++i)
                for (size_t j = 0; j < n; ++j)
                    h(i, j) += double(a(t, i)) * double(a(t, j));
        const auto f = m_backend->upperFactor(h.clone());
        QS_VERIFY_OK(f);
        // By elimination from the last column: H = R R^T with a positive diagonal determines R.
        MatrixD rest = h.clone();
        for (size_t p = n; p-- > 0;) {
            const double pivot = rest(p, p);
            for (size_t i = 0; i < n; ++i) {
                const double expected = i > p ? 0 : rest(i, p) / std::sqrt(pivot);
                QVERIFY(std::fabs((*f)(i, p) - expected) <= 1e-9 * std::sqrt(h(i, i)));
            }
            for (size_t i = 0; i < p; ++i)
                for (size_t j = 0; j < p; ++j)
                    rest(i, j) -= rest(i, p) * rest(p, j) / pivot;
        }
        MatrixD indefinite(2, 2);
        indefinite(0, 0) = 1;
        indefinite(1, 1) = -1;
        const auto bad = m_backend->upperFactor(std::move(indefinite));
        QVERIFY(!bad);
        QCOMPARE(int(bad.error().code), int(ErrorCode::Backend));
    }
    void addProduct_data() { rows(); }
    void addProduct() {
        take();
        const Matrix a = randomMatrix(13, 21, 40), b = randomMatrix(13, 17, 41);
        Matrix c = randomMatrix(21, 17, 42);
        MatrixD expected = toDouble(c);
        for (size_t i = 0; i < 21; ++i)
            for (size_t j = 0; j < 17; ++j)
                for (size_t k = 0; k < 13; ++k)
                    expected(i, j) -= 0.5 * double(a(k, i)) * double(b(k, j));
        QS_VERIFY_OK(m_backend->addProduct(-0.5f, c.view(), a.view(), b.view()));
        QVERIFY(distance(c.view(), expected) <= 1e-5);
    }
    void parallelLoopsCoverEveryIndexOnce() {
        linalg::setThreads(4);
        std::vector<std::atomic<int>> hits(1001);
        for (int round = 0; round < 50; ++round)
            linalg::parallelFor(hits.size(), 7, [&](size_t begin, size_t end) {
                for (size_t i = begin; i < end; ++i)
                    ++hits[i];
            });
        for (auto& h : hits)
            QCOMPARE(h.load(), 50);
        linalg::setThreads(linalg::hardwareThreads());
    }
    void unknownDevice() {
        QVERIFY(!makeBackend("tpu"));
        qInfo("%s", makeCpuBackend()->description().c_str());
    }
};

QS_TEST(BackendParity)
#include "tst_backend_parity.moc"
