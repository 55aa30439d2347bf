// SPDX-License-Identifier: Apache-2.0
// The selftest on every available backend in each precision, what backends refuse, and that the selftest sees
// a wrong backend.
#include "core/backend/selftest/cases.h"
#include "core/linalg/bf16.h"
#include "core/linalg/blas.h"
#include "core/linalg/onednn.h"
#include "core/linalg/parallel.h"
#include "core/linalg/second_moment.h"
#include "core/tensor/dtype.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;
using selftest::randomMatrix;

namespace {

/// Of a product that lost one of its terms.
Result<double> errorOfCutLinear(Backend& be) {
    const Matrix x = randomMatrix(3, 40, 1), w = randomMatrix(2, 40, 2);
    Matrix cut = w.clone();
    cut(1, 39) = 0;
    MatrixD expected(3, 2);
    for (size_t i = 0; i < 3; ++i)
        for (size_t j = 0; j < 2; ++j)
            for (size_t c = 0; c < 40; ++c)
                expected(i, j) += double(x(i, c)) * double(w(j, c));
    QS_TRY(const Tensor tx, selftest::up(be, x));
    QS_TRY(const Tensor tw, selftest::up(be, cut));
    QS_TRY(Tensor y, be.allocate(3, 2));
    QS_CHECK(be.linear(tx, tw, nullptr, y));
    return selftest::distance(be, y, expected);
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
        QVERIFY(!(selftest::distance(m.view(), MatrixD(1, 2)) <= 1e30));
        const SelftestCase nan{"op", "shape", 1, [](Backend&) -> Result<double> { return double(NAN); }};
        QVERIFY(!runSelftest(nan, *makeCpuBackend(1)).passed);
        const SelftestCase fails{"op", "shape", 1,
                                 [](Backend&) -> Result<double> { return Error::invalid("no"); }};
        QCOMPARE(runSelftest(fails, *makeCpuBackend(1)).problem, std::string("no"));
    }
    void aWrongProductFails() {
        const SelftestCase c{"linear", "x [3, 40], w [2, 40]", 1e-4, errorOfCutLinear};
        QVERIFY(!runSelftest(c, *makeCpuBackend(1)).passed);
        // Rounding to bfloat16 is seen, too: the cases tell the precisions apart.
        const Matrix x = randomMatrix(64, 200, 1), half = selftest::rounded(x, Precision::BF16);
        QVERIFY(selftest::distance(half.view(), selftest::toDouble(x)) > 1e-3);
    }
    void selftest_data() {
        QTest::addColumn<QString>("device");
        QTest::addColumn<bool>("bf16");
        for (const BackendInfo& b : listBackends())
            for (const bool bf16 : {false, true})
                if (b.available)
                    QTest::addRow("%s %s", b.id.c_str(), bf16 ? "bf16" : "f32")
                        << QString::fromStdString(b.id) << bf16;
    }
    void selftest() {
        QFETCH(QString, device);
        QFETCH(bool, bf16);
        const Precision precision = bf16 ? Precision::BF16 : Precision::F32;
        for (const int threads : {1, 3}) {
            auto b = makeBackend(device.toStdString(), threads, precision);
            QS_VERIFY_OK(b);
            QCOMPARE((*b)->precision(), precision);
            for (const SelftestCase& c : selftestCases(precision)) {
                const SelftestOutcome out = runSelftest(c, **b);
                QVERIFY2(out.passed, qPrintable(QString("%1 %2: error %3, at most %4; %5")
                                                    .arg(c.op.c_str(), c.shapes.c_str())
                                                    .arg(out.error)
                                                    .arg(c.tolerance)
                                                    .arg(out.problem.c_str())));
            }
        }
    }
    void refusals_data() { rows(); }
    void refusals() {
        take();
        Tensor y = *m_backend->allocate(3, 3);
        QVERIFY(!m_backend->linear(up(Matrix(2, 4)), up(Matrix(3, 5)), nullptr, y));
        Tensor z = *m_backend->allocate(2, 4);
        QVERIFY(!m_backend->layerNorm(up(Matrix(2, 4)), up(Matrix(1, 4)), up(Matrix(1, 3)), 1e-5, z));
        Tensor x = up(Matrix(6, 20));
        QVERIFY(
            !m_backend->rope(x, 2, {up(Matrix(3, 2)), up(Matrix(3, 2))}, 3)); // more pairs than the head has
        QVERIFY(!m_backend->softCap(y, 0));
        const std::vector<uint32_t> outside = {5, 6, 0};
        Tensor picked = *m_backend->allocate(3, 20);
        QVERIFY(!m_backend->gatherRows(x, outside, picked));
        QVERIFY(!m_backend->addScaledRows(x, outside, std::vector<float>{1, 1, 1}, picked));
        AttentionShape shape{.heads = 4, .kvHeads = 3, .windowLength = 7, .scale = 1, .keyBias = {}};
        Tensor out = *m_backend->allocate(21, 32);
        QVERIFY(
            !m_backend->attention(up(Matrix(21, 32)), up(Matrix(21, 16)), up(Matrix(21, 16)), shape, out));
        using Order = std::vector<uint32_t>;
        const auto bad = m_backend->upperFactor(MatrixD(2, 2), Order{0, 1}, std::vector<double>{1, -1});
        QVERIFY(!bad);
        QCOMPARE(int(bad.error().code), int(ErrorCode::Backend));
        for (const Order& order : {Order{0}, Order{0, 2}, Order{1, 1}}) {
            const auto wrong = m_backend->upperFactor(MatrixD(2, 2), order, std::vector<double>{1, 1});
            QVERIFY(!wrong);
            QCOMPARE(int(wrong.error().code), int(ErrorCode::InvalidArgument));
        }
        const auto factor = m_backend->upperFactor(MatrixD(2, 2), Order{0, 1}, std::vector<double>{1, 1});
        QS_VERIFY_OK(factor);
        QVERIFY(!(*factor)->block(1, 2));
        QVERIFY(!m_backend->gatherColumns(x, Order{20}, *m_backend->allocate(1, x.rows)));
        QVERIFY(!m_backend->gatherColumns(x, Order{0, 1}, *m_backend->allocate(1, x.rows)));
        std::vector<float> ends(19);
        QVERIFY(!m_backend->columnRanges(x, ends, ends));
        QVERIFY(!m_backend->copy(x, *m_backend->allocate(x.rows, 3)));
        MatrixT<uint8_t> host(3, 2);
        QVERIFY(!m_backend->downloadTransposed(*m_backend->allocateCodes(1, 3), host.view()));
    }
    // What is uploaded as a weight comes back as the precision has it, and is the weight of a product alone
    // in that precision.
    void weights() {
        const auto backend = makeCpuBackend(1, Precision::BF16);
        const Matrix w = randomMatrix(5, 70, 3), x = randomMatrix(4, 70, 4);
        Tensor weight;
        QS_VERIFY_OK(backend->uploadWeight(w.view(), weight));
        const auto back = selftest::down(*backend, weight);
        QS_VERIFY_OK(back);
        const Matrix rounded = selftest::rounded(w, Precision::BF16);
        QVERIFY(std::equal(rounded.data(), rounded.data() + rounded.size(), back->data()));
        // A plain tensor is multiplied in float32 in this precision too: routers stay exact.
        m_backend = makeCpuBackend(1, Precision::BF16);
        Tensor exact = *m_backend->allocate(4, 5);
        QS_VERIFY_OK(m_backend->linear(up(x), up(w), nullptr, exact));
        MatrixD expected(4, 5);
        for (size_t i = 0; i < 4; ++i)
            for (size_t j = 0; j < 5; ++j)
                for (size_t c = 0; c < 70; ++c)
                    expected(i, j) += double(x(i, c)) * double(w(j, c));
        const auto y = selftest::down(*m_backend, exact);
        QS_VERIFY_OK(y);
        QVERIFY(selftest::distance(y->view(), expected) <= 1e-5);
    }
    // The products do not depend on how many threads share them.
    void bf16ProductsAreTheSameOnAnyThreads() {
        qInfo("%s", linalg::bf16ProviderDescription().c_str());
        const Matrix x = randomMatrix(600, 130, 5), w = randomMatrix(4200, 130, 6);
        const linalg::MatrixBf16 half = linalg::toBf16(w.view());
        const Matrix many = randomMatrix(300, 700, 7);
        Matrix one(600, 4200), four(600, 4200);
        MatrixD momentOne(700, 700), momentFour(700, 700);
        linalg::setThreads(1);
        QS_VERIFY_OK(linalg::gemmBf16(x.view(), half.view(), one.view()));
        QS_VERIFY_OK(linalg::addSecondMomentBf16(many.view(), momentOne.view()));
        linalg::setThreads(4);
        QS_VERIFY_OK(linalg::gemmBf16(x.view(), half.view(), four.view()));
        QS_VERIFY_OK(linalg::addSecondMomentBf16(many.view(), momentFour.view()));
        linalg::setThreads(linalg::hardwareThreads());
        QVERIFY(std::equal(one.data(), one.data() + one.size(), four.data()));
        QVERIFY(std::equal(momentOne.data(), momentOne.data() + momentOne.size(), momentFour.data()));
    }
    void oneDnnThatIsNotThere() {
        const auto missing = linalg::loadOneDnn("libno-such-onednn.so");
        QVERIFY(!missing);
        QCOMPARE(int(missing.error().code), int(ErrorCode::Backend));
        QVERIFY(linalg::oneDnn() || !linalg::oneDnnProblem().empty());
    }
    void precisionNames() {
        for (const Precision p : {Precision::F32, Precision::BF16}) {
            const auto back = precisionFromName(precisionName(p));
            QS_VERIFY_OK(back);
            QCOMPARE(*back, p);
        }
        QVERIFY(!precisionFromName("fp8"));
    }
    void unknownDevice() {
        QVERIFY(!makeBackend("tpu"));
        qInfo("%s", makeCpuBackend()->description().c_str());
    }
};

QS_TEST(BackendParity)
#include "tst_backend_parity.moc"
