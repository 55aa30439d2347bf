// SPDX-License-Identifier: Apache-2.0
#include "core/tensor/matrix.h"
#include "core/tensor/spare_memory.h"
#include "tests/support/qs_test.h"

#include <algorithm>
#include <cstdint>
#include <fstream>

using namespace qs;

namespace {

size_t residentBytes() {
    std::ifstream file("/proc/self/statm");
    size_t size = 0, resident = 0;
    file >> size >> resident;
    return resident * 4096;
}

} // namespace

class MatrixMemory : public QObject {
    Q_OBJECT
private slots:
    /// Zeros, aligned, whole, on either side of the size from which memory is mapped; again after others were
    /// freed.
    void zerosOfAllSizes() {
        for (int round = 0; round < 2; ++round)
            for (const size_t count : {size_t(1), size_t(1) << 18, (size_t(1) << 20) - 1, size_t(1) << 20,
                                       (size_t(1) << 20) + 1, (size_t(1) << 22) + 1025}) {
                Matrix m(1, count);
                QCOMPARE(reinterpret_cast<uintptr_t>(m.data()) % 64, uintptr_t(0));
                QVERIFY(std::all_of(m.span().begin(), m.span().end(), [](float v) { return v == 0; }));
                std::fill(m.span().begin(), m.span().end(), 7.0f); // the last one too
                const Matrix moved = std::move(m);
                QCOMPARE(moved(0, count - 1), 7.0f);
                const Matrix copy = moved.clone();
                QCOMPARE(copy(0, count - 1), 7.0f);
            }
        QVERIFY(Matrix(0, 5).empty() && MatrixD().empty());
    }
    /// What was freed serves the next matrix of its size, zeroed, until it is released.
    void spareMemory() {
        const size_t count = (size_t(8) << 20) / sizeof(float);
        const float* first = nullptr;
        {
            Matrix m(1, count);
            first = m.data();
            std::fill(m.span().begin(), m.span().end(), 3.0f);
        }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        QCOMPARE(Matrix(1, count).data(), const_cast<float*>(first));
#endif
        const size_t before = residentBytes();
        releaseSpareMatrices();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        QVERIFY(first && residentBytes() + (size_t(7) << 20) < before);
#endif
        const Matrix again(1, count);
        QVERIFY(std::all_of(again.span().begin(), again.span().end(), [](float v) { return v == 0; }));
    }
    void noMemory() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        QSKIP("a sanitizer ends the program where memory ends");
#endif
        QVERIFY_THROWS_EXCEPTION(std::bad_alloc, Matrix(size_t(1) << 30, size_t(1) << 30));
    }
};

QS_TEST(MatrixMemory)
#include "tst_matrix.moc"
