// SPDX-License-Identifier: Apache-2.0
#include "core/base/result.h"

#include "tests/support/qs_test.h"

#include <memory>
#include <set>

using namespace qs;

namespace {

Result<int> half(int n) {
    if (n % 2) return Error::invalid("odd", "n");
    return n / 2;
}
Result<int> quarter(int n) {
    QS_TRY(const int h, half(n));
    QS_TRY(const int q, half(h));
    return q;
}
Result<void> even(int n) {
    if (n % 2) return Error::invalid("odd", "n");
    return {};
}
Result<void> both(int a, int b, int& reached) {
    QS_CHECK(even(a));
    reached = 1;
    QS_CHECK(even(b));
    reached = 2;
    return {};
}
Result<std::unique_ptr<int>> boxed(bool good) {
    if (!good) return Error::notFound("none");
    return std::make_unique<int>(5);
}
Result<int> unboxed(bool good) {
    QS_TRY(auto box, boxed(good));
    return *box;
}

} // namespace

class TestResult : public QObject {
    Q_OBJECT
private slots:
    void tryPassesValuesAndErrors() {
        QCOMPARE(*quarter(12), 3);
        QVERIFY(!quarter(6));
        QCOMPARE(quarter(6).error().message, std::string("odd"));
        QCOMPARE(quarter(5).error().code, ErrorCode::InvalidArgument);
    }
    void tryMovesMoveOnlyValues() {
        QCOMPARE(*unboxed(true), 5);
        QCOMPARE(unboxed(false).error().code, ErrorCode::NotFound);
    }
    void checkStopsAtTheFirstError() {
        int reached = 0;
        QVERIFY(both(2, 4, reached).has_value());
        QCOMPARE(reached, 2);
        reached = 0;
        QVERIFY(!both(1, 4, reached));
        QCOMPARE(reached, 0);
        QVERIFY(!both(2, 3, reached));
        QCOMPARE(reached, 1);
    }
    void cancelledIsNotAFailureCode() {
        const Result<int> r = Error::cancelled();
        QVERIFY(r.isCancelled());
        QVERIFY(!r.has_value());
        QVERIFY(!Result<int>(Error::io("x")).isCancelled());
        QVERIFY(!Result<int>(1).isCancelled());
        QVERIFY(Result<void>(Error::cancelled()).isCancelled());
        QVERIFY(!Result<void>().isCancelled());
    }
    void describePutsThePlaceFirst() {
        QCOMPARE(Error::corrupt("too short").describe(), std::string("too short"));
        QCOMPARE(Error::corrupt("too short", "a.bin").describe(), std::string("a.bin: too short"));
        QCOMPARE(Error::corrupt("too short", "tensor q").at("a.bin").describe(),
                 std::string("a.bin: tensor q: too short"));
        QCOMPARE(Error::corrupt("too short").at("a.bin").describe(), std::string("a.bin: too short"));
    }
    void codeNamesAreDistinct() {
        std::set<std::string> names;
        for (int c = 0; c <= int(ErrorCode::Cancelled); ++c)
            names.insert(errorCodeName(ErrorCode(c)));
        QCOMPARE(int(names.size()), int(ErrorCode::Cancelled) + 1);
        QVERIFY(!names.count("unknown"));
    }
};

QS_TEST(TestResult)
#include "tst_result.moc"
