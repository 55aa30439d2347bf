// SPDX-License-Identifier: GPL-3.0-or-later
// The main job through the window, on the sample model: open, select, edit, undo, calibrate, run, cancel,
// resume, evaluate, export.
#include "app/pages/ExportPage.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "app/pages/JobsPane.h"
#include "app/pages/JudgePage.h"
#include "app/pages/ModelTreePane.h"
#include "app/pages/ReceiptPane.h"
#include "app/pages/TensorsPane.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/charts/ChannelProfileWidget.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/models/TensorTableModel.h"
#include "widgets/views/Chip.h"

#include <QTableView>
#include <QTreeView>

using namespace qs;
using namespace qs::test;
using ui::TensorTableModel;

namespace {
constexpr int kLong = 180000; ///< ms; the machine may be busy
constexpr int kPauseMs = 60;  ///< per factorization: a block of the sample then takes a quarter second
constexpr double kStallLimitMs = 250; ///< 50 are the aim; the rest is for busy machines and sanitizers
} // namespace

class WindowFlow : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-flow");
        m_window = std::make_unique<WindowFixture>(*m_home, kPauseMs);
        m_watch = std::make_unique<StallWatch>();
        QVERIFY(QTest::qWaitForWindowExposed(m_window->window.get()));
    }
    void cleanupTestCase() {
        qInfo("%s", m_watch->report().constData());
        m_watch.reset();
        m_window.reset();
    }

    void emptyWindow() {
        QVERIFY(!m_window->session()->model());
        QVERIFY(m_window->find<QWidget>("welcomePage")->isVisible());
        for (const char* name : {"calibrate", "run", "evaluate", "exportNow", "bits4", "saveRecipe"}) {
            QVERIFY2(!m_window->enabled(name), name);
            QVERIFY2(m_window->window->action(QString::fromLatin1(name))->toolTip().contains(u"Open a model"),
                     name);
        }
    }

    void open() {
        m_watch->restart("open");
        m_window->trigger("openSample");
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->model(), kLong);
        // 4 blocks of 7 linears.
        QVERIFY(m_window->table()->count() >= 28);
        QCOMPARE(tensors()->rowCount(), m_window->table()->count());
        QVERIFY((*m_window)->windowTitle().startsWith(m_window->session()->title()));
        QTRY_VERIFY(!m_window->find<QWidget>("welcomePage")->isVisible());
        m_watch->restart("scan");
        QTRY_COMPARE_WITH_TIMEOUT(m_window->session()->scannedCount(), m_window->table()->count(), kLong);
        const auto* profile = (*m_window)->inspectPage()->findChild<ui::ChannelProfileWidget*>();
        QTRY_COMPARE_WITH_TIMEOUT(profile->weightsPane()->data()->channels(), int(row(0).cols), kLong);
        // Without calibration a method that needs it blocks the run, and says so.
        QVERIFY(!m_window->enabled("run"));
        QVERIFY(m_window->window->action("run")->toolTip().contains(u"Calibrate"));
    }

    void brushSelectsEverywhere() {
        m_watch->restart("select");
        auto* map = (*m_window)->inspectPage()->heatMap()->map();
        QTRY_VERIFY(map->data() && map->data()->rows() == 7 && map->data()->columns() == 4);
        const auto at = [map](int r, int c) {
            return map->currentLayout().cellRect(r, c).center().toPoint();
        };
        QTest::mousePress(map->viewport(), Qt::LeftButton, {}, at(0, 1));
        QTest::mouseMove(map->viewport(), at(1, 2));
        QTest::mouseMove(map->viewport(), at(2, 2));
        QTest::mouseRelease(map->viewport(), Qt::LeftButton, {}, at(2, 2));
        const QVector<int> targets = m_window->session()->selection()->targets();
        QCOMPARE(targets.size(), 6); // q, k, v of blocks 1 and 2
        for (const int t : targets) {
            QVERIFY(row(t).block == 1 || row(t).block == 2);
            QVERIFY(QStringList({"q", "k", "v"}).contains(row(t).role));
        }
        QTRY_COMPARE((*m_window)->tensorsPane()->view()->selectionModel()->selectedRows().size(), 6);
        QTRY_COMPARE((*m_window)->treePane()->view()->selectionModel()->selectedRows().size(), 6);
        // And back: a row of the table moves the map.
        const int down = targetOf("down", 3);
        const int r = tensors()->rowOf(down);
        auto* view = (*m_window)->tensorsPane()->view();
        view->selectionModel()->setCurrentIndex(tensors()->index(r, 0), QItemSelectionModel::ClearAndSelect |
                                                                            QItemSelectionModel::Rows);
        QTRY_COMPARE(map->currentCell(), QPoint(3, 6));
    }

    void editAndUndo() {
        m_watch->restart("edit");
        const int q1 = targetOf("q", 1), k1 = targetOf("k", 1);
        const int before = row(q1).info->bits;
        QCOMPARE(before, 4);
        const quint64 bytes = m_window->table()->plan().totalBytesAfter;
        m_window->session()->selection()->set({q1, k1}, q1);
        auto* map = (*m_window)->inspectPage()->heatMap()->map();
        map->setFocus();
        QTest::keyClick(map, Qt::Key_3);
        QCOMPARE(row(q1).info->bits, 3);
        QCOMPARE(row(k1).info->bits, 3);
        QVERIFY(row(q1).edited);
        QVERIFY(m_window->table()->plan().totalBytesAfter < bytes);
        // The table edits every selected row.
        const QModelIndex cell = tensors()->index(tensors()->rowOf(q1), TensorTableModel::Bits);
        QVERIFY(tensors()->setData(cell, 6, Qt::EditRole));
        QCOMPARE(row(k1).info->bits, 6);
        m_window->trigger("undo");
        QCOMPARE(row(q1).info->bits, 3);
        m_window->trigger("undo");
        QCOMPARE(row(q1).info->bits, before);
        QCOMPARE(row(k1).info->bits, before);
        QCOMPARE(m_window->table()->plan().totalBytesAfter, bytes);
        QVERIFY(!row(q1).edited);
        m_window->trigger("redo");
        QCOMPARE(row(q1).info->bits, 3);
        m_window->trigger("undo");
    }

    void calibrate() {
        m_watch->restart("calibrate");
        m_window->trigger("calibrate");
        QVERIFY(m_window->startDialog("calibrateDialog", 64, 8));
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->calibration(), kLong);
        QCOMPARE(m_window->session()->calibration()->tokens().rows(), size_t(8));
        QCOMPARE(m_window->session()->calibration()->tokens().cols(), size_t(64));
        QVERIFY(!std::isnan(row(0).outlierRatioActivations));
        QTRY_VERIFY(m_window->enabled("run"));
        const auto* profile = (*m_window)->inspectPage()->findChild<ui::ChannelProfileWidget*>();
        m_window->session()->selection()->selectOne(0);
        QTRY_COMPARE(profile->activationsPane()->data()->channels(), int(row(0).cols));
    }

    void runShowsResultsAndStops() {
        m_watch->restart("run");
        int shownAfterFirst = -1, laterShown = -1;
        const auto once = connect(m_window->session(), &app::Session::unitFinished, this, [&] {
            if (shownAfterFirst >= 0) return;
            shownAfterFirst = shownErrors(0);
            laterShown = shownErrors(3);
            m_window->trigger("stop");
        });
        m_window->trigger("run");
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->running(), kLong);
        QTRY_VERIFY_WITH_TIMEOUT(!m_window->session()->running(), kLong);
        disconnect(once);
        QCOMPARE(shownAfterFirst,
                 7); // the first block's seven errors were in the table while the run went on
        QCOMPARE(laterShown, 0);
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->run(), kLong);
        QVERIFY(!m_window->session()->run()->complete());
        const int done = m_window->session()->run()->unitsDone();
        QVERIFY2(done >= 1 && done < m_window->session()->run()->unitsTotal(),
                 qPrintable(QString::number(done)));
        QVERIFY((*m_window)->messageBar()->text().contains(u"Resume"));
        QVERIFY(!m_window->enabled("exportNow"));
    }

    void resume() {
        m_watch->restart("resume");
        const std::filesystem::path folder = m_window->session()->run()->directory();
        const auto before = unitTimes(folder);
        QVERIFY(!before.empty());
        m_window->trigger("run");
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->run() && m_window->session()->run()->complete(), kLong);
        QCOMPARE(QString::fromStdString(m_window->session()->run()->directory().string()),
                 QString::fromStdString(folder.string()));
        const auto after = unitTimes(folder);
        QVERIFY(after.size() > before.size());
        for (const auto& [name, time] : before) // finished blocks are not made again
            QVERIFY2(after.at(name) == time, name.c_str());
        for (int t = 0; t < m_window->table()->count(); ++t)
            if (row(t).hasScheme())
                QVERIFY2(row(t).outputError > 0 && row(t).outputError < 1, qPrintable(row(t).module));
    }

    void evaluate() {
        m_watch->restart("evaluate");
        m_window->trigger("evaluate");
        QVERIFY(m_window->startDialog("evaluateDialog", 64, 6));
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->evaluation(), kLong);
        const auto e = m_window->session()->evaluation();
        QVERIFY(e->before && e->after);
        // exp(mean loss), both on the same tokens: 6 windows of 64 score 63 each.
        QCOMPARE(e->before->tokens, uint64_t(6 * 63));
        QCOMPARE(e->after->tokens, e->before->tokens);
        QVERIFY(!(std::abs(std::log(e->after->perplexity) - e->after->nll) > 1e-9));
        QVERIFY(e->after->kl > 0 && e->after->top1 > 0.5);
        (*m_window)->setWorkspace(app::Workspace::Judge);
        auto* runs = (*m_window)->judgePage()->model();
        QCOMPARE(runs->rowCount(), 2);
        const QString a = runs->index(0, app::EvaluationModel::Perplexity).data().toString();
        const QString shown = QLocale().toString(e->before->perplexity, 'f', 1).left(3);
        QVERIFY2(a.startsWith(shown.left(2)) && a.contains(u"±"), qPrintable(a));
        // An edit makes the numbers stale, undoing it brings them back.
        m_window->session()->selection()->selectOne(0);
        (*m_window)->setBits(8);
        QVERIFY(m_window->session()->evaluationIsStale());
        QCOMPARE((*m_window)->judgePage()->protocol()->text(), QStringLiteral("recipe changed since"));
        m_window->trigger("undo");
        QVERIFY(!m_window->session()->evaluationIsStale());
    }

    void exportAndVerify() {
        m_watch->restart("export");
        (*m_window)->setWorkspace(app::Workspace::Export);
        auto* page = (*m_window)->exportPage();
        const QString target = m_home->folder + QStringLiteral("/exports/out"); // neither exists
        page->selectExporter(QStringLiteral("gptq"));
        page->setDirectory(target);
        QTRY_VERIFY2(page->exportButton()->isEnabled(), qPrintable(page->blocker()));
        page->exportButton()->click();
        QTRY_VERIFY2_WITH_TIMEOUT(m_window->session()->receipt(),
                                  qPrintable((*m_window)->messageBar()->text()), kLong);
        const auto receipt = m_window->session()->receipt();
        QVERIFY(receipt->verified);
        QCOMPARE(receipt->bytesPlanned, receipt->bytesWritten);
        QVERIFY(QFile::exists(target + QStringLiteral("/config.json")));
        const QString text = page->receipt()->asText();
        QVERIFY(!receipt->files.empty());
        for (const auto& [name, sha] : receipt->files)
            QVERIFY2(text.contains(QString::fromStdString(sha)), name.c_str());
        // Never replaces what is there.
        QTRY_VERIFY(!page->exportButton()->isEnabled());
        QVERIFY(page->blocker().contains(u"not empty"));
    }

    void recipeRoundTrip() {
        m_watch->restart("recipe");
        (*m_window)->setWorkspace(app::Workspace::Inspect);
        m_window->session()->selection()->selectOne(targetOf("down", 2));
        (*m_window)->setBits(8);
        const QString file = m_home->folder + QStringLiteral("/mix.json");
        m_window->dialogs->answers = {file};
        m_window->trigger("saveRecipe");
        QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(file), kLong);
        m_window->trigger("undo");
        QCOMPARE(row(targetOf("down", 2)).info->bits, 4);
        m_window->dialogs->answers = {file};
        m_window->trigger("loadRecipe");
        QTRY_COMPARE(row(targetOf("down", 2)).info->bits, 8);
        QCOMPARE(row(targetOf("down", 1)).info->bits, 4);
        m_window->trigger("undo");
        QCOMPARE(row(targetOf("down", 2)).info->bits, 4);
    }

    /// Read, written and taken from a quantized model; what a format cannot say is told by name.
    void recipesOfOtherTools() {
        m_watch->restart("recipes of other tools");
        const int before = m_window->session()->undoStack()->index();
        const QString types = m_home->folder + QStringLiteral("/types.txt");
        QFile out(types);
        QVERIFY(out.open(QIODevice::WriteOnly));
        out.write("attn_(q|k|v)=Q8_0\nblk\\.2\\.ffn_down=q4_K\n");
        out.close();
        m_window->dialogs->answers = {types};
        m_window->trigger("loadRecipe");
        QTRY_COMPARE(row(targetOf("down", 2)).info->format, QStringLiteral("Q4_K"));
        QCOMPARE(row(targetOf("q", 3)).info->format, QStringLiteral("Q8_0"));
        QVERIFY(!row(targetOf("down", 1)).hasScheme());
        QTRY_VERIFY((*m_window)->messageBar()->text().contains(u"13 of 28 linears"));
        QCOMPARE(m_window->session()->undoStack()->index(), before + 1);
        const auto issues = m_window->table()->issues();
        QVERIFY(std::any_of(issues.begin(), issues.end(), [](const LintIssue& i) {
            return i.rule == "imported-recipe" && i.message.find("15 linears match no pattern") == 0;
        }));

        const QString again = m_home->folder + QStringLiteral("/again.txt");
        m_window->dialogs->answers = {again};
        m_window->trigger("saveRecipe-llama_quantize");
        QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(again), kLong);
        QFile in(again);
        QVERIFY(in.open(QIODevice::ReadOnly));
        QVERIFY(in.readAll().contains("^blk\\.(2)\\.ffn_down\\.weight$=q4_k\n"));
        m_window->dialogs->answers = {m_home->folder + QStringLiteral("/no.yaml")};
        m_window->trigger("saveRecipe-exl3");
        QTRY_VERIFY((*m_window)->messageBar()->text().contains(u"kept"));
        QVERIFY(!QFile::exists(m_home->folder + QStringLiteral("/no.yaml")));

        m_window->dialogs->answers = {
            QString::fromStdString((sourceDir() / "tests/golden/packed/models/awq/config.json").string())};
        m_window->trigger("cloneRecipe"); // of another shape
        QTRY_VERIFY((*m_window)->messageBar()->text().contains(u"x 256 in"));
        while (m_window->session()->undoStack()->index() > before)
            m_window->trigger("undo");
    }

    /// Everything above ran with the engine at work.
    void neverStalled() {
        m_watch->restart("end");
        QVERIFY2(m_watch->worst() < kStallLimitMs, m_watch->report().constData());
    }

private:
    const ui::TargetRow& row(int t) const { return m_window->table()->row(t); }
    TensorTableModel* tensors() const { return (*m_window)->tensorsPane()->model(); }
    int targetOf(const char* role, int block) const {
        for (int t = 0; t < m_window->table()->count(); ++t)
            if (row(t).role == QLatin1String(role) && row(t).block == block) return t;
        return -1;
    }
    /// Cells of the table's error column that say something, of one block.
    int shownErrors(int block) const {
        int n = 0;
        for (int r = 0; r < tensors()->rowCount(); ++r)
            if (row(tensors()->targetAt(r)).block == block)
                n += !tensors()->index(r, TensorTableModel::OutputError).data().toString().isEmpty();
        return n;
    }
    static std::map<std::string, std::filesystem::file_time_type>
    unitTimes(const std::filesystem::path& run) {
        std::map<std::string, std::filesystem::file_time_type> out;
        for (const auto& e : std::filesystem::directory_iterator(run / "units"))
            if (e.path().extension() == ".h5") out[e.path().filename().string()] = e.last_write_time();
        return out;
    }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
    std::unique_ptr<StallWatch> m_watch;
};

QS_TEST(WindowFlow)
#include "tst_window_flow.moc"
