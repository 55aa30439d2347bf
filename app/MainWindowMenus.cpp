// SPDX-License-Identifier: GPL-3.0-or-later
// MainWindow: menus, tool bar, and when each action may be used.
#include "app/MainWindow.h"

#include "app/WindowSession.h"
#include "app/dialogs/CommandPalette.h"
#include "app/dialogs/MethodsBrowser.h"
#include "app/pages/ExportPage.h"
#include "app/pages/InspectPage.h"
#include "app/pages/JudgePage.h"
#include "app/pages/ModelTreePane.h"
#include "app/pages/OutliersPane.h"
#include "app/pages/RunPage.h"
#include "app/pages/TensorsPane.h"
#include "app/pages/TransformsPane.h"
#include "app/pages/TunePage.h"
#include "core/checkpoint/reader.h"
#include "core/linalg/blas.h"
#include "widgets/theme/Icons.h"
#include "widgets/views/SegmentedButtons.h"

#include <QActionGroup>
#include <QApplication>
#include <QDir>
#include <QDockWidget>
#include <QFileInfo>
#include <QMenuBar>
#include <QMessageBox>
#include <QPainter>
#include <QTableView>
#include <QToolBar>
#include <QToolButton>
#include <QUndoStack>
#include <numeric>

namespace qs::app {

namespace {

/// The window's title at the right end of the menu bar, on one line with the menus.
class CornerTitle : public QWidget {
public:
    CornerTitle(QWidget* window, int height) : m_window(window), m_height(height) {
        setObjectName(QStringLiteral("menuTitle"));
        connect(window, &QWidget::windowTitleChanged, this, qOverload<>(&QWidget::update));
    }
    QSize sizeHint() const override { return {320, m_height}; }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter p(this);
        p.setPen(ui::theme().text2);
        const QString text = fontMetrics().elidedText(m_window->windowTitle(), Qt::ElideMiddle, width() - 16);
        p.drawText(rect().adjusted(0, 0, -14, 0), Qt::AlignRight | Qt::AlignVCenter, text);
    }

private:
    QWidget* m_window;
    int m_height;
};

} // namespace

QAction* MainWindow::action(const QString& name) const {
    // Asked for every action after every selection: not to look through every widget.
    return findChild<QAction*>(name, Qt::FindDirectChildrenOnly);
}

QAction* MainWindow::addAction(QMenu* menu, const char* name, const QString& text, const char* icon,
                               const QKeySequence& shortcut, std::function<void()> slot) {
    auto* a = new QAction(text, this);
    a->setObjectName(QString::fromLatin1(name));
    if (*icon) a->setIcon(ui::icon(QString::fromLatin1(icon)));
    if (!shortcut.isEmpty()) a->setShortcut(shortcut);
    connect(a, &QAction::triggered, this, std::move(slot));
    menu->addAction(a);
    return a;
}

void MainWindow::makeMenus() {
    makeFileMenu();
    makeEditMenu();
    makeViewMenu();
    makeWorkMenus();
    QMenu* help = menuBar()->addMenu(tr("&Help"));
    addAction(help, "methods", tr("&Methods and formats"), "", tr("Ctrl+Alt+M"),
              [this] { MethodsBrowser::popUp(m_session.pool(), this); });
    addAction(help, "about", tr("&About Quantoscope"), "info", tr("F1"), [this] { about(); });
    for (QMenu* m : menuBar()->findChildren<QMenu*>())
        m->setToolTipsVisible(true);
    describeActions();
    menuBar()->setCornerWidget(new CornerTitle(this, menuBar()->sizeHint().height()));
}

