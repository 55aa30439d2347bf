// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"
#include "tests/support/qs_test.h"

#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

using namespace qs;

class ParallelTest : public QObject {
    Q_OBJECT
private slots:
    void init() { before_ = linalg::threads(); }
    void cleanup() { linalg::setThreads(before_); }

    void everyIndexOnce_data() {
        QTest::addColumn<int>("threads");
        QTest::addColumn<int>("count");
        QTest::addColumn<int>("grain");
        for (const int threads : {1, 2, 5})
            for (const int count : {0, 1, 6, 1001})
                for (const int grain : {0, 1, 7, 5000})
                    QTest::addRow("%d threads, %d by %d", threads, count, grain) << threads << count << grain;
    }
    void everyIndexOnce() {
        QFETCH(int, threads);
        QFETCH(int, count);
        QFETCH(int, grain);
        linalg::setThreads(threads);
        std::vector<std::atomic<int>> hits(static_cast<size_t>(count));
        for (int round = 0; round < 20; ++round)
            linalg::parallelFor(hits.size(), size_t(grain), [&](size_t begin, size_t end) {
                QVERIFY(begin < end && end <= hits.size());
                for (size_t i = begin; i < end; ++i)
                    ++hits[i];
            });
        for (const auto& h : hits)
            QCOMPARE(h.load(), 20);
    }

    /// Loops that follow at once, some so short that no worker comes in time, some after the workers sleep.
    /// What a worker wrote is seen behind the loop.
    void manyShortLoops() {
        linalg::setThreads(3);
        std::vector<int> values(64);
        for (int round = 1; round <= 20000; ++round) {
            linalg::parallelFor(values.size(), 16, [&](size_t begin, size_t end) {
                for (size_t i = begin; i < end; ++i)
                    values[i] = round;
            });
            QCOMPARE(std::accumulate(values.begin(), values.end(), 0), 64 * round);
            if (round % 5000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }

    /// A second caller computes alone while the workers are taken; neither waits for the other.
    void callersAtTheSameTime() {
        linalg::setThreads(3);
        std::vector<std::jthread> callers;
        std::atomic<int> wrong{0};
        for (int caller = 0; caller < 4; ++caller)
            callers.emplace_back([&wrong] {
                for (int round = 0; round < 500; ++round) {
                    std::atomic<size_t> sum{0};
                    linalg::parallelFor(100, 3, [&](size_t begin, size_t end) {
                        for (size_t i = begin; i < end; ++i)
                            sum += i;
                    });
                    wrong += sum != 4950;
                }
            });
        callers.clear();
        QCOMPARE(wrong.load(), 0);
    }

    /// A loop inside a loop is run by the thread that asks for it, in one call.
    void nestedLoopsRunSerially() {
        linalg::setThreads(3);
        std::atomic<int> calls{0}, elsewhere{0};
        linalg::parallelFor(8, 1, [&](size_t begin, size_t end) {
            for (size_t i = begin; i < end; ++i) {
                const auto self = std::this_thread::get_id();
                linalg::parallelFor(100, 1, [&](size_t from, size_t to) {
                    ++calls;
                    elsewhere += std::this_thread::get_id() != self || from != 0 || to != 100;
                });
            }
        });
        QCOMPARE(calls.load(), 8);
        QCOMPARE(elsewhere.load(), 0);
    }

    void theFirstErrorIsKept() {
        linalg::setThreads(2);
        linalg::FirstError errors;
        QVERIFY(!errors.failed());
        linalg::parallelFor(10, 1, [&](size_t begin, size_t end) {
            for (size_t i = begin; i < end; ++i)
                errors.note(i == 4 ? Result<void>(Error::invalid("four")) : Result<void>());
        });
        QVERIFY(errors.failed());
        const auto result = errors.result();
        QVERIFY(!result);
        QVERIFY(result.error().message.find("four") != std::string::npos);
    }

private:
    int before_ = 1;
};

QS_TEST(ParallelTest)
#include "tst_parallel.moc"
