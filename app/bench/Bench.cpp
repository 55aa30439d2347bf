// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/bench/Bench.h"

#include "app/MainWindow.h"
#include "app/bench/BenchInputs.h"
#include "app/bench/BenchScript.h"
#include "app/bench/BenchTune.h"
#include "app/bench/GptqLoop.h"
#include "app/bench/LargeModel.h"
#include "app/dialogs/CommandPalette.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "app/pages/ModelTreePane.h"
#include "app/pages/ProfilePane.h"
#include "app/pages/TensorsPane.h"
#include "app/session/SampleData.h"
#include "app/settings/Translations.h"
#include "core/base/temporary.h"
#include "widgets/charts/ChannelProfileWidget.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/views/SearchLineEdit.h"

#include <QDockWidget>
#include <QJsonDocument>
#include <QListView>
#include <QScrollBar>
#include <QSplitter>
#include <QTableView>
#include <QTemporaryDir>
#include <QTreeView>
#include <cstdio>
#include <numeric>

namespace qs::app {

namespace {

const QSize kWindow(1600, 1000);
constexpr int kIdleMs = 700; ///< until nothing moves any more in an empty window

class Bench : public QObject {
public:
    explicit Bench(FrameMeter* meter) : m_meter(meter), m_script(meter, &m_report) {
        WindowOptions options;
        options.session.cacheDirectory = m_home.filePath(QStringLiteral("cache"));
        options.settingsFile = m_home.filePath(QStringLiteral("settings.ini"));
        m_window = std::make_unique<MainWindow>(std::move(options));
        m_window->resize(kWindow);
    }

    void run(const std::function<void(bool)>& finished) {
        connect(&m_script, &BenchScript::progress, this, [](const QByteArray& line) { say(line); });
        connect(&m_script, &BenchScript::finished, this, [this, finished](bool complete) {
            if (m_loop) {
                m_report.backgroundRuns += m_loop->runs();
                m_report.backgroundBlocks += m_loop->blocks();
            }
            finished(complete && m_failed.isEmpty());
        });
        firstWindow();
        m_script.call([this] { makeLargeModel(); });
        large();
        m_tune = std::make_unique<BenchTune>(m_window.get(), &m_script, &m_report,
                                             m_home.filePath(QStringLiteral("tune")));
        m_tune->add();
        m_script.call([this] { stopBackground(); });
        sample();
        m_script.start();
    }
    const BenchReport& report() const { return m_report; }
    static void say(const QByteArray& line) {
        std::printf("%s\n", line.constData());
        std::fflush(stdout);
    }

private:
    Session* session() const { return m_window->session(); }
    QWidget* mapView() const { return m_window->inspectPage()->heatMap()->map()->viewport(); }
    QWidget* tableView() const { return m_window->tensorsPane()->view()->viewport(); }
    QWidget* treeView() const { return m_window->treePane()->view()->viewport(); }
    void firstWindow() {
        m_script.call([this] {
            m_meter->drive(
                m_window.get(),
                [this] {
                    m_window->show();
                    return true;
                },
                [this](const Frame*) { m_report.firstWindowMs = processAgeMs(); });
        });
        m_script.waitUntil("the window is painted", [this] { return m_report.firstWindowMs > 0; });
        m_script.pause(kIdleMs);
        m_script.call([this] {
            m_report.rssMib = residentMib();
            say("first window " + QByteArray::number(m_report.firstWindowMs, 'f', 0) + " ms, idle " +
                QByteArray::number(m_report.rssMib, 'f', 1) + " MiB");
        });
    }

    void makeLargeModel() {
        const LargeModelShape shape;
        m_report.tensors = shape.tensors();
        const QString folder = m_home.filePath(QStringLiteral("large"));
        QDir().mkpath(folder);
        if (const auto made = writeLargeModel(folder.toStdString(), shape); !made)
            m_failed = QString::fromStdString(made.error().describe());
        m_large = folder;
    }

    /// The engine of a second session, so that the window may hold the large model.
    void startBackground() {
        SessionOptions options;
        options.cacheDirectory = m_home.filePath(QStringLiteral("background"));
        m_background = std::make_unique<Session>(options);
        m_loop = std::make_unique<GptqLoop>(m_background.get());
        m_background->openModel(sampleModelPath());
    }

    void open(const QByteArray& name, std::function<QString()> path) {
        m_script.scenario(name + ".open");
        m_script.call([this, path] {
            m_before = session()->model();
            m_openedAt = steadyMs();
            m_window->openPath(path());
        });
        m_script.waitUntil("the model is open",
                           [this] { return session()->model() != m_before || !m_failed.isEmpty(); });
        m_script.call([this, name] {
            if (name == "large") m_report.openLargeMs = steadyMs() - m_openedAt;
        });
        m_script.pause(500);
    }