void MainWindow::makeFileMenu() {
    QMenu* file = menuBar()->addMenu(tr("&File"));
    addAction(file, "open", tr("&Open model folder…"), "open", QKeySequence::Open,
              [this] { openModelDialog(true); });
    addAction(file, "openFile", tr("Open model &file…"), "", tr("Ctrl+Shift+O"),
              [this] { openModelDialog(false); });
    addAction(file, "openSample", tr("Open the &sample"), "model", tr("Ctrl+Alt+S"),
              [this] { openSample(); });
    m_recent = file->addMenu(tr("Open &recent"));
    m_recent->setObjectName(QStringLiteral("recentMenu"));
    fillRecentMenu();
    file->addSeparator();
    addAction(file, "openSession", tr("Open sess&ion…"), "", tr("Ctrl+Alt+O"), [this] {
        openDialog(tr("Open session"), tr("Sessions (*.quantoscope)"),
                   [this](const QString& path) { openPath(path); });
    });
    addAction(file, "saveSession", tr("Sav&e session"), "save", QKeySequence::Save,
              [this] { m_sessionFiles->save(); });
    addAction(file, "saveSessionAs", tr("Save session &as…"), "", QKeySequence(tr("Ctrl+Shift+S")),
              [this] { m_sessionFiles->saveAs(); });
    file->addSeparator();
    addAction(file, "loadRecipe", tr("&Load recipe…"), "", tr("Ctrl+L"), [this] {
        openDialog(tr("Load recipe"), tr("Recipes (*.json *.yaml *.yml *.txt)"), [this](const QString& path) {
            const QString why = m_session.loadRecipe(path);
            if (!why.isEmpty()) showError(why);
        });
    });
    addAction(file, "cloneRecipe", tr("Clo&ne recipe of a quantized model…"), "", tr("Ctrl+Alt+L"),
              [this] { cloneRecipe(); });
    addAction(file, "saveRecipe", tr("Sa&ve recipe…"), "", tr("Ctrl+Shift+L"), [this] { saveRecipe(); });
    makeRecipeMenu(file);
    addAction(file, "exportReport", tr("Expor&t report…"), "", QKeySequence(tr("Ctrl+Shift+R")),
              [this] { exportReport(); });
    file->addSeparator();
    addAction(file, "close", tr("&Close model"), "", QKeySequence::Close, [this] { m_session.closeModel(); });
    QAction* quit = addAction(file, "quit", tr("&Quit"), "", QKeySequence(tr("Ctrl+Q")), [this] { close(); });
    quit->setMenuRole(QAction::QuitRole);
}

void MainWindow::makeEditMenu() {
    QMenu* edit = menuBar()->addMenu(tr("&Edit"));
    QAction* undo = m_session.undoStack()->createUndoAction(this, tr("&Undo"));
    undo->setObjectName(QStringLiteral("undo"));
    undo->setShortcut(QKeySequence::Undo);
    undo->setIcon(ui::icon(QStringLiteral("undo")));
    QAction* redo = m_session.undoStack()->createRedoAction(this, tr("&Redo"));
    redo->setObjectName(QStringLiteral("redo"));
    redo->setShortcuts({QKeySequence(tr("Ctrl+Shift+Z")), QKeySequence(tr("Ctrl+Y"))});
    redo->setIcon(ui::icon(QStringLiteral("redo")));
    edit->addAction(undo);
    edit->addAction(redo);
    edit->addSeparator();
    addAction(edit, "palette", tr("Find a &command or tensor…"), "search", QKeySequence(tr("Ctrl+K")),
              [this] { showPalette(); });
    QMenu* bits = edit->addMenu(tr("Set &bits"));
    bits->setObjectName(QStringLiteral("bitsMenu"));
    for (int b = 2; b <= 8; ++b)
        addAction(bits, qPrintable(QStringLiteral("bits%1").arg(b)), tr("&%1 bits").arg(b), "",
                  QKeySequence(QString::number(b)), [this, b] { setBits(b); });
    addAction(bits, "bitsKeep", tr("&Keep the source format"), "", QKeySequence(tr("Shift+6")),
              [this] { setBits(0); });
    edit->addSeparator();
    addAction(edit, "selectAll", tr("Select &all tensors"), "", tr("Ctrl+Shift+A"), [this] {
        QVector<int> all(m_session.table()->count());
        std::iota(all.begin(), all.end(), 0);
        m_session.selection()->set(all);
    });
    addAction(edit, "filter", tr("&Filter"), "filter", QKeySequence::Find, [this] {
        QDockWidget* tensors = dock("tensorsDock");
        const bool inTable = tensors->isVisible() && tensors->isAncestorOf(QApplication::focusWidget());
        if (inTable) {
            m_tensors->focusFilter();
            return;
        }
        dock("modelDock")->show();
        m_tree->focusFilter();
    });
}

