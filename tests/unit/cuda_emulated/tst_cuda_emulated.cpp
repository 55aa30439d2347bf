// SPDX-License-Identifier: Apache-2.0
// The CUDA backend's own sources on emulated devices (tests/support/cuda_emulation): the selftest, memory
// that runs out, devices that fail. What only a GPU can show (cuBLAS, speed, real concurrency) is not here:
// `quantoscope-cli selftest --device cuda:0` on one.
#include "core/backend/selftest/cases.h"
#include "tests/support/emulated_device.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <numeric>

using namespace qs;
using emulation::machine;
using selftest::randomMatrix;
using test::device;
using test::taken;

namespace {

Tensor up(Backend& backend, const Matrix& m) {
    return taken(selftest::up(backend, m));
}

Matrix down(Backend& backend, const Tensor& t) {
    return taken(selftest::down(backend, t));
}

} // namespace

class CudaEmulated : public QObject {
    Q_OBJECT
private slots:
    void init() { test::resetMachine(); }
    // All memory went back, whatever the test did.
    void cleanup() { QCOMPARE(machine().usedBytes, size_t(0)); }

    void selftest_data() {
        QTest::addColumn<bool>("bf16");
        QTest::addColumn<bool>("eager");
        for (const bool bf16 : {false, true})
            for (const bool eager : {false, true})
                QTest::addRow("%s, uploads %s", bf16 ? "bf16" : "f32",
                              eager ? "early, last thread first" : "late")
                    << bf16 << eager;
    }
    void selftest() {
        QFETCH(bool, bf16);
        QFETCH(bool, eager);
        machine().eagerUploads = machine().reversedThreads = eager;
        const Precision precision = bf16 ? Precision::BF16 : Precision::F32;
        const auto backend = device(precision);
        QCOMPARE(backend->precision(), precision);
        for (const SelftestCase& c : selftestCases(precision)) {
            const size_t before = machine().launches;
            const SelftestOutcome out = runSelftest(c, *backend);
            QVERIFY(machine().launches > before); // a kernel was what ran
            QVERIFY2(out.passed, qPrintable(QString("%1 %2: error %3, at most %4; %5")
                                                .arg(c.op.c_str(), c.shapes.c_str())
                                                .arg(out.error)
                                                .arg(c.tolerance)
                                                .arg(out.problem.c_str())));
        }
    }
    // Windows of more than one tile of keys and heads of more than one run of columns.
    void longAttention_data() {
        QTest::addColumn<int>("window");
        QTest::addColumn<int>("headDim");
        QTest::addColumn<int>("reach");
        QTest::addColumn<bool>("causal");
        QTest::newRow("two tiles") << 100 << 20 << 0 << true;
        QTest::newRow("three tiles, both directions") << 150 << 64 << 0 << false;
        QTest::newRow("reach of less than a tile") << 200 << 8 << 5 << true;
        QTest::newRow("reach over tiles") << 200 << 8 << 70 << true;
        QTest::newRow("two runs of columns") << 70 << 200 << 0 << true;
    }
    void longAttention() {
        QFETCH(int, window);
        QFETCH(int, headDim);
        QFETCH(int, reach);
        QFETCH(bool, causal);
        const size_t n = size_t(window), d = size_t(headDim), heads = 2;
        const Matrix q = randomMatrix(2 * n, heads * d, 1, 3), k = randomMatrix(2 * n, d, 2, 3),
                     v = randomMatrix(2 * n, d, 3);
        MatrixD expected(2 * n, heads * d);
        for (size_t i = 0; i < 2 * n; ++i)
            for (size_t h = 0; h < heads; ++h) {
                const size_t first = i / n * n;
                double sum = 0;
                for (size_t j = first; j < first + n; ++j) {
                    if ((causal && j > i) || (reach > 0 && j + size_t(reach) <= i)) continue;
                    double s = 0;
                    for (size_t c = 0; c < d; ++c)
                        s += 0.2 * double(q(i, h * d + c)) * double(k(j, c));
                    sum += std::exp(s);
                    for (size_t c = 0; c < d; ++c)
                        expected(i, h * d + c) += std::exp(s) * double(v(j, c));
                }
                for (size_t c = 0; c < d; ++c)
                    expected(i, h * d + c) /= sum;
            }
        const auto backend = device();
        Tensor out = *backend->allocate(2 * n, heads * d);
        AttentionShape shape{.heads = heads, .kvHeads = 1, .windowLength = n, .scale = 0.2f, .keyBias = {}};
        shape.reach = size_t(reach);
        shape.causal = causal;
        QS_VERIFY_OK(backend->attention(up(*backend, q), up(*backend, k), up(*backend, v), shape, out));
        QVERIFY(selftest::distance(down(*backend, out).view(), expected) <= 2e-5);
    }
    // The same operations in the same order as the CPU's, so the same codes, also in blocks of more columns
    // than one kernel takes.
    void gptqCodesAreTheCpus_data() {
        QTest::addColumn<int>("columns");
        QTest::newRow("one kernel") << 128;
        QTest::newRow("two kernels") << 150;
    }
    void gptqCodesAreTheCpus() {
        QFETCH(int, columns);
        const size_t n = size_t(columns), rows = 70;
        Matrix factor = randomMatrix(n, n, 5, 0.05), scale(n, rows), zero(n, rows);
        for (size_t i = 0; i < n; ++i)
            factor(i, i) = 0.9f;
        std::fill_n(scale.data(), scale.size(), 0.17f);
        std::fill_n(zero.data(), zero.size(), 8.0f);
        const auto solve = [&](Backend& backend, MatrixT<uint8_t>& codes, Matrix& error) {
            const Matrix weight = randomMatrix(n, rows, 6);
            const Tensor w = up(backend, weight), original = up(backend, weight),
                         errors = taken(backend.allocate(n, rows)), change = taken(backend.allocate(n, rows)),
                         u = up(backend, factor);
            const CodeTensor found = taken(backend.allocateCodes(n, rows));
            auto done = backend.gptqColumnBlock(
                {w, original, errors, change, u, up(backend, scale), up(backend, zero), found, 0, 15});
            error = down(backend, errors);
            if (done) done = backend.downloadCodes(found, codes.view());
            return done;
        };
        MatrixT<uint8_t> codes(n, rows), cpuCodes(n, rows);
        Matrix error(n, rows), cpuError(n, rows);
        QS_VERIFY_OK(solve(*device(), codes, error));
        QS_VERIFY_OK(solve(*makeCpuBackend(), cpuCodes, cpuError));
        QVERIFY(std::equal(codes.data(), codes.data() + codes.size(), cpuCodes.data()));
        for (size_t i = 0; i < error.size(); ++i)
            QVERIFY(std::fabs(error.data()[i] - cpuError.data()[i]) <= 1e-5f);
    }
    // More than the staging memory holds, from a view with gaps and into one.
    void largeCopies() {
        const auto backend = device();
        const Matrix m = randomMatrix(1100, 9000, 7);
        const ConstMatrixView part = m.view().block(50, 1000, 100, 8500);
        Tensor t;
        QS_VERIFY_OK(backend->upload(part, t));
        Matrix back(1000, 8600);
        QS_VERIFY_OK(backend->download(t, back.view().block(0, 1000, 100, 8500)));
        for (size_t r = 0; r < part.rows; ++r)
            QVERIFY(std::equal(part.row(r), part.row(r) + part.cols, back.row(r) + 100));
    }
    // An upload in place waits for kernels that still read the tensor; a tensor whose memory was somebody
    // else's, too.
    void uploadsWaitForReaders_data() { selftest_data(); }
    void uploadsWaitForReaders() {
        QFETCH(bool, eager);
        machine().eagerUploads = eager;
        const auto backend = device();
        const Matrix one = randomMatrix(40, 50, 8), two = randomMatrix(40, 50, 9);
        Tensor sum = *backend->allocate(40, 50), moving = up(*backend, one);
        QS_VERIFY_OK(backend->add(sum, moving));
        QS_VERIFY_OK(backend->upload(two.view(), moving));
        QS_VERIFY_OK(backend->add(sum, moving));
        moving = {};
        moving = up(*backend, one); // the same block of the pool
        QS_VERIFY_OK(backend->add(sum, moving));
        const Matrix got = down(*backend, sum);
        for (size_t i = 0; i < got.size(); ++i)
            QCOMPARE(got.data()[i], one.data()[i] + two.data()[i] + one.data()[i]);
    }
    void memoryIsKeptForTheNextTensor() {
        const auto backend = device();
        for (int i = 0; i < 20; ++i)
            QS_VERIFY_OK(backend->allocate(300, 300));
        QCOMPARE(machine().allocations, size_t(1));
        const Matrix zeroed = down(*backend, *backend->allocate(300, 300)); // memory that was used before
        for (const float v : zeroed.span())
            QCOMPARE(v, 0.0f);
    }
    void unusedMemoryIsGivenBackFirst() {
        const auto backend = device();
        machine().memoryBytes = size_t(64) << 20;
        QS_VERIFY_OK(backend->allocate(1024, 10 * 1024)); // 40 MiB, unused at once
        QS_VERIFY_OK(backend->allocate(1024, 12 * 1024)); // 48 MiB: both do not fit
        const auto tooMuch = backend->allocate(1024, 20 * 1024);
        QVERIFY(!tooMuch);
        QCOMPARE(int(tooMuch.error().code), int(ErrorCode::OutOfMemory));
        const QString text = QString::fromStdString(tooMuch.error().describe());
        QVERIFY2(text.contains("[1024, 20480]") && text.contains("80.0 MiB") && text.contains("64 MiB"),
                 qPrintable(text));
        QS_VERIFY_OK(backend->allocate(8, 8)); // and goes on
    }
    // Sigma goes on in smaller tiles when memory is short.
    void smallerTilesWhenMemoryIsShort() {
        const auto backend = device();
        const size_t n = 1300;
        const Matrix x = randomMatrix(4, n, 10);
        const Tensor tx = up(*backend, x);
        machine().memoryBytes = size_t(4) << 20; // the first panel of Sigma alone would take 5.1 MiB
        const auto moment = taken(backend->secondMoment(n)); // 12.9 MiB: in host memory
        QS_VERIFY_OK(moment->add(tx));
        const MatrixD sigma = taken(moment->take());
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j) {
                double expected = 0;
                for (size_t t = 0; t < 4; ++t)
                    expected += double(x(t, i)) * double(x(t, j));
                QVERIFY(std::fabs(sigma(i, j) - expected) <= 1e-5);
            }
    }
    void aLostDeviceIsAnErrorFromThenOn() {
        const auto backend = device();
        Tensor x = up(*backend, randomMatrix(5, 6, 13));
        machine().launchesBeforeFault = 0;
        (void)backend->activate(Activation::Silu, x);
        Matrix host(5, 6);
        for (int i = 0; i < 3; ++i) {
            const auto r = backend->download(x, host.view());
            QVERIFY(!r);
            QCOMPARE(int(r.error().code), int(ErrorCode::Backend));
            QVERIFY(r.error().describe().find("illegal memory access") != std::string::npos);
        }
        machine().fault = cudaSuccess; // whatever the driver says now
        QVERIFY(!backend->allocate(2, 2));
        QVERIFY(!backend->upperFactor(MatrixD(2, 2), std::vector<uint32_t>{0, 1}, std::vector<double>(2)));
    }
    void weightsInBf16AreForLinearAlone() {
        const auto backend = device(Precision::BF16);
        const Matrix w = randomMatrix(5, 70, 14);
        Tensor weight;
        QS_VERIFY_OK(backend->uploadWeight(w.view(), weight));
        const Matrix rounded = selftest::rounded(w, Precision::BF16), back = down(*backend, weight);
        QVERIFY(std::equal(rounded.data(), rounded.data() + rounded.size(), back.data()));
        QVERIFY(!backend->softCap(weight, 1));
        QS_VERIFY_OK(backend->upload(w.view(), weight)); // a plain tensor again
        QS_VERIFY_OK(backend->softCap(weight, 1));
    }
    void notPositiveDefinite() {
        std::vector<double> diagonal(130, 1);
        diagonal[20] = -1;
        std::vector<uint32_t> order(130);
        std::iota(order.begin(), order.end(), 0u);
        const auto bad = device()->upperFactor(MatrixD(130, 130), order, diagonal);
        QVERIFY(!bad);
        QCOMPARE(int(bad.error().code), int(ErrorCode::Backend));
        QCOMPARE(bad.error().message, // counted from the last column, as on the CPU
                 std::string("the matrix is not positive definite (pivot 110 of 130)"));
    }
    void devices() {
        machine().devices = 2;
        QCOMPARE(listCudaBackends().size(), size_t(2));
        QCOMPARE(listCudaBackends()[1].id, std::string("cuda:1"));
        QVERIFY(listCudaBackends()[1].available);
        QVERIFY(listCudaBackends()[0].description.find("compute capability 9.0, 1.0 of 1.0 GiB free") !=
                std::string::npos);
        QCOMPARE((*makeBackend("auto"))->id(), std::string("cuda:0"));
        QCOMPARE((*makeBackend("cuda:1"))->id(), std::string("cuda:1"));
        const auto third = makeBackend("cuda:2");
        QVERIFY(!third);
        QVERIFY(third.error().describe().find("cuda:0 to cuda:1") != std::string::npos);
        for (const char* wrong : {"cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cud"})
            QCOMPARE(int(makeBackend(wrong).error().code), int(ErrorCode::InvalidArgument));
    }
    void devicesThatCannotBeUsed_data() {
        QTest::addColumn<int>("driver");
        QTest::addColumn<int>("devices");
        QTest::addColumn<int>("major");
        QTest::addColumn<QString>("reason");
        QTest::newRow("no driver") << 0 << 0 << 9 << "no NVIDIA driver";
        QTest::newRow("old driver") << 12040 << 1 << 9 << "CUDA up to 12.4, this build needs 13.0";
        QTest::newRow("no device") << 13000 << 0 << 9 << "sees no GPU";
        QTest::newRow("old device") << 13000 << 1 << 6 << "compute capability 6.0";
    }
    void devicesThatCannotBeUsed() {
        QFETCH(int, driver);
        QFETCH(int, devices);
        QFETCH(int, major);
        QFETCH(QString, reason);
        machine().driverVersion = driver;
        machine().devices = devices;
        machine().major = major;
        const auto list = listCudaBackends();
        QCOMPARE(list.size(), size_t(1));
        QVERIFY(!list[0].available);
        QVERIFY2(list[0].reason.find(reason.toStdString()) != std::string::npos, list[0].reason.c_str());
        QVERIFY(makeBackend("cuda:0").error().describe().find(reason.toStdString()) != std::string::npos);
        QCOMPARE((*makeBackend("auto"))->id(), std::string("cpu"));
    }
};

QS_TEST(CudaEmulated)
#include "tst_cuda_emulated.moc"
