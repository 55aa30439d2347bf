// SPDX-License-Identifier: GPL-3.0-or-later
// The Scaling view of Judge on the sample: runs at several bits with the frontier among them, the loss to
// expect by hand, and 4-bit inputs once calibrated.
#include "app/pages/JudgePage.h"
#include "app/pages/ScalingPane.h"
#include "tests/gui/ClippedText.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/views/Chip.h"
#include "widgets/views/SegmentedButtons.h"

#include <QDoubleSpinBox>
#include <QLabel>
#include <QTableView>

using namespace qs;
using namespace qs::test;

namespace {
constexpr int kLong = 180000;
}

class ScalingView : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("scaling-view");
        m_window = std::make_unique<WindowFixture>(*m_home);
        m_window->window->resize(1600, 1000);
        QVERIFY(QTest::qWaitForWindowExposed(m_window->window.get()));
        QVERIFY(!(*m_window)->action("scaling")->isEnabled());
        m_window->trigger("openSample");
        QTRY_VERIFY_WITH_TIMEOUT(session()->model(), kLong);
        m_window->trigger("scaling");
        QCOMPARE((*m_window)->workspace(), app::Workspace::Judge);
        QTRY_VERIFY(pane()->isVisible());
    }
    void cleanupTestCase() {
        m_window.reset();
        m_home.reset();
    }

    void nothingYet() {
        QVERIFY(chart()->data()->isEmpty() && chart()->data()->emptyText.contains(u"evaluate"));
        QVERIFY(!pane()->verdict()->isVisible());
        QVERIFY(pane()->inputsChip()->text().isEmpty());
        QVERIFY(pane()->state()->fourBitProblem().contains(u"Calibrate first"));
        QVERIFY(cell(pane()->degradation(), 0, 2).contains(u"trained on"));
    }

    /// 0.017 D^0.5251 / (N^0.2261 P^5.4967) with 300 billion tokens.
    void lossToExpect() {
        pane()->trainingTokens()->setValue(300);
        const double n = double(pane()->state()->parameters());
        QCOMPARE(pane()->state()->parameters(), *nonEmbeddingParameters(*session()->model()));
        QCOMPARE(pane()->degradation()->model()->rowCount(), 3);
        for (int r = 0; r < 3; ++r) {
            const double bits = r + 2, expected = 0.017 * std::pow(3e11, 0.5251) /
                                                  (std::pow(n, 0.2261) * std::pow(bits, 5.4967));
            QCOMPARE(cell(pane()->degradation(), r, 0), QString::number(r + 2));
            QVERIFY(std::fabs(cell(pane()->degradation(), r, 1).toDouble() - expected) <= 6e-5);
            QVERIFY(cell(pane()->degradation(), r, 2).startsWith(u"does not reach")); // both too far
        }
        pane()->trainingTokens()->setValue(0);
        QCOMPARE(pane()->degradation()->model()->rowCount(), 1);
    }

    void runsOnTheFrontier() {
        for (const auto& [bits, group] : {std::pair(4, 32), std::pair(4, 128), std::pair(2, 32)})
            runAt(bits, group);
        m_window->trigger("evaluate");
        QVERIFY(m_window->startDialog("evaluateDialog", 64, 8));
        QTRY_VERIFY_WITH_TIMEOUT(session()->evaluation(), kLong);
        m_window->trigger("scaling");
        QTRY_COMPARE_WITH_TIMEOUT(chart()->data()->marks.size(), 3, kLong);
        const auto runs = pane()->state()->runs();
        QCOMPARE(runs->points.size(), size_t(4));
        QCOMPARE(runs->points[0].at.quality, 0.0); // the original
        for (const char letter : {'B', 'C', 'D'}) {
            const app::ComparedRun* r = page()->runs()->find(letter);
            const auto p = std::ranges::find(runs->points, letter, &app::ScalingPoint::letter);
            QVERIFY(p != runs->points.end());
            QCOMPARE(p->at.totalBits, 8.0 * double(r->plan->totalBytesAfter));
            QCOMPARE(p->at.quality, r->evaluation->kl);
            const auto mark =
                std::ranges::find(chart()->data()->marks, QString(QLatin1Char(letter)), &ui::CostMark::label);
            QVERIFY(mark != chart()->data()->marks.end());
            QVERIFY(std::fabs(mark->x - double(r->plan->totalBytesAfter) / 0x1p20) <= 1e-9);
            bool beaten = false;
            for (const app::ScalingPoint& o : runs->points)
                beaten = beaten ||
                         (&o != &*p && o.at.totalBits <= p->at.totalBits && o.at.quality <= p->at.quality);
            QCOMPARE(mark->kind == ui::CostMark::Option, beaten);
        }
        // The frontier's line goes through its marks, by size.
        QVERIFY(chart()->data()->line.size() >= 2);
        for (int i = 1; i < chart()->data()->line.size(); ++i) {
            QVERIFY(chart()->data()->line[i].x() >= chart()->data()->line[i - 1].x());
            QVERIFY(chart()->data()->line[i].y() <= chart()->data()->line[i - 1].y());
        }
        QVERIFY(!chart()->data()->xTitle.isEmpty() && !chart()->data()->yTitle.isEmpty());
        QVERIFY2(pane()->verdict()->text().contains(u"cannot tell"), qPrintable(pane()->verdict()->text()));
        QVERIFY(chart()->toCsv().contains(u"measured,"));
    }

    void aMarkChoosesItsRun() {
        const int mark =
            int(std::ranges::find(chart()->data()->marks, QStringLiteral("B"), &ui::CostMark::label) -
                chart()->data()->marks.begin());
        page()->setSubject('C');
        emit chart()->markActivated(mark);
        QCOMPARE(page()->subject(), 'B');
        const QStringList cut = clippedTexts(m_window->window.get());
        QVERIFY2(cut.isEmpty(), qPrintable(cut.join('\n')));
    }

    /// A run that is no longer compared stays a point: it lies in the cache, measured on the same text.
    void cachedRunsStay() {
        page()->runs()->removeRun('D');
        QTRY_VERIFY_WITH_TIMEOUT(
            std::ranges::count(pane()->state()->runs()->points, char(0), &app::ScalingPoint::letter) == 1,
            kLong);
        QCOMPARE(pane()->state()->runs()->points.size(), size_t(4));
        QCOMPARE(pane()->state()->runs()->elsewhere, 0);
    }

    void inputsInFourBits() {
        m_window->trigger("calibrate");
        QVERIFY(m_window->startDialog("calibrateDialog", 64, 8));
        QTRY_VERIFY_WITH_TIMEOUT(session()->calibration(), kLong);
        m_window->trigger("scaling");
        QTRY_VERIFY_WITH_TIMEOUT(pane()->state()->fourBit(), kLong);
        const FourBitReport& report = *pane()->state()->fourBit();
        QCOMPARE(pane()->inputs()->model()->rowCount(), int(report.sites.size()));
        QVERIFY(!pane()->inputsChip()->text().isEmpty());
        for (int r = 0; r < int(report.sites.size()); ++r) {
            const FourBitSite& s = report.sites[size_t(r)];
            QCOMPARE(cell(pane()->inputs(), r, 0), QString::fromStdString(s.site));
            QVERIFY(std::fabs(cell(pane()->inputs(), r, 2).toDouble() - 100 * s.plain) <= 0.051);
            QCOMPARE(s.verdict == FourBitVerdict::AsItIs, s.plain <= kFourBitLimit);
        }
        const QStringList cut = clippedTexts(m_window->window.get());
        QVERIFY2(cut.isEmpty(), qPrintable(cut.join('\n')));
    }

    /// What was said of the model is there again when it is opened again.
    void trainingTokensAreRemembered() {
        pane()->trainingTokens()->setValue(12.5);
        QCOMPARE(pane()->state()->degradation().size(), size_t(3)); // widths of the runs are among 2, 3 and 4
        QTRY_COMPARE_WITH_TIMEOUT(session()->pool()->activeCount(), 0, kLong);
        m_window->trigger("close");
        QTRY_VERIFY(!session()->model());
        QCOMPARE(pane()->state()->trainingTokens(), 0.0);
        QCOMPARE(pane()->trainingTokens()->value(), 0.0);
        m_window->trigger("openSample");
        QTRY_VERIFY_WITH_TIMEOUT(session()->model(), kLong);
        QTRY_COMPARE_WITH_TIMEOUT(pane()->trainingTokens()->value(), 12.5, kLong);
        QCOMPARE(pane()->state()->trainingTokens(), 12.5e9);
    }

    void backToDifferences() {
        page()->showScaling(false);
        QVERIFY(!pane()->isVisible());
    }

private:
    void runAt(int bits, int group) {
        const auto scheme = Scheme::fromJson(
            {{"codec", "int"}, {"codec_params", {{"bits", bits}, {"group", group}}}, {"method", "rtn"}},
            "test");
        QS_VERIFY_OK(scheme);
        m_window->table()->applyRecipe(Recipe::uniform(*scheme), QStringLiteral("bits"));
        const size_t before = page()->runs()->runs().size();
        QVERIFY2(session()->runBlocker().isEmpty(), qPrintable(session()->runBlocker()));
        session()->startRun();
        QTRY_COMPARE_WITH_TIMEOUT(page()->runs()->runs().size(), before + 1, kLong);
        QTRY_VERIFY_WITH_TIMEOUT(session()->run() && session()->run()->complete(), kLong);
    }
    static QString cell(const QTableView* view, int row, int column) {
        return view->model()->index(row, column).data().toString();
    }
    app::Session* session() const { return m_window->session(); }
    app::JudgePage* page() const { return (*m_window)->judgePage(); }
    app::ScalingPane* pane() const { return page()->scaling(); }
    ui::CostChart* chart() const { return pane()->chart(); }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(ScalingView)
#include "tst_scaling.moc"