void MainWindow::makeViewMenu() {
    QMenu* view = menuBar()->addMenu(tr("&View"));
    const auto go = [&](const char* name, const QString& text, const char* key, Workspace w) {
        addAction(view, name, text, "", QKeySequence(QString::fromLatin1(key)),
                  [this, w] { setWorkspace(w); });
    };
    go("goInspect", tr("&Inspect"), "F5", Workspace::Inspect);
    go("goTune", tr("T&une"), "F6", Workspace::Tune);
    go("goRun", tr("&Run"), "F7", Workspace::Run);
    go("goJudge", tr("&Judge"), "F8", Workspace::Judge);
    go("goExport", tr("&Export"), "F9", Workspace::Export);
    view->addSeparator();
    addAction(view, "profile", tr("Channel &profile"), "profile", QKeySequence(tr("P")), [this] {
        setWorkspace(Workspace::Inspect);
        m_inspect->showProfile();
    });
    addAction(view, "distribution", tr("&Distribution"), "histogram", QKeySequence(tr("D")), [this] {
        setWorkspace(Workspace::Inspect);
        m_inspect->showDistribution();
    });
    addAction(view, "tokens", tr("T&okens"), "", QKeySequence(tr("K")), [this] {
        setWorkspace(Workspace::Inspect);
        m_inspect->showTokens();
    });
    QAction* trace = addAction(view, "trace", tr("Tra&ce the channel"), "", QKeySequence(tr("T")),
                               [this] { traceChannel(); });
    m_outliers->view()->addAction(trace);
    m_outliers->view()->setContextMenuPolicy(Qt::ActionsContextMenu);
    view->addSeparator();
    m_dockMenu = view->addMenu(tr("Doc&ks"));
    m_dockMenu->setObjectName(QStringLiteral("dockMenu"));
    for (size_t i = 0; i < m_docks.size(); ++i) {
        QAction* toggle = m_docks[i].dock->toggleViewAction();
        toggle->setShortcut(QKeySequence(QStringLiteral("Alt+%1").arg(i + 1)));
        m_dockMenu->addAction(toggle);
        QMainWindow::addAction(toggle);
    }
    addAction(view, "resetLayout", tr("Reset &layout"), "", tr("Ctrl+Shift+0"), [this] { resetLayout(); });
    QAction* maximise = addAction(view, "maximize", tr("&Maximise pane"), "maximize", QKeySequence(tr("F11")),
                                  [this] { toggleMaximized(); });
    maximise->setCheckable(true);
    view->addSeparator();
    QMenu* themes = view->addMenu(tr("&Theme"));
    auto* group = new QActionGroup(this);
    const auto add = [&](const char* name, const QString& text, const char* icon, const QString& key,
                         ui::ThemeMode mode) {
        QAction* a = addAction(themes, name, text, icon, key, [this, mode] { setThemeMode(mode); });
        a->setCheckable(true);
        a->setChecked(m_settings.themeMode() == mode);
        group->addAction(a);
    };
    add("themeLight", tr("&Light"), "sun", tr("Ctrl+Alt+1"), ui::ThemeMode::Light);
    add("themeDark", tr("&Dark"), "moon", tr("Ctrl+Alt+2"), ui::ThemeMode::Dark);
    add("themeSystem", tr("&System"), "", tr("Ctrl+Alt+3"), ui::ThemeMode::System);
}

void MainWindow::makeWorkMenus() {
    QMenu* calibration = menuBar()->addMenu(tr("&Calibrate"));
    addAction(calibration, "calibrate", tr("&Calibrate…"), "calibrate", tr("Ctrl+Shift+C"),
              [this] { calibrate(); });
    addAction(calibration, "openCalibration", tr("&Open calibration or activations…"), "", tr("Ctrl+Alt+C"),
              [this] {
                  openDialog(tr("Open a calibration or recorded activations"), tr("HDF5 files (*.h5 *.hdf5)"),
                             [this](const QString& p) { openPath(p); });
              });
    addAction(calibration, "scan", tr("Scan the &weights"), "", tr("Ctrl+Shift+W"),
              [this] { m_session.scanWeights(); });
    QMenu* runs = menuBar()->addMenu(tr("&Run"));
    addAction(runs, "transforms", tr("&Before quantizing"), "", tr("Ctrl+Alt+B"), [this] {
        setWorkspace(Workspace::Run);
        m_runPage->transforms()->setFocus(Qt::ShortcutFocusReason);
    });
    addAction(runs, "run", tr("&Run"), "run", QKeySequence(tr("Ctrl+R")), [this] { run(); });
    addAction(runs, "stop", tr("&Stop"), "stop", tr("Ctrl+."), [this] { stop(); });
    addAction(runs, "openRun", tr("&Open run…"), "", tr("Ctrl+Alt+R"), [this] {
        m_dialogs->ask(this, {FileQuestion::Kind::OpenFolder, tr("Open run folder")},
                       [this](const QString& path) { openPath(path); });
    });
    makeEngineMenu(runs);
    QMenu* evaluation = menuBar()->addMenu(tr("Eval&uate"));
    addAction(evaluation, "evaluate", tr("&Evaluate…"), "verify", tr("Ctrl+J"), [this] { evaluate(); });
    addAction(evaluation, "klShare", tr("Measure &KL shares"), "", tr("Ctrl+Alt+K"), [this] {
        setWorkspace(Workspace::Inspect);
        m_inspect->showKlShares();
    });
    addAction(evaluation, "predictions", tr("&Predicted against measured"), "", tr("Ctrl+Alt+P"), [this] {
        setWorkspace(Workspace::Tune);
        m_tune->showPrediction();
    });
    addAction(evaluation, "scaling", tr("&Scaling"), "", tr("Ctrl+Alt+G"), [this] {
        setWorkspace(Workspace::Judge);
        m_judge->showScaling();
    });
    QMenu* exporting = menuBar()->addMenu(tr("E&xport"));
    addAction(exporting, "export", tr("&Export…"), "export", QKeySequence(tr("Ctrl+E")),
              [this] { setWorkspace(Workspace::Export); });
    addAction(exporting, "exportNow", tr("Export and &verify"), "", tr("Ctrl+Shift+E"), [this] {
        setWorkspace(Workspace::Export);
        m_export->startExport();
    });
}

