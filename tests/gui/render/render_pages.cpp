// SPDX-License-Identifier: GPL-3.0-or-later
// Drives the real window with the real engine on the sample model and writes every page as PNG, light and
// dark, in three sizes: QT_QPA_PLATFORM=offscreen render_pages <folder>. With models behind the folder: only
// how each of them looks once it is open.
#include "app/MainWindow.h"
#include "app/dialogs/CommandPalette.h"
#include "app/dialogs/MethodsBrowser.h"
#include "app/dialogs/TextDialogs.h"
#include "app/pages/DistributionPage.h"
#include "app/pages/ExportPage.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "app/pages/JudgePage.h"
#include "app/pages/MessageBar.h"
#include "app/pages/ProfilePane.h"
#include "app/pages/ScalingPane.h"
#include "app/pages/TextPane.h"
#include "app/pages/TokensPage.h"
#include "app/pages/TunePage.h"
#include "widgets/charts/ChannelProfileWidget.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/SearchLineEdit.h"
#include "widgets/views/SegmentedButtons.h"

#include <QApplication>
#include <QComboBox>
#include <QDir>
#include <QDockWidget>
#include <QDoubleSpinBox>
#include <QMenu>
#include <QPushButton>
#include <QSpinBox>
#include <QTableView>
#include <QTemporaryDir>
#include <QToolButton>
#include <QtTest>
#include <cstdio>

using namespace qs;
using namespace qs::app;

namespace {

constexpr int kLong = 600000;

bool waitFor(const char* what, const std::function<bool()>& done) {
    std::fprintf(stderr, "%s\n", what);
    if (QTest::qWaitFor(done, kLong)) return true;
    std::fprintf(stderr, "gave up waiting: %s\n", what);
    return false;
}

class Renderer {
public:
    explicit Renderer(const QString& out) : m_out(out) {
        QDir().mkpath(out);
        WindowOptions options;
        options.session.cacheDirectory = m_home.filePath(QStringLiteral("cache"));
        options.settingsFile = m_home.filePath(QStringLiteral("settings.ini"));
        m_window = std::make_unique<MainWindow>(std::move(options));
        m_window->resize(1600, 1000);
        m_window->show();
    }

    bool run() {
        shoot("0-empty");
        m_window->openSample();
        Session* s = m_window->session();
        if (!waitFor("open", [s] { return bool(s->model()); })) return false;
        if (!waitFor("scan", [s] { return s->scannedCount() == s->table()->count(); })) return false;
        select("up", 2);
        settle();
        shoot("1-inspect-uncalibrated");
        klShares("1-kl-share-stand-in");
        if (!calibrateAndRun()) return false;
        inspectPages();
        runAndJudge();
        exportPage();
        return true;
    }

    bool showModels(const QStringList& models) {
        Session* s = m_window->session();
        for (const QString& path : models) {
            const auto before = s->model();
            m_window->openPath(path);
            if (!waitFor("open", [&] { return s->model() != before; })) return false;
            if (!waitFor("scan", [s] { return s->scannedCount() == s->table()->count(); })) return false;
            s->selection()->selectOne(0);
            settle();
            shoot(qPrintable(QStringLiteral("8-open-") + QFileInfo(path).completeBaseName()));
        }
        return true;
    }

private:
    /// Until nothing is read or compared any more.
    void settle() {
        QTest::qWait(200);
        const app::JobLane* pool = m_window->session()->pool();
        waitFor("previews", [pool] { return pool->activeCount() == 0; });
        QTest::qWait(200);
    }

    void shoot(const char* name) {
        for (const QSize size : {QSize(1600, 1000), QSize(1280, 800), QSize(1100, 700)}) {
            m_window->resize(size);
            QTest::qWait(100);
            if (m_window->session()->model()) m_window->resetLayout();
            if (!m_bottom)
                for (const char* dock : {"outliersDock", "tensorsDock", "problemsDock", "jobsDock"})
                    m_window->findChild<QDockWidget*>(QLatin1String(dock))->hide();
            else if (!m_dock.isEmpty())
                m_window->findChild<QDockWidget*>(m_dock)->raise();
            for (const auto& [mode, suffix] :
                 {std::pair(ui::ThemeMode::Light, ""), std::pair(ui::ThemeMode::Dark, "-dark")}) {
                m_window->setThemeMode(mode);
                QTest::qWait(150);
                const QString file = QStringLiteral("%1/%2%3-%4.png")
                                         .arg(m_out, QLatin1String(name), QLatin1String(suffix))
                                         .arg(size.width());
                m_window->grab().save(file);
                if (size.width() != 1280) // the usual and the smallest
                    shootSharp(QStringLiteral("%1/%2%3-%4-2x.png")
                                   .arg(m_out, QLatin1String(name), QLatin1String(suffix))
                                   .arg(size.width()));
            }
        }
        m_window->setThemeMode(ui::ThemeMode::Light);
        m_window->resize(1600, 1000);
        QTest::qWait(50);
    }

