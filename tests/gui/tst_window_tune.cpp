// SPDX-License-Identifier: GPL-3.0-or-later
// The Tune workspace on the sample model: measure, see, solve, lock, choose by a click, undo.
#include "app/pages/TunePage.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/charts/StackedBar.h"
#include "widgets/editors/StopSlider.h"
#include "widgets/views/SegmentedButtons.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>
#include <QTableView>
#include <QUndoStack>

using namespace qs;
using namespace qs::test;

namespace {
constexpr int kLong = 180000;
}

class WindowTune : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-tune");
        m_window = std::make_unique<WindowFixture>(*m_home);
        m_window->window->resize(1600, 1000);
        QVERIFY(QTest::qWaitForWindowExposed(m_window->window.get()));
        m_window->trigger("openSample");
        QTRY_VERIFY_WITH_TIMEOUT(session()->model(), kLong);
        m_window->trigger("goTune");
        QCOMPARE((*m_window)->workspace(), app::Workspace::Tune);
        QTRY_VERIFY(page()->isVisible());
    }
    void cleanupTestCase() { m_window.reset(); }

    void nothingBeforeMeasuring() {
        QVERIFY(page()->modelChart()->data()->isEmpty());
        QVERIFY(!page()->solveButton()->isEnabled());
        QVERIFY(page()->solveButton()->toolTip().contains(u"Measure first"));
        QVERIFY(page()->measureButton()->isEnabled());
        // What needs activations says so.
        chooseScore("output_error");
        QTRY_VERIFY(!page()->measureButton()->isEnabled());
        QVERIFY(page()->measureButton()->toolTip().contains(u"calibrate first"));
        chooseScore("linearity");
    }

    void measureAndSee() {
        QTRY_VERIFY(page()->measureButton()->isEnabled());
        page()->measureButton()->click();
        QTRY_VERIFY(state()->measuring());
        QTRY_VERIFY_WITH_TIMEOUT(!state()->measuring() && state()->unmeasured() == 0, kLong);
        QTRY_VERIFY_WITH_TIMEOUT(!page()->modelChart()->data()->isEmpty(), kLong);
        const auto table = state()->table();
        QCOMPARE(table->rows.size(), size_t(session()->table()->count()));
        // Every candidate is one scheme at other bits, all of them drawn; the frontier is never above them.
        QCOMPARE(table->candidates.size(), size_t(6));
        const auto data = page()->modelChart()->data();
        QVERIFY(data->line.size() > 20);
        int presets = 0;
        for (const ui::CostMark& m : data->marks) {
            if (m.kind != ui::CostMark::Preset) continue;
            ++presets;
            QVERIFY2(frontierAt(m.x) <= m.y * 1.001, qPrintable(m.label));
        }
        QCOMPARE(presets, 6);
    }

    /// "you are here" is where the table's own numbers say.
    void presentByHand() {
        setAll(2); // 4 bits
        const auto table = state()->table();
        uint64_t bytes = table->checkpointBytes;
        double cost = 0;
        for (const SensitivityRow& row : table->rows) {
            bytes += row.cells[2].bytes;
            bytes -= row.keptBytes;
            cost += row.alpha * row.cells[2].weightError;
        }
        QTRY_COMPARE(present().x, double(bytes) / 0x1p20);
        QVERIFY(std::fabs(present().y / cost - 1) < 1e-9);
        QVERIFY(present().label.contains(u"here"));
    }

    void solveForBits() {
        setAll(2);
        const auto before = session()->table()->schemes();
        const double uniform = present().y;
        const int steps = session()->undoStack()->count();
        solve(1, session()->table()->summary().bitsPerWeight());
        QVERIFY(session()->table()->summary().totalBytesAfter <= bytesOf(before));
        QTRY_VERIFY2(present().y < uniform, qPrintable(QString("%1 %2").arg(present().y).arg(uniform)));
        QVERIFY(std::fabs(present().y / state()->lastSolved().at.cost - 1) < 1e-9);
        QVERIFY(page()->changes().rowCount() > 0);
        QCOMPARE(session()->undoStack()->count(), steps + 1);
        const auto solved = session()->table()->schemes();
        m_window->trigger("undo");
        QVERIFY(session()->table()->schemes() == before);
        m_window->trigger("redo");
        QVERIFY(session()->table()->schemes() == solved);
    }

    void budgetIsKept() {
        const double mib = 0.9 * double(session()->table()->summary().totalBytesAfter) / 0x1p20;
        solve(0, mib);
        QVERIFY(double(session()->table()->summary().totalBytesAfter) <= mib * 0x1p20 + 0.006 * 0x1p20);
        QVERIFY(page()->modelChart()->data()->targetX.has_value());
        // What cannot be had is said, and changes nothing.
        const auto before = session()->table()->schemes();
        page()->budget()->setValue(0.05);
        page()->solveButton()->click();
        QTRY_VERIFY(page()->message()->text().contains(u"bytes"));
        QVERIFY(session()->table()->schemes() == before);
    }

    void perplexityTarget() {
        solve(2, 2.0);
        QVERIFY(state()->lastSolved().at.cost <= std::log1p(0.02) + 1e-12);
    }

    void locksAndTies() {
        setAll(2);
        session()->selection()->set({3, 5}, 3);
        QTRY_VERIFY(page()->lockButton()->isEnabled() && !page()->lockButton()->isChecked());
        page()->lockButton()->click();
        QVERIFY(state()->isLocked(3) && state()->isLocked(5) && !state()->isLocked(4));
        const auto before = session()->table()->schemes();
        page()->findChild<QCheckBox*>("tuneTie")->setChecked(true);
        solve(1, 3.2);
        QVERIFY(session()->table()->schemes()[3] == before[3] &&
                session()->table()->schemes()[5] == before[5]);
        QCOMPARE(state()->lastSolved().locked, 2);
        std::map<std::string, std::set<const Scheme*>> groups;
        for (int t = 0; t < session()->table()->count(); ++t) {
            const std::string& group = session()->model()->targets()[size_t(t)].fusedGroup;
            if (!group.empty()) groups[group].insert(session()->table()->schemes()[size_t(t)].get());
        }
        QVERIFY(!groups.empty());
        for (const auto& [name, schemes] : groups)
            QVERIFY2(schemes.size() == 1, name.c_str());
        page()->findChild<QCheckBox*>("tuneTie")->setChecked(false);
        session()->selection()->set({3, 5}, 3);
        QTRY_VERIFY(page()->lockButton()->isChecked());
        page()->lockButton()->click();
        QCOMPARE(state()->lockedCount(), 0);
    }

    /// The list of what more bytes would recover: best first, taken one by one, each an undo step.
    void nextSteps() {
        setAll(1); // 3 bits
        auto* lists = page()->findChild<ui::SegmentedButtons*>("tuneLists");
        auto* table = page()->findChild<QTableView*>("tuneSteps");
        auto* take = page()->findChild<QPushButton*>("tuneTake");
        QVERIFY(!take->isVisible());
        lists->setCurrentIndex(2);
        QTRY_COMPARE(page()->steps().rowCount(), session()->table()->count());
        QVERIFY(!take->isEnabled());
        QVERIFY(take->toolTip().contains(u"Choose"));
        double left = present().y;
        for (const NextStep& s : page()->steps().steps()) {
            const SensitivityRow& row = state()->table()->rows[s.rows.front()];
            QVERIFY(s.rows.size() == 1 && s.candidate > 1);
            // By hand: what the larger candidate errs less, by its steepness.
            const double recovered =
                row.alpha * (row.cells[1].weightError - row.cells[s.candidate].weightError);
            QVERIFY(std::fabs(s.recovered / recovered - 1) < 1e-9);
            QCOMPARE(s.bytes, row.cells[s.candidate].bytes - row.cells[1].bytes);
            for (size_t c = 2; c < row.cells.size(); ++c)
                QVERIFY(row.alpha * (row.cells[1].weightError - row.cells[c].weightError) /
                            double(row.cells[c].bytes - row.cells[1].bytes) * 0x1p20 <=
                        s.perMiB() * (1 + 1e-9));
            left -= recovered;
        }
        QVERIFY(left >= 0 && left < present().y);
        const NextStep first = page()->steps().steps().front();
        const double before = present().y;
        table->selectRow(0);
        QTRY_VERIFY(take->isEnabled());
        take->click();
        QVERIFY(*session()->table()->schemes()[first.rows.front()] ==
                state()->table()->candidates[first.candidate]);
        QTRY_VERIFY(std::fabs(present().y - (before - first.recovered)) < 1e-9 * before);
        QTRY_VERIFY(page()->steps().steps().front().rows != first.rows); // the list is of what is now
        m_window->trigger("undo");
        QVERIFY(*session()->table()->schemes()[first.rows.front()] == state()->table()->candidates[1]);
        lists->setCurrentIndex(0);
        QVERIFY(!take->isVisible());
    }

    /// The uncertainty of the measurement is drawn where one is.
    void uncertaintyIsDrawn() {
        setAll(2);
        double squares = 0;
        for (const SensitivityRow& row : state()->table()->rows)
            squares += std::pow(row.alpha * row.alphaError * row.cells[2].weightError, 2);
        QTRY_VERIFY(std::fabs(present().high - present().y - 1.96 * std::sqrt(squares)) < 1e-9);
        QVERIFY(present().low > 0 && present().low < present().y);
        QVERIFY(present().readout.join(' ').contains(u"95 %"));
    }

    /// Formats that a runtime does not load are not chosen; memory leaves room for the cache.
    void runtimeAndMemory() {
        setAll(2); // asymmetric: no format of vLLM's has 5 bits
        auto* runtime = page()->findChild<QComboBox*>("tuneRuntime");
        runtime->setCurrentIndex(runtime->findData(QStringLiteral("vllm")));
        solve(1, 5.3);
        const auto refused = *state()->table();
        const RuntimeProfile& vllm = **findRuntimeProfile("vllm");
        std::set<RefusedCandidate> everywhere =
            *refusedCandidates(refused, *session()->model(), vllm, vllm.exporters.front());
        for (const std::string& exporter : vllm.exporters) {
            const auto here = *refusedCandidates(refused, *session()->model(), vllm, exporter);
            std::erase_if(everywhere, [&](const RefusedCandidate& r) { return !here.count(r); });
        }
        for (size_t t = 0; t < refused.rows.size(); ++t) {
            const auto& scheme = session()->table()->schemes()[t];
            for (size_t c = 0; scheme && c < refused.candidates.size(); ++c)
                if (*scheme == refused.candidates[c])
                    QVERIFY2(!everywhere.count({refused.rows[t].module, c}), refused.rows[t].module.c_str());
        }
        runtime->setCurrentIndex(0);

        auto* context = page()->findChild<QSpinBox*>("tuneContext");
        QVERIFY(!context->isVisible());
        page()->targetButtons()->setCurrentIndex(3);
        QVERIFY(context->isVisible());
        context->setValue(200);
        const auto other = estimateMemory(session()->model()->spec(), {"llama.cpp", 0, 200, "f16"});
        QVERIFY(other);
        const double rest = double(other->cache + other->compute + other->computeUncertainty) / 0x1p20;
        const double weights = 0.9 * double(session()->table()->summary().totalBytesAfter) / 0x1p20;
        solve(3, rest + weights);
        QVERIFY(double(session()->table()->summary().totalBytesAfter) <= (weights + 0.006) * 0x1p20);
        const auto before = session()->table()->schemes();
        page()->budget()->setValue(rest * 0.5);
        page()->solveButton()->click();
        QTRY_VERIFY(page()->message()->text().contains(u"KV cache takes"));
        QVERIFY(session()->table()->schemes() == before);
        page()->targetButtons()->setCurrentIndex(1);
    }

    /// A click on a candidate of the tensor's curve is an edit of that tensor.
    void chooseByClick() {
        setAll(2);
        session()->selection()->selectOne(6);
        QTRY_COMPARE(page()->tensorChart()->data()->marks.size(), 6);
        QTRY_COMPARE(page()->tensorChart()->data()->marks[2].kind, ui::CostMark::Current);
        ui::CostChart* chart = page()->tensorChart();
        QTest::mouseClick(chart, Qt::LeftButton, {}, chart->markPosition(5).toPoint());
        QVERIFY(*session()->table()->schemes()[6] == state()->table()->candidates[5]);
        QTRY_COMPARE(chart->data()->marks[5].kind, ui::CostMark::Current);
        m_window->trigger("undo");
        QVERIFY(*session()->table()->schemes()[6] == state()->table()->candidates[2]);
        // By keys too.
        chart->setFocus();
        QTest::keyClick(chart, Qt::Key_Left);
        QTest::keyClick(chart, Qt::Key_Return);
        QVERIFY(*session()->table()->schemes()[6] == state()->table()->candidates[4]);
        m_window->trigger("undo");
        QVERIFY(chart->toCsv().contains(u"option,"));
    }

    /// The slider moves every selected tensor; a drag over several schemes is one undo step.
    void slideTheSelection() {
        setAll(2);
        session()->selection()->set({1, 4}, 4);
        ui::StopSlider* slider = page()->tensor()->slider();
        QTRY_COMPARE(slider->stops().size(), 7); // six candidates and the checkpoint's own type
        QTRY_COMPARE(slider->currentStop(), 2);
        QCOMPARE(slider->stops()[2].label, QStringLiteral("int4"));
        QCOMPARE(slider->stops().back().label, QStringLiteral("F16"));
        const int steps = session()->undoStack()->index();
        const auto before = session()->table()->schemes();
        const double damage = present().y;
        const auto at = [&](int stop) { return slider->stopPosition(stop).toPoint(); };
        QTest::mousePress(slider, Qt::LeftButton, {}, at(3));
        for (const int stop : {1, 0}) {
            QTest::mouseMove(slider, at(stop));
            for (const int t : {1, 4})
                QVERIFY(*session()->table()->schemes()[size_t(t)] ==
                        state()->table()->candidates[size_t(stop)]);
            // What it costs is seen while it is dragged.
            QTRY_COMPARE(present().y, state()->present().at.cost);
        }
        QVERIFY(present().y > damage);
        QTest::mouseRelease(slider, Qt::LeftButton, {}, at(0));
        QCOMPARE(session()->undoStack()->index(), steps + 1);
        QVERIFY(session()->table()->schemes()[0] == before[0]);
        m_window->trigger("undo");
        QVERIFY(session()->table()->schemes() == before);
        QTRY_COMPARE(slider->currentStop(), 2);
        // A drag that comes back is no step; the last stop keeps the tensor as it is stored.
        QTest::mousePress(slider, Qt::LeftButton, {}, at(3));
        QTest::mouseMove(slider, at(2));
        QTest::mouseRelease(slider, Qt::LeftButton, {}, at(2));
        QCOMPARE(session()->undoStack()->index(), steps);
        slider->setFocus();
        QTest::keyClick(slider, Qt::Key_End);
        QVERIFY(!session()->table()->schemes()[4] && !session()->table()->schemes()[1]);
        m_window->trigger("undo");
    }

    /// Before and now of the last step, from the sums of the plan.
    void lastEditByHand() {
        setAll(2);
        page()->targetButtons()->setCurrentIndex(0);
        page()->budget()->setValue(3.0);
        session()->selection()->selectOne(6);
        ui::StopSlider* slider = page()->tensor()->slider();
        QTRY_COMPARE(slider->currentStop(), 2);
        const app::TuneEdit& edit = page()->lastEdit();
        const auto text = [&](int row, int column) {
            return edit.data(edit.index(row, column), Qt::DisplayRole).toString();
        };
        QTRY_COMPARE(
            text(app::TuneEdit::Left, app::TuneEdit::Now),
            ui::formatFixed(3.0 - double(session()->table()->summary().totalBytesAfter) / 0x1p20, 2));
        const double mib = double(session()->table()->summary().totalBytesAfter) / 0x1p20;
        const SensitivityRow row = state()->table()->rows[6];
        slider->setFocus();
        QTest::keyClick(slider, Qt::Key_Right);
        const double after = mib + double(row.cells[3].bytes - row.cells[2].bytes) / 0x1p20;
        QTRY_COMPARE(text(app::TuneEdit::Size, app::TuneEdit::Now), ui::formatFixed(after, 2));
        QCOMPARE(text(app::TuneEdit::Size, app::TuneEdit::Before), ui::formatFixed(mib, 2));
        QVERIFY(text(app::TuneEdit::Size, app::TuneEdit::Difference).startsWith(u'+'));
        QVERIFY(text(app::TuneEdit::Format, app::TuneEdit::Before).startsWith(u"int4"));
        QVERIFY(text(app::TuneEdit::Format, app::TuneEdit::Now).startsWith(u"int5"));
        const double less = row.alpha * (row.cells[3].weightError - row.cells[2].weightError);
        QCOMPARE(text(app::TuneEdit::Damage, app::TuneEdit::Difference), ui::formatNumber(less, 3));
        m_window->trigger("undo");
    }

    /// Parts of the bar are sums over the plan's own rows, and all of it together.
    void bytesByPart() {
        setAll(2);
        quint64 gate = 0;
        for (int t = 0; t < session()->table()->count(); ++t)
            if (session()->table()->row(t).role == u"gate") gate += session()->table()->row(t).bytesAfter;
        QVERIFY(gate > 0);
        QTRY_VERIFY(page()->budgetBar()->data() && !page()->budgetBar()->data()->parts.isEmpty());
        const auto data = page()->budgetBar()->data();
        QVERIFY(std::fabs(data->total() * 0x1p20 - double(session()->table()->summary().totalBytesAfter)) <
                1e-3);
        bool found = false;
        for (const ui::StackedBarPart& p : data->parts)
            if (p.name == u"gate") {
                found = true;
                QVERIFY(std::fabs(p.value * 0x1p20 - double(gate)) < 1e-3);
                QVERIFY(p.help.contains(u"0 of 4"));
            }
        QVERIFY(found);
    }

    /// The frontier has a band where the score has standard errors, and says what it leaves alone.
    void bandAndLocks() {
        setAll(2);
        auto data = page()->modelChart()->data();
        QCOMPARE(data->band.size(), data->line.size());
        for (qsizetype i = 0; i < data->band.size(); ++i) {
            QCOMPARE(data->band[i].x, data->line[i].x());
            QVERIFY(data->band[i].low > 0 && data->band[i].low < data->line[i].y() &&
                    data->band[i].high > data->line[i].y());
        }
        QVERIFY(!data->lineLabel.contains(u"locked"));
        state()->setLocked({2, 3}, true);
        QTRY_VERIFY(page()->modelChart()->data()->lineLabel.contains(u"2 locked"));
        state()->setLocked({2, 3}, false);
        QTRY_VERIFY(!page()->modelChart()->data()->lineLabel.contains(u"locked"));
    }

    /// Another score is another measurement; data-free here.
    void otherScore() {
        chooseScore("weight_error");
        QTRY_VERIFY(!page()->modelChart()->data()->isEmpty()); // errors of weights are there already
        QCOMPARE(state()->unmeasured(), 0);
        setAll(2);
        double cost = 0;
        for (const SensitivityRow& row : state()->table()->rows)
            cost += row.cells[2].weightError;
        QTRY_VERIFY(std::fabs(present().y / cost - 1) < 1e-9);
        chooseScore("linearity");
    }

    void closedModel() {
        session()->closeModel();
        QVERIFY(!state()->table());
        QTRY_VERIFY(page()->modelChart()->data()->isEmpty());
    }

    /// What was measured is there when the model is opened again, whatever was closed meanwhile.
    void measuredBefore() {
        m_window->trigger("openSample");
        QTRY_VERIFY_WITH_TIMEOUT(state()->table(), kLong);
        QCOMPARE(state()->unmeasured(), 0);
        QTRY_VERIFY_WITH_TIMEOUT(!page()->modelChart()->data()->isEmpty(), kLong);
        QVERIFY(page()->solveButton()->isEnabled());
        QCOMPARE(page()->measureButton()->text(), QStringLiteral("Measured"));
    }