void MainWindow::makeToolBar() {
    QToolBar* bar = addToolBar(tr("Main"));
    bar->setObjectName(QStringLiteral("mainToolBar"));
    bar->setMovable(false);
    bar->setFloatable(false);
    bar->setContextMenuPolicy(Qt::PreventContextMenu);
    bar->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    const auto add = [&](const char* name, const QString& text) {
        QAction* a = action(QString::fromLatin1(name));
        a->setIconText(text);
        bar->addAction(a);
        if (text.isEmpty())
            if (auto* b = qobject_cast<QToolButton*>(bar->widgetForAction(a)))
                b->setToolButtonStyle(Qt::ToolButtonIconOnly);
    };
    add("open", tr("Open"));
    add("undo", {});
    add("redo", {});
    bar->addSeparator();
    add("calibrate", tr("Calibrate"));
    add("run", tr("Run"));
    add("stop", {});
    bar->addSeparator();
    add("evaluate", tr("Evaluate"));
    add("export", tr("Export"));
    bar->addSeparator();
    m_workspaces = new ui::SegmentedButtons;
    m_workspaces->setObjectName(QStringLiteral("workspaceButtons"));
    m_workspaces->addSegment(tr("Inspect"), tr("Look at weights, activations and outliers (F5)"));
    m_workspaces->addSegment(tr("Tune"), tr("Bits for every layer within a budget (F6)"));
    m_workspaces->addSegment(tr("Run"), tr("Quantize, block by block (F7)"));
    m_workspaces->addSegment(tr("Judge"), tr("Compare with the original (F8)"));
    m_workspaces->addSegment(tr("Export"), tr("Write a format that runtimes load (F9)"));
    m_workspaces->setCurrentIndex(0);
    bar->addWidget(m_workspaces);
    auto* space = new QWidget;
    space->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    bar->addWidget(space);
    const QAction* palette = action(QStringLiteral("palette"));
    auto* search = new PaletteButton(tr("Tensors and commands"), palette->shortcut());
    bar->addWidget(search);
    connect(search, &QAbstractButton::clicked, this, &MainWindow::showPalette);
    connect(m_workspaces, &ui::SegmentedButtons::currentChanged, this, [this](int i) {
        if (i >= 0 && i != int(m_workspace)) setWorkspace(Workspace(i));
    });
}

void MainWindow::fillRecentMenu() {
    m_recent->clear();
    const QVector<Settings::RecentFile> files = m_settings.recentFiles();
    for (const Settings::RecentFile& f : files) {
        QAction* a = m_recent->addAction(QDir::toNativeSeparators(f.path));
        a->setEnabled(f.exists);
        a->setToolTip(f.exists ? f.path : tr("%1 is not there any more.").arg(f.path));
        connect(a, &QAction::triggered, this, [this, path = f.path] { openPath(path); });
    }
    if (!files.isEmpty()) {
        m_recent->addSeparator();
        connect(m_recent->addAction(tr("&Clear the list")), &QAction::triggered, &m_settings,
                &Settings::clearRecent);
    }
    m_recent->setEnabled(!files.isEmpty());
}

void MainWindow::allow(const char* name, const QString& blocker) {
    QAction* a = action(QString::fromLatin1(name));
    QString usual = a->text();
    usual.remove(QLatin1Char('&'));
    if (!a->shortcut().isEmpty())
        usual += QStringLiteral(" (%1)").arg(a->shortcut().toString(QKeySequence::NativeText));
    a->setEnabled(blocker.isEmpty());
    a->setToolTip(blocker.isEmpty() ? usual : blocker);
}

