// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/allocator/measured.h"

using namespace qs;
using namespace qs::test;

class Allocator_bisection : public QObject {
    Q_OBJECT
private slots:
    /// Two linears of equal cost: the pair term shows only when both are lowered, and by hand the third is
    /// the one to lower. 8 or 4 bytes each, 20 in all: one goes down.
    void pairsByHand() {
        const std::vector<AllocatorItem> items = {{{4, 1}, {8, 0}}, {{4, 1}, {8, 0}}, {{4, 1.2}, {8, 0}}};
        ChoiceMeasure measure;
        measure.evaluations = 30;
        measure.damage = [](std::span<const size_t> c, const JobContext&) -> Result<double> {
            const double a = c[0] == 0, b = c[1] == 0, d = c[2] == 0;
            return a + b + 1.2 * d + 3 * a * b + 0.5 * a;
        };
        const auto one = allocate(**findAllocator("bisection"), items, 20, {}, &measure);
        QS_VERIFY_OK(one);
        // Raising from all low gains 4.5, 4 and 1.2: the third is the least sensitive.
        QCOMPARE(one->chosen, (std::vector<size_t>{1, 1, 0}));
        QCOMPARE(one->damage, 1.2);
        const auto two = allocate(**findAllocator("bisection"), items, 16, {}, &measure);
        QCOMPARE(two->chosen, (std::vector<size_t>{1, 0, 0}));
        const auto all = allocate(**findAllocator("bisection"), items, 24, {}, &measure);
        QCOMPARE(all->chosen, (std::vector<size_t>{1, 1, 1}));
    }
    void keepsToWhatIsAsked() {
        double sum = 0;
        checkSearch("bisection", [&](double damage, double, double uniform) {
            // Not below the exact allocation: one order of all rungs is less than a choice for each.
            QVERIFY2(damage <= uniform, qPrintable(QString("%1, uniform %2").arg(damage).arg(uniform)));
            sum += damage / uniform / 6;
        });
        qInfo("%.3f of the damage of the uniform choice", sum);
    }
    void edges() { checkSearchEdges("bisection"); }
};

QS_TEST(Allocator_bisection)
#include "tst_allocator_bisection.moc"
