// SPDX-License-Identifier: GPL-3.0-or-later
// Predicted against measured on the sample model: random recipes, two scores, stopping, and a run beside
// them.
#include "app/pages/JudgePage.h"
#include "app/pages/TunePage.h"
#include "tests/gui/ClippedText.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/views/SegmentedButtons.h"

#include <QComboBox>
#include <QLabel>
#include <QPushButton>

using namespace qs;
using namespace qs::test;

namespace {
constexpr int kLong = 180000;
}

class PredictionCheckPage : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("prediction-check");
        m_window = std::make_unique<WindowFixture>(*m_home);
        m_window->window->resize(1600, 1000);
        QVERIFY(QTest::qWaitForWindowExposed(m_window->window.get()));
        QVERIFY(!(*m_window)->action("predictions")->isEnabled());
        m_window->trigger("openSample");
        QTRY_VERIFY_WITH_TIMEOUT(session()->model(), kLong);
        QTRY_VERIFY((*m_window)->action("predictions")->isEnabled());
        m_window->trigger("predictions");
        QCOMPARE((*m_window)->workspace(), app::Workspace::Tune);
        QTRY_VERIFY(pane()->isVisible() && !page()->modelChart()->isVisible());
    }
    void cleanupTestCase() { m_window.reset(); }

    void nothingWithoutATable() {
        QTRY_VERIFY(!button()->isEnabled());
        QVERIFY2(button()->toolTip().contains(u"Measure the score first"), qPrintable(button()->toolTip()));
        QVERIFY(chart()->data()->isEmpty());
        QCOMPARE(chart()->data()->emptyText, button()->toolTip());
        QVERIFY(!state()->measure());
        page()->measureButton()->click();
        QTRY_VERIFY(tune()->measuring());
        QTRY_VERIFY(button()->toolTip().contains(u"Sensitivity is being measured"));
        QTRY_VERIFY_WITH_TIMEOUT(!tune()->measuring() && tune()->unmeasured() == 0, kLong);
        QTRY_VERIFY(button()->isEnabled());
        QVERIFY(button()->text().contains(QStringLiteral("20")));
        QVERIFY(!button()->statusTip().isEmpty());
    }

    void fourRecipes() {
        QVERIFY(state()->measure(4));
        QTRY_VERIFY_WITH_TIMEOUT(!state()->measuring(), kLong);
        QCOMPARE(state()->measured().size(), size_t(4));
        QTRY_COMPARE(chart()->data()->marks.size(), 4);
        QTRY_VERIFY2(pane()->summary()->text().contains(u"Rank correlation"),
                     qPrintable(pane()->summary()->text()));
        QVERIFY(pane()->summary()->text().contains(u"measured / predicted"));
        QVERIFY(!chart()->data()->diagonalLabel.isEmpty() && chart()->data()->xLog);
        const SensitivityTable& table = *tune()->table();
        for (int k = 0; k < 4; ++k) {
            const MeasuredAssignment& m = state()->measured()[size_t(k)];
            const ui::CostMark& mark = chart()->data()->marks[k];
            double predicted = 0;
            for (size_t r = 0; r < table.rows.size(); ++r)
                predicted += table.rows[r].alpha * table.rows[r].cells[*m.candidate[r]].weightError;
            QVERIFY(std::fabs(mark.x / predicted - 1) < 1e-9);
            QCOMPARE(mark.y, m.damage.kl);
            QVERIFY(mark.low < mark.y && mark.y < mark.high);
            QVERIFY(mark.readout.join(' ').contains(u"bits per weight"));
        }
        // The same four would be drawn again: these are the first of any number.
        const auto drawn = drawAssignments(table, 4, table.seed);
        for (size_t k = 0; k < 4; ++k)
            QVERIFY(state()->measured()[k].candidate == drawn[k]);
    }

    /// Keys and the pointer read a point; the diagonal and the points are where they should be.
    void readable() {
        ui::CostChart* c = chart();
        c->setFocus();
        QTest::keyClick(c, Qt::Key_Right);
        const int first = c->currentMark();
        QVERIFY(first >= 0);
        for (const ui::CostMark& m : c->data()->marks)
            QVERIFY(m.x >= c->data()->marks[first].x);
        QVERIFY(c->accessibleDescription().contains(u"KL measured"));
        QVERIFY(!c->accessibleName().isEmpty());
        QTest::mouseMove(c, c->markPosition(2).toPoint());
        QTRY_COMPARE(c->currentMark(), 2);
        QVERIFY(c->toCsv().contains(u"measured,"));
        const QStringList cut = clippedTexts(m_window->window.get());
        QVERIFY2(cut.isEmpty(), qPrintable(cut.join('\n')));
    }

    void anotherScorePredictsAnew() {
        const auto before = chart()->data()->marks;
        chooseScore("weight_error");
        QTRY_VERIFY(chart()->data()->marks.size() == 4 && chart()->data()->marks[0].x != before[0].x);
        QVERIFY(!state()->measuring());
        for (int k = 0; k < 4; ++k) {
            QCOMPARE(chart()->data()->marks[k].y, before[k].y);
            QVERIFY(chart()->data()->marks[k].x != before[k].x);
        }
        QVERIFY(chart()->data()->diagonalLabel.isEmpty()); // no loss: no ratio
        QVERIFY(!pane()->summary()->text().contains(u"measured / predicted"));
        // What is not measured predicts nothing, and says so.
        chooseScore("kl_alone");
        QTRY_VERIFY(chart()->data()->isEmpty());
        QVERIFY(!button()->isEnabled());
        QVERIFY(pane()->summary()->text().contains(u"not measured"));
        chooseScore("linearity");
        QTRY_COMPARE(chart()->data()->marks.size(), 4);
        QCOMPARE(chart()->data()->marks[0].x, before[0].x);
    }

    void stopKeepsPoints() {
        QTRY_VERIFY(button()->isEnabled());
        QVERIFY(button()->text().contains(u"more"));
        button()->click();
        QTRY_COMPARE(button()->text(), QStringLiteral("Stop"));
        QTRY_VERIFY_WITH_TIMEOUT(state()->measured().size() > 4, kLong);
        button()->click();
        QTRY_VERIFY_WITH_TIMEOUT(!state()->measuring(), kLong);
        const size_t kept = state()->measured().size();
        QVERIFY(kept > 4 && kept < 24);
        QTRY_COMPARE(chart()->data()->marks.size(), int(kept));
        // Going on draws further ones.
        QVERIFY(state()->measure(1));
        QTRY_VERIFY_WITH_TIMEOUT(!state()->measuring(), kLong);
        QCOMPARE(state()->measured().size(), kept + 1);
        const SensitivityTable& table = *tune()->table();
        QVERIFY(state()->measured().back().candidate == drawAssignments(table, kept + 1, table.seed).back());
    }

    /// A run whose schemes are the table's stands beside the recipes.
    void runsAreMarked() {
        QVector<int> all;
        for (int t = 0; t < session()->table()->count(); ++t)
            all << t;
        QVERIFY(
            session()->table()->edit(all, ui::SchemeEdit::replace(tune()->table()->candidates[2])).isEmpty());
        QVERIFY(session()->startRun());
        QTRY_VERIFY_WITH_TIMEOUT(session()->run() && session()->run()->complete(), kLong);
        QCOMPARE(count(ui::CostMark::Run), 0); // not measured yet
        app::EvaluateRequest request;
        request.text.windowLength = 64;
        request.text.windows = 4;
        QVERIFY(session()->evaluate(request));
        QTRY_COMPARE_WITH_TIMEOUT(count(ui::CostMark::Run), 1, kLong);
        const ui::CostMark mark = chart()->data()->marks.back();
        QCOMPARE(mark.label, QStringLiteral("B"));
        QCOMPARE(mark.y, session()->evaluation()->after->kl);
        double predicted = 0;
        for (const SensitivityRow& row : tune()->table()->rows)
            predicted += row.alpha * row.cells[2].weightError;
        QVERIFY(std::fabs(mark.x / predicted - 1) < 1e-9);
    }

    /// Enough recipes say how far the frontier can be trusted: the middle nine tenths of measured /
    /// predicted.
    void bandOfTheFrontier() {
        const int more = 12 - int(state()->measured().size());
        if (more > 0) {
            QVERIFY(state()->measure(more));
            QTRY_VERIFY_WITH_TIMEOUT(!state()->measuring(), kLong);
        }
        const size_t recipes = state()->measured().size();
        QTRY_VERIFY(page()->modelChart()->data()->bandLabel.contains(QString::number(recipes)));
        std::vector<double> ratios;
        const SensitivityTable& table = *tune()->table();
        for (const MeasuredAssignment& m : state()->measured()) {
            double predicted = 0;
            for (size_t r = 0; r < table.rows.size(); ++r)
                predicted += table.rows[r].alpha * table.rows[r].cells[*m.candidate[r]].weightError;
            ratios.push_back(m.damage.kl / predicted);
        }
        std::sort(ratios.begin(), ratios.end());
        const size_t aside = recipes / 20;
        const auto data = page()->modelChart()->data();
        QCOMPARE(data->band.size(), data->line.size());
        for (qsizetype i = 0; i < data->line.size(); ++i) {
            QVERIFY(std::fabs(data->band[i].low / (data->line[i].y() * ratios[aside]) - 1) < 1e-9);
            QVERIFY(std::fabs(data->band[i].high / (data->line[i].y() * ratios[recipes - 1 - aside]) - 1) <
                    1e-9);
        }
    }

    void closedModel() {
        session()->closeModel();
        QTRY_VERIFY(state()->measured().empty() && chart()->data()->isEmpty());
        QTRY_VERIFY(!button()->isEnabled());
        QCOMPARE(chart()->data()->emptyText, button()->toolTip());
    }

private:
    app::Session* session() const { return m_window->session(); }
    app::TunePage* page() const { return (*m_window)->tunePage(); }
    app::TuneState* tune() const { return page()->state(); }
    app::PredictionPane* pane() const { return page()->prediction(); }
    app::PredictionState* state() const { return pane()->state(); }
    ui::CostChart* chart() const { return pane()->chart(); }
    QPushButton* button() const { return pane()->measureButton(); }

    void chooseScore(const char* id) {
        page()->scoreBox()->setCurrentIndex(page()->scoreBox()->findData(QString::fromLatin1(id)));
        QCOMPARE(tune()->score().id, std::string(id));
    }
    int count(ui::CostMark::Kind kind) const {
        const auto& marks = chart()->data()->marks;
        return int(
            std::count_if(marks.begin(), marks.end(), [&](const ui::CostMark& m) { return m.kind == kind; }));
    }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(PredictionCheckPage)
#include "tst_prediction_check.moc"
