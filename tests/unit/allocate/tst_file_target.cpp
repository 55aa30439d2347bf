// SPDX-License-Identifier: Apache-2.0
// Budgets for files that are larger than the payloads, by a rule that stands in for a format.
#include "core/allocate/file_target.h"
#include "tests/support/qs_test.h"

using namespace qs;

class FileTarget : public QObject {
    Q_OBJECT

    /// Payloads of 100 bytes a step, cost 1 / steps; at least 5 steps.
    static Result<SchemeAllocation> steps(const AllocationRequest& r) {
        const uint64_t n = *r.target.checkpointBytes / 100;
        if (n < 5) return Error::invalid("at least 500 bytes");
        SchemeAllocation a;
        a.bytes = 100 * n;
        a.cost = 1.0 / double(n);
        return a;
    }

private slots:
    /// A header of 333 bytes and alignment to 64: the largest number of steps that fits, counted by hand.
    void largestThatFits_data() {
        QTest::addColumn<quint64>("target");
        QTest::addColumn<quint64>("payload");
        QTest::newRow("well above") << quint64(10000) << quint64(9600); // 333 + 9600 = 9933 -> 9984
        QTest::newRow("just") << quint64(1856) << quint64(1500);        // 333 + 1500 = 1833 -> 1856
        QTest::newRow("just not") << quint64(1855) << quint64(1400);    // 333 + 1400 = 1733 -> 1792
        QTest::newRow("the least") << quint64(896) << quint64(500);     // 333 + 500 = 833 -> 896
    }
    void largestThatFits() {
        QFETCH(quint64, target);
        QFETCH(quint64, payload);
        const auto a = allocateForFile({}, target, steps, [](const SchemeAllocation& s) -> Result<uint64_t> {
            return (333 + s.bytes + 63) / 64 * 64;
        });
        QS_VERIFY_OK(a);
        QCOMPARE(quint64(a->bytes), payload);
    }

    /// Files that are smaller than the payloads, and such as grow by twice their bytes.
    void otherSlopes() {
        const auto half = allocateForFile(
            {}, 3000, steps, [](const SchemeAllocation& s) -> Result<uint64_t> { return s.bytes / 2; });
        QS_VERIFY_OK(half);
        QCOMPARE(quint64(half->bytes), quint64(6000));
        const auto twice = allocateForFile(
            {}, 3000, steps, [](const SchemeAllocation& s) -> Result<uint64_t> { return 2 * s.bytes + 10; });
        QS_VERIFY_OK(twice);
        QCOMPARE(quint64(twice->bytes), quint64(1400));
    }

    void refusals() {
        const auto size = [](const SchemeAllocation& s) -> Result<uint64_t> { return s.bytes + 1000; };
        const auto small = allocateForFile({}, 1200, steps, size);
        QVERIFY(!small);
        // The smallest there is: 500 bytes of payloads.
        QVERIFY2(small.error().message.find("1500 bytes, above the target of 1200") != std::string::npos,
                 small.error().message.c_str());
        const auto less = allocateForFile({}, 400, steps, size);
        QVERIFY(!less);
        QVERIFY(less.error().message.find("at least 500 bytes") != std::string::npos);
        const auto broken = allocateForFile({}, 5000, steps, [](const SchemeAllocation&) -> Result<uint64_t> {
            return Error::unsupported("no such file");
        });
        QVERIFY(!broken);
        QCOMPARE(broken.error().message, std::string("no such file"));
    }
};

QS_TEST(FileTarget)
#include "tst_file_target.moc"