    /// As on a screen with two device pixels per logical pixel.
    void shootSharp(const QString& file) {
        QImage image(m_window->size() * 2, QImage::Format_ARGB32_Premultiplied);
        image.setDevicePixelRatio(2);
        m_window->render(&image);
        image.save(file);
    }

    void shootDialog(const char* name, QWidget* dialog) {
        for (const auto& [mode, suffix] :
             {std::pair(ui::ThemeMode::Dark, "-dark"), std::pair(ui::ThemeMode::Light, "")}) {
            m_window->setThemeMode(mode);
            QTest::qWait(120);
            dialog->grab().save(
                QStringLiteral("%1/%2%3.png").arg(m_out, QLatin1String(name), QLatin1String(suffix)));
        }
    }

    int find(const char* role, int block) const {
        const SchemeTable* t = m_window->session()->table();
        for (int i = 0; i < t->count(); ++i)
            if (t->row(i).role == QLatin1String(role) && t->row(i).block == block) return i;
        return 0;
    }
    void select(const char* role, int block) {
        m_window->session()->selection()->selectOne(find(role, block));
    }

    bool start(const char* dialogName, int length, int windows, const char* picture) {
        auto* dialog = m_window->findChild<TextDialog*>(QLatin1String(dialogName));
        dialog->findChild<QSpinBox*>(QStringLiteral("windowLength"))->setValue(length);
        dialog->findChild<QSpinBox*>(QStringLiteral("windows"))->setValue(windows);
        auto* button = dialog->findChild<QPushButton*>(QStringLiteral("start"));
        if (!waitFor("count tokens", [button] { return button->isEnabled(); })) return false;
        shootDialog(picture, dialog);
        button->click();
        return true;
    }

    bool calibrateAndRun() {
        Session* s = m_window->session();
        m_window->calibrate();
        if (!start("calibrateDialog", 256, 32, "7-calibrate")) return false;
        if (!waitFor("calibrate", [s] { return bool(s->calibration()); })) return false;
        s->selection()->set({find("gate", 1), find("up", 1), find("down", 1)});
        m_window->setBits(3);
        s->selection()->set({find("v", 0)});
        m_window->setBits(6);
        m_window->action(QStringLiteral("undo"))->trigger();
        m_window->run();
        return waitFor("run", [s] { return s->run() && s->run()->complete(); });
    }

    void raise(const char* dock) {
        m_dock = QLatin1String(dock);
        m_window->findChild<QDockWidget*>(m_dock)->raise();
        settle();
    }

    void inspectPages() {
        Session* s = m_window->session();
        s->selection()->set({find("gate", 1), find("up", 1), find("down", 1), find("gate", 2), find("up", 2),
                             find("down", 2)},
                            find("up", 1));
        m_window->inspectPage()->heatMap()->setMetric(ui::Metric::OutputError);
        settle();
        raise("outliersDock");
        shoot("1-inspect");
        profilePages();
        raise("tensorsDock");
        m_window->setBits(5); // stale and edited marks
        settle();
        shoot("1-inspect-edited");
        m_window->action(QStringLiteral("undo"))->trigger();
        settle();
        shootDialog("1-layer-card", m_window->findChild<QWidget*>(QStringLiteral("layerCardPane")));
        m_window->inspectPage()->showDistribution();
        raise("problemsDock");
        shoot("2-distribution");
        shootLens();
        select("q", 2);
        m_window->inspectPage()->showTokens();
        ProbeState* probe = m_window->inspectPage()->tokens()->probe();
        waitFor("probe", [probe] { return probe->trace() && probe->trace()->complete; });
        m_window->inspectState()->setChannel(210);
        m_window->action(QStringLiteral("trace"))->trigger();
        settle();
        shoot("3-tokens");
        m_window->openPath(m_home.filePath(QStringLiteral("absent")));
        raise("jobsDock");
        shoot("2-jobs");
        m_window->inspectPage()->showProfile();
        palette();
        klShares("1-kl-share");
        inputs();
    }

    /// Inputs rounded in some of the selected layers.
    void inputs() {
        SchemeTable* table = m_window->session()->table();
        table->edit({find("gate", 1), find("up", 1)}, ui::SchemeEdit::inputs("int8"));
        settle();
        shoot("1-inspect-inputs");
        m_window->action(QStringLiteral("undo"))->trigger();
    }