    void large() {
        m_script.call([this] { startBackground(); });
        m_script.waitUntil("the engine quantizes", [this] { return m_loop->quantizing(); });
        open("large", [this] { return m_large; });
        views("large");
        filterAndSort();
        palette();
        m_script.rest();
        m_script.call([this] { m_report.rssLargeMib = residentMib(); });
    }

    void stopBackground() {
        m_report.backgroundRuns += m_loop->runs();
        m_report.backgroundBlocks += m_loop->blocks();
        m_loop->stop();
        m_loop.reset();
        m_background.reset();
    }

    void sample() {
        open("sample", [] { return sampleModelPath(); });
        m_script.call([this] { m_loop = std::make_unique<GptqLoop>(session()); });
        m_script.waitUntil("the engine quantizes", [this] { return m_loop->quantizing(); });
        views("sample");
    }

    void views(const QByteArray& name) {
        m_script.call([this] {
            m_window->setWorkspace(Workspace::Inspect);
            auto* dock = m_window->findChild<QDockWidget*>(QStringLiteral("tensorsDock"));
            dock->show();
            dock->raise();
        });
        m_script.pause(100);
        scroll(name);
        map(name);
        profile(name);
        edit(name);
    }

    void scroll(const QByteArray& name) {
        // Down, and back up from half way; at an end there is nothing to scroll.
        const auto wheel = [](QAbstractItemView* view, int i) {
            const QScrollBar* bar = view->verticalScrollBar();
            const bool down = i < 60;
            if (bar->value() == (down ? bar->maximum() : bar->minimum())) return false;
            postWheel(view->viewport(), QPointF(view->viewport()->rect().center()), down ? -240 : 240);
            return true;
        };
        m_script.scenario(name + ".scroll_table");
        m_script.frames(
            120, [this] { return tableView(); },
            [this, wheel](int i) { return wheel(m_window->tensorsPane()->view(), i); });
        m_script.scenario(name + ".scroll_tree");
        m_script.frames(
            120, [this] { return treeView(); },
            [this, wheel](int i) { return wheel(m_window->treePane()->view(), i); });
    }

    /// The middle of a cell; `share` runs over the grid's diagonal.
    QPointF cellPoint(int row, int column) const {
        return m_window->inspectPage()->heatMap()->map()->currentLayout().cellRect(row, column).center();
    }
    QPointF diagonal(double share) const {
        const ui::HeatMapLayout l = m_window->inspectPage()->heatMap()->map()->currentLayout();
        return cellPoint(int(share * (l.rows - 1)), int(share * (l.columns - 1)));
    }

    /// On to a cell of the diagonal; false when the brush is there already.
    bool brushTo(double share, double before) {
        if (diagonal(share) == diagonal(before)) return false;
        postMove(mapView(), diagonal(share), true);
        return true;
    }

    void map(const QByteArray& name) {
        constexpr int kHovers = 160, kBrush = 40;
        m_script.scenario(name + ".hover_map");
        m_script.frames(
            kHovers, [this] { return mapView(); },
            [this](int i) { // another cell each time
                const ui::HeatMapLayout l = m_window->inspectPage()->heatMap()->map()->currentLayout();
                const int cell = (i * 3) % (l.rows * l.columns);
                postMove(mapView(), cellPoint(cell / l.columns, cell % l.columns));
                return true;
            });
        m_script.scenario(name + ".brush_map");
        for (int turn = 0; turn < 2; ++turn) {
            m_script.call([this] { postPress(mapView(), diagonal(0)); });
            m_script.frames(
                kBrush, [this] { return mapView(); },
                [this](int i) { return brushTo(double(i + 1) / kBrush, double(i) / kBrush); });
            m_script.call([this] { postRelease(mapView(), diagonal(1)); });
            m_script.pause(150);
        }
        m_script.scenario(name + ".drag_splitter");
        m_script.frames(
            60, [this] { return mapView(); },
            [this](int i) {
                QSplitter* s = m_window->inspectPage()->splitter();
                const int height = s->height();
                const int top = int(height * (0.35 + 0.3 * sweep(i + 1, 60)));
                const QList<int> sizes = s->sizes();
                s->setSizes({top, height - top});
                return s->sizes() != sizes;
            });
    }

    void profile(const QByteArray& name) {
        const auto pane = [this]() -> QWidget* {
            return m_window->inspectPage()->profile()->profile()->weightsPane();
        };
        m_script.scenario(name + ".profile");
        m_script.frames(80, pane, [pane](int i) {
            QWidget* w = pane();
            const QPointF at(60 + (w->width() - 80) * sweep(i, 80), w->height() / 2.0);
            if (i % 4 == 0)
                postWheel(w, at, i < 40 ? 120 : -120);
            else
                postMove(w, at);
            return true;
        });
    }