private:
    app::Session* session() const { return m_window->session(); }
    app::TunePage* page() const { return (*m_window)->tunePage(); }
    app::TuneState* state() const { return page()->state(); }

    void chooseScore(const char* id) {
        page()->scoreBox()->setCurrentIndex(page()->scoreBox()->findData(QString::fromLatin1(id)));
        QCOMPARE(state()->score().id, std::string(id));
    }
    /// Every linear gets a candidate.
    void setAll(size_t candidate) {
        QVector<int> all;
        for (int t = 0; t < session()->table()->count(); ++t)
            all << t;
        QVERIFY(session()
                    ->table()
                    ->edit(all, ui::SchemeEdit::replace(state()->table()->candidates[candidate]))
                    .isEmpty());
        // The page refreshes a moment later.
        QTRY_VERIFY(present().y == state()->present().at.cost && present().y > 0);
    }
    void solve(int target, double value) {
        page()->targetButtons()->setCurrentIndex(target);
        page()->budget()->setValue(value);
        QSignalSpy solved(state(), &app::TuneState::solved);
        QTRY_VERIFY(page()->solveButton()->isEnabled());
        page()->solveButton()->click();
        QTRY_COMPARE_WITH_TIMEOUT(solved.count(), 1, kLong);
    }
    uint64_t bytesOf(const std::vector<app::SchemeTable::SchemePtr>& schemes) const {
        std::vector<std::optional<Scheme>> values;
        for (const auto& s : schemes)
            values.push_back(s ? std::optional(*s) : std::nullopt);
        return planFromSchemes(values, *session()->model(), 0).totalBytesAfter;
    }
    ui::CostMark present() const {
        for (const ui::CostMark& m : page()->modelChart()->data()->marks)
            if (m.kind == ui::CostMark::Current) return m;
        return {};
    }
    /// What the frontier's next point behind a size costs: no choice of that size costs less.
    double frontierAt(double mib) const {
        for (const QPointF& p : page()->modelChart()->data()->line)
            if (p.x() >= mib - 1e-9) return p.y();
        return 0;
    }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(WindowTune)
#include "tst_window_tune.moc"