    void klShares(const char* name) {
        m_window->action(QStringLiteral("klShare"))->trigger();
        KlShare* kl = m_window->inspectState()->klShare();
        waitFor("KL shares", [kl] { return !kl->measuring() && kl->wanted().isEmpty(); });
        raise("tensorsDock");
        settle();
        shoot(name);
    }

    /// Every series of the profile, and one channel with its values.
    void profilePages() {
        const auto* profile = m_window->inspectPage()->profile()->profile();
        auto* menu = m_window->findChild<QToolButton*>(QStringLiteral("series"))->menu();
        for (QAction* a : menu->actions())
            a->setChecked(true);
        shoot("1-profile-series");
        profile->activationsPane()->zoomToChannel(56);
        shoot("1-profile-channel");
        profile->activationsPane()->setListShown(false);
        for (QAction* a : menu->actions())
            a->setChecked(a->objectName() == QLatin1String("p99.9"));
    }

    void palette() {
        m_window->action(QStringLiteral("palette"))->trigger();
        CommandPalette* palette = m_window->commandPalette();
        QTest::keyClicks(palette->line(), QStringLiteral("down"));
        shootDialog("7-palette", palette);
        MethodsBrowser* methods = MethodsBrowser::popUp(m_window->session()->pool(), m_window.get());
        waitFor("exports", [methods] { return methods->exportsKnown(); });
        shootDialog("7-methods", methods);
        methods->close();
        palette->hide();
        m_window->session()->filter()->set(QStringLiteral("1..2 mlp"), false);
        settle();
        shoot("1-inspect-filtered");
        m_window->session()->filter()->set({}, false);
    }

    /// A what-if in code units, bottom docks closed: as tall as the lens can be.
    void shootLens() {
        DistributionPage* page = m_window->inspectPage()->distribution();
        Lens* lens = page->lens();
        m_window->findChild<QComboBox*>(QStringLiteral("lensUnits"))->setCurrentIndex(1);
        lens->tryRange({RangeRule::MinMax, 0.85f});
        waitFor("re-quantize", [lens] { return lens->isWhatIf() && lens->progress() < 0; });
        m_bottom = false;
        settle();
        shoot("2-lens-code-units");
        m_bottom = true;
        m_window->findChild<QComboBox*>(QStringLiteral("lensUnits"))->setCurrentIndex(0);
        lens->reset();
    }

    void runAndJudge() {
        Session* s = m_window->session();
        m_window->messageBar()->dismiss();
        m_dock = QStringLiteral("jobsDock");
        m_window->setWorkspace(Workspace::Run);
        settle();
        shoot("3-run");
        s->table()->setModelSettings(
            {{*TransformUse::make("smoothquant"), *TransformUse::make("awq")}, *KvScheme::preset("int4"), {}},
            QStringLiteral("Add"));
        settle();
        shoot("3-run-transforms");
        m_window->action(QStringLiteral("undo"))->trigger();
        tune();
        m_dock.clear();
        m_window->setWorkspace(Workspace::Judge);
        settle();
        shoot("5-judge-unmeasured");
        m_window->evaluate();
        if (!start("evaluateDialog", 256, 16, "7-evaluate")) return;
        waitFor("evaluate", [s] { return bool(s->evaluation()); });
        settle();
        shoot("5-judge");
        judgeTwo();
    }

    /// Measured, two tensors locked, solved for fewer bits.
    void tune() {
        m_dock = QStringLiteral("problemsDock");
        m_window->setWorkspace(Workspace::Tune);
        settle();
        shoot("4-tune-unmeasured");
        TunePage* page = m_window->tunePage();
        page->measureButton()->click();
        waitFor("sensitivity",
                [page] { return page->state()->unmeasured() == 0 && !page->state()->measuring(); });
        m_window->session()->selection()->set({3, 4}, 3);
        page->lockButton()->click();
        page->targetButtons()->setCurrentIndex(1);
        page->budget()->setValue(3.6);
        QSignalSpy solved(page->state(), &TuneState::solved);
        waitFor("solve", [page] { return page->solveButton()->isEnabled(); });
        page->solveButton()->click();
        waitFor("solve", [&solved] { return solved.count() > 0; });
        m_window->session()->selection()->selectOne(8);
        settle();
        shoot("4-tune");
        page->findChild<ui::SegmentedButtons*>("tuneLists")->setCurrentIndex(2);
        page->targetButtons()->setCurrentIndex(3);
        settle();
        page->findChild<QTableView*>("tuneSteps")->selectRow(2);
        settle();
        shoot("4-tune-steps");
        page->findChild<ui::SegmentedButtons*>("tuneLists")->setCurrentIndex(1);
        page->targetButtons()->setCurrentIndex(0);
        settle();
        predictions();
        m_window->action(QStringLiteral("undo"))->trigger();
        page->state()->setLocked({3, 4}, false);
        m_dock.clear();
    }