    /// Bits of a brushed selection, and of everything, then undone.
    void edit(const QByteArray& name) {
        const auto keys = [this](int i) {
            postKey(m_window->inspectPage()->heatMap()->map(), Qt::Key_2 + i % 7);
            return true;
        };
        const auto undo = [this](int) {
            m_window->action(QStringLiteral("undo"))->trigger();
            return true;
        };
        m_script.scenario(name + ".edit");
        m_script.call([this] { session()->selection()->selectOne(1); });
        m_script.pause(100);
        m_script.frames(
            21, [this] { return mapView(); }, keys);
        m_script.frames(
            21, [this] { return mapView(); }, undo);
        m_script.scenario(name + ".edit_all");
        m_script.call([this] { m_window->action(QStringLiteral("selectAll"))->trigger(); });
        m_script.pause(300);
        m_script.frames(
            7, [this] { return mapView(); }, keys);
        m_script.frames(
            7, [this] { return mapView(); }, undo);
        m_script.pause(300);
    }

    /// One frame per key stroke; the words of a layer's expert, letter by letter.
    void palette() {
        static const QByteArray kTyped("LAYERS.7 EXPERTS.41 DOWN");
        m_script.scenario("large.palette");
        m_script.call([this] { m_window->action(QStringLiteral("palette"))->trigger(); });
        m_script.pause(100);
        m_script.frames(
            int(kTyped.size()),
            [this] { return m_window->commandPalette()->findChild<QListView*>()->viewport(); },
            [this](int i) {
                postKey(m_window->commandPalette()->line(), kTyped[i]);
                return true;
            });
        m_script.call([this] { m_window->commandPalette()->hide(); });
    }

    void filterAndSort() {
        static const char* const kFilters[] = {"d", "do", "down", "1..20 down", "expert*7*up", "q_proj", ""};
        using Column = ui::TensorTableModel::Column;
        static constexpr Column kColumns[] = {Column::Size,     Column::Tensor, Column::Format,
                                              Column::Kurtosis, Column::Block,  Column::Tensor};
        const auto model = [this] { return m_window->tensorsPane()->model(); };
        m_script.scenario("large.filter");
        m_script.frames(
            7, [this] { return tableView(); },
            [model](int i) {
                model()->setFilter(QString::fromLatin1(kFilters[i]));
                return true;
            });
        m_script.scenario("large.sort");
        m_script.frames(
            6, [this] { return tableView(); },
            [model](int i) {
                model()->sort(kColumns[i], i % 2 ? Qt::AscendingOrder : Qt::DescendingOrder);
                return true;
            });
    }

    FrameMeter* m_meter;
    QTemporaryDir m_home;
    QString m_large, m_failed;
    BenchReport m_report;
    BenchScript m_script;
    std::unique_ptr<MainWindow> m_window;
    std::unique_ptr<BenchTune> m_tune;
    std::unique_ptr<Session> m_background;
    std::unique_ptr<GptqLoop> m_loop;
    std::shared_ptr<const Model> m_before;
    double m_openedAt = 0;
};

} // namespace

QString benchHelp() {
    return QStringLiteral("A frame is measured from posting an input event to the end of the repaint of the "
                          "view it drives, wall\n"
                          "time, while the engine quantizes the sample model with GPTQ; *_cpu_ms_* is the "
                          "processor time that the\n"
                          "window's thread took in it. A stall is a gap of the event loop, without the time "
                          "in which the thread was\n"
                          "ready but another one had the processor (longest_stall_wall_ms counts that too). "
                          "first_window_ms runs\n"
                          "from the start of the process to the end of the first paint, rss_mib is the idle "
                          "window without a model.\n"
                          "solve_ms_max: from pressing Solve for 10,000 linears to their new schemes.\n");
}

int runBench(int argc, char** argv, const BenchOptions& options) {
    if (qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM")) qputenv("QT_QPA_PLATFORM", "offscreen");
    FrameMeter app(argc, argv);
    installTranslations(app);
    ui::applyTheme(app, ui::ThemeMode::Light);
    Bench bench(&app);
    int code = 1;
    bench.run([&](bool complete) {
        code = complete ? 0 : 1;
        app.quit();
    });
    QApplication::exec();
    if (code == 0 && options.json)
        Bench::say(QJsonDocument(bench.report().toJson()).toJson(QJsonDocument::Compact));
    return code;
}

} // namespace qs::app