void MainWindow::updateActions() {
    const QString noModel = m_session.model() ? QString() : tr("Open a model first.");
    const QString noSelection = !noModel.isEmpty()                           ? noModel
                                : m_session.selection()->targets().isEmpty() ? tr("Select a tensor first.")
                                                                             : QString();
    for (const char* name :
         {"saveSession", "saveSessionAs",   "loadRecipe",   "saveRecipe",  "cloneRecipe", "close",
          "selectAll",   "openCalibration", "scan",         "goInspect",   "goRun",       "goJudge",
          "goExport",    "profile",         "distribution", "tokens",      "transforms",  "trace",
          "filter",      "export",          "maximize",     "resetLayout", "scaling"})
        allow(name, noModel);
    for (int b = 2; b <= 8; ++b)
        allow(qPrintable(QStringLiteral("bits%1").arg(b)), noSelection);
    allow("bitsKeep", noSelection);
    allow("calibrate", m_session.calibrateBlocker());
    allow("run", m_session.runBlocker());
    allow("evaluate", m_session.evaluateBlocker());
    allow("klShare", m_session.evaluateBlocker());
    allow("predictions", m_session.evaluateBlocker());
    allow("exportNow", m_export->blocker());
    allow("exportReport", m_judge->reportBlocker());
    allow("stop", m_session.engine()->activeCount() > 0 ? QString() : tr("Nothing is running."));
    action(QStringLiteral("maximize"))->setChecked(m_maximized);
    for (int i = 0; m_workspaces && i < m_workspaces->count(); ++i)
        m_workspaces->setSegmentEnabled(i, noModel.isEmpty(), noModel);
    m_dockMenu->setEnabled(noModel.isEmpty());
    m_recipeMenu->setEnabled(noModel.isEmpty());
}

QString MainWindow::modelPatterns() {
    QStringList patterns;
    for (const ReaderDescriptor* reader : readers())
        for (const std::string& extension : reader->extensions)
            patterns << QLatin1Char('*') + QString::fromStdString(extension);
    return patterns.join(QLatin1Char(' '));
}

void MainWindow::openModelDialog(bool folder) {
    FileQuestion q;
    q.kind = folder ? FileQuestion::Kind::OpenFolder : FileQuestion::Kind::OpenFile;
    q.title = folder ? tr("Open a model folder") : tr("Open a model file");
    q.filter = tr("Models (%1 *.index.json config.json);;All files (*)").arg(modelPatterns());
    m_dialogs->ask(this, q, [this](const QString& path) { openPath(path); });
}

void MainWindow::openDialog(const QString& title, const QString& filter,
                            std::function<void(const QString&)> then) {
    m_dialogs->ask(this, {FileQuestion::Kind::OpenFile, title, filter}, std::move(then));
}

void MainWindow::setThemeMode(ui::ThemeMode mode) {
    m_settings.setThemeMode(mode);
    ui::applyTheme(*qApp, mode);
    const char* names[] = {"themeLight", "themeDark", "themeSystem"};
    action(QString::fromLatin1(names[int(mode)]))->setChecked(true);
}

void MainWindow::exportReport() {
    FileQuestion q;
    q.kind = FileQuestion::Kind::SaveFile;
    q.title = tr("Export report");
    q.filter = tr("Web page, one file (*.html)");
    q.suffix = QStringLiteral("html");
    q.start = m_session.title() + QStringLiteral(".html");
    m_dialogs->ask(this, q, [this](const QString& path) { m_judge->writeReport(path); });
}

void MainWindow::about() {
    auto* box = new QMessageBox(this);
    box->setAttribute(Qt::WA_DeleteOnClose);
    box->setObjectName(QStringLiteral("aboutBox"));
    box->setWindowTitle(tr("About Quantoscope"));
    box->setIconPixmap(ui::applicationIcon().pixmap(64, 64));
    box->setText(tr("<b>Quantoscope %1</b>").arg(QStringLiteral(QS_VERSION)));
    box->setInformativeText(
        tr("A desktop explorer for quantizing language models.\nDevice: %1\nLinear algebra: %2\n"
           "Qt %3\n\nThe window is GPL-3.0-or-later, the engine Apache-2.0.")
            .arg(m_session.engine()->backendDescription(),
                 QString::fromStdString(linalg::providerDescription()), QString::fromLatin1(qVersion())));
    box->open();
}

} // namespace qs::app