    /// Predicted against measured: before, under way, and of two scores.
    void predictions() {
        TunePage* page = m_window->tunePage();
        m_window->action(QStringLiteral("predictions"))->trigger();
        settle();
        shoot("4-tune-unchecked");
        PredictionState* state = page->prediction()->state();
        page->prediction()->measureButton()->click();
        waitFor("random recipes", [state] { return !state->measuring(); });
        settle();
        shoot("4-tune-check");
        page->scoreBox()->setCurrentIndex(page->scoreBox()->findData(QStringLiteral("weight_error")));
        page->prediction()->chart()->setFocus();
        QTest::keyClick(page->prediction()->chart(), Qt::Key_Right);
        settle();
        shoot("4-tune-check-errors");
        page->scoreBox()->setCurrentIndex(page->scoreBox()->findData(QStringLiteral("linearity")));
        page->findChild<ui::SegmentedButtons*>("tuneViews")->setCurrentIndex(0);
        settle();
    }

    /// A second run at fewer bits, a token's card, greedy texts, and one under another protocol.
    void judgeTwo() {
        Session* s = m_window->session();
        JudgePage* page = m_window->judgePage();
        QVector<int> all;
        for (int t = 0; t < s->table()->count(); t += 2)
            all << t;
        s->selection()->set(all, 0);
        m_window->setBits(3);
        m_window->run();
        if (!waitFor("run", [s, page] { return !s->running() && page->runs()->runs().size() == 3; })) return;
        m_window->evaluate();
        const auto before = s->evaluation();
        if (!start("evaluateDialog", 128, 40, "7-evaluate-two")) return;
        waitFor("evaluate", [s, &before] { return s->evaluation() != before; });
        settle();
        m_window->setWorkspace(Workspace::Judge);
        page->setSubject('B');
        page->text()->showToken(3, 40);
        waitFor("passage", [page] { return page->text()->card()->data().columns.size() == 3; });
        settle();
        shoot("5-judge-two");
        page->text()->setMode(TextPane::Greedy);
        page->text()->start();
        waitFor("greedy", [page] { return !page->text()->busy(); });
        settle();
        shoot("5-judge-greedy");
        page->text()->setMode(TextPane::TeacherForced);
        m_window->action(QStringLiteral("scaling"))->trigger();
        waitFor("inputs in 4 bits", [page] { return bool(page->scaling()->state()->fourBit()); });
        page->scaling()->trainingTokens()->setValue(300);
        settle();
        shoot("5-judge-scaling");
        page->showScaling(false);
        JobHandle* report = page->writeReport(m_out + QStringLiteral("/report.html"));
        waitFor("report", [report] { return report->isEnded(); });
    }

    void exportPage() {
        Session* s = m_window->session();
        m_window->setWorkspace(Workspace::Export);
        ExportPage* page = m_window->exportPage();
        page->selectExporter(QStringLiteral("gptq"));
        settle();
        shoot("6-export-lint");
        for (const char* runtime : {"vllm", "llama.cpp"}) {
            page->selectRuntime(QLatin1String(runtime));
            page->selectExporter(QStringLiteral("gptq"));
            settle();
            shoot(qPrintable(QStringLiteral("6-export-") + QLatin1String(runtime)));
        }
        page->selectRuntime(QString());
        page->selectExporter(QStringLiteral("dequantized"));
        page->setDirectory(m_home.filePath(QStringLiteral("out")));
        settle();
        page->startExport();
        waitFor("export", [s] { return bool(s->receipt()) || !s->engine()->activeCount(); });
        settle();
        shoot("6-export");
    }

    QString m_out, m_dock; ///< the dock in front, by name
    bool m_bottom = true;  ///< the docks below are shown
    QTemporaryDir m_home;
    std::unique_ptr<MainWindow> m_window;
};

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: render_pages FOLDER [MODEL...]\n");
        return 2;
    }
    qputenv("QT_ENABLE_HIGHDPI_SCALING", "0");
    QApplication app(argc, argv);
    ui::applyTheme(app, ui::ThemeMode::Light);
    Renderer renderer(QString::fromLocal8Bit(argv[1]));
    const QStringList models = app.arguments().mid(2);
    return (models.isEmpty() ? renderer.run() : renderer.showModels(models)) ? 0 : 1;
}
