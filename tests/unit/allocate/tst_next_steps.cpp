// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/next_steps.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

namespace {

/// Rows at 100, 200 and 400 bytes with the given KL; NaN: not measured.
SensitivityTable table(const std::vector<std::array<double, 3>>& kl) {
    SensitivityTable t;
    t.candidates.resize(3);
    for (const auto& values : kl) {
        SensitivityRow row;
        row.module = std::to_string(t.rows.size());
        for (size_t c = 0; c < 3; ++c) {
            SensitivityCell cell;
            cell.bytes = 100u << c;
            cell.kl = values[c];
            row.cells.push_back(cell);
        }
        t.rows.push_back(row);
    }
    return t;
}

} // namespace

const std::vector<std::vector<std::string>> kTied = {std::vector<std::string>{"0", "1"}};

class NextSteps : public QObject {
    Q_OBJECT

    static std::vector<NextStep> steps(const SensitivityTable& t, std::vector<std::optional<size_t>> present,
                                       std::vector<char> fixed = {},
                                       std::vector<std::vector<std::string>> tied = {}) {
        fixed.resize(t.rows.size());
        return nextSteps(t, **findScore("kl_alone"), present, fixed, tied);
    }

private slots:
    void bestPerByteFirst() {
        // 0: +100 bytes recover 0.2, +300 recover 0.9 (0.003 per byte): the larger step. 1: 0.004 per byte.
        const auto t = table({{1.0, 0.8, 0.1}, {0.5, 0.1, 0.09}, {0.5, 0.6, 0.7}});
        const auto s = steps(t, {0, 0, 0});
        QCOMPARE(s.size(), size_t(2)); // more bits do not help the third
        QCOMPARE(s[0].rows, std::vector<size_t>{1});
        QCOMPARE(s[0].candidate, size_t(1));
        QCOMPARE(s[0].bytes, uint64_t(100));
        QVERIFY(std::fabs(s[0].recovered - 0.4) < 1e-12);
        QCOMPARE(s[1].rows, std::vector<size_t>{0});
        QCOMPARE(s[1].candidate, size_t(2));
        QCOMPARE(s[1].bytes, uint64_t(300));
        QVERIFY(std::fabs(s[1].perMiB() - 0.9 / 300 * 1048576) < 1e-6);
        QVERIFY(steps(t, {2, 2, 2}).empty());
    }

    void fixedKeptAndUnknownRowsTakeNone() {
        const auto t = table({{1.0, 0.5, 0.1}, {1.0, 0.5, 0.1}, {NAN, 0.5, 0.1}, {1.0, NAN, 0.1}});
        const auto s = steps(t, {0, std::nullopt, 0, 0}, {1, 0, 0, 0});
        QCOMPARE(s.size(), size_t(1));
        QCOMPARE(s[0].rows, std::vector<size_t>{3});
        QCOMPARE(s[0].candidate, size_t(2)); // the one in the middle is not measured
    }

    void tiedRowsStepTogether() {
        const auto t = table({{1.0, 0.5, 0.4}, {1.0, 0.9, 0.8}, {1.0, 0.2, 0.1}});
        const auto s = steps(t, {0, 1, 0}, {}, kTied);
        QCOMPARE(s.size(), size_t(2));
        QCOMPARE(s[0].rows, std::vector<size_t>{2});
        // From 100 + 200 bytes and a cost of 1.9 to 200 + 200 and 1.4.
        QCOMPARE(s[1].rows, (std::vector<size_t>{0, 1}));
        QCOMPARE(s[1].candidate, size_t(1));
        QCOMPARE(s[1].bytes, uint64_t(100));
        QVERIFY(std::fabs(s[1].recovered - 0.5) < 1e-12);
        QCOMPARE(steps(t, {0, 1, 0}, {0, 1, 0}, kTied).size(), size_t(1)); // one is fixed: so are both
    }
};

QS_TEST(NextSteps)
#include "tst_next_steps.moc"
