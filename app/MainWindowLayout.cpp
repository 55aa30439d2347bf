// SPDX-License-Identifier: GPL-3.0-or-later
// MainWindow: docks, what each workspace shows of them, and their memory.
#include "app/MainWindow.h"

#include "app/pages/DistributionPage.h"
#include "app/pages/InspectPage.h"
#include "app/pages/InspectorPane.h"
#include "app/pages/JobsPane.h"
#include "app/pages/LensPanel.h"
#include "app/pages/ModelTreePane.h"
#include "app/pages/OutliersPane.h"
#include "app/pages/ProblemsPane.h"
#include "app/pages/StoredCodesPane.h"
#include "app/pages/TensorsPane.h"
#include "widgets/views/DockTitleBar.h"

#include <QApplication>
#include <QDockWidget>
#include <QSplitter>
#include <QStackedWidget>

namespace qs::app {

namespace {

constexpr int kLeftWidth = 248, kRightWidth = 310, kBottomHeight = 240;
const char* const kLayoutKeys[] = {"layout/inspect", "layout/tune", "layout/run", "layout/judge",
                                   "layout/export"};
const char* const kBottomDocks[] = {"outliersDock", "tensorsDock", "codesDock", "problemsDock", "jobsDock"};

QString counted(const QString& title, int n) {
    return n > 0 ? QStringLiteral("%1 %2").arg(title).arg(n) : title;
}

} // namespace

QDockWidget* MainWindow::addDock(const char* name, const QString& title, QWidget* content,
                                 Qt::DockWidgetArea area) {
    auto* dock = new QDockWidget(title, this);
    dock->setObjectName(QString::fromLatin1(name));
    dock->setWidget(content);
    auto* bar = new ui::DockTitleBar(dock);
    dock->setTitleBarWidget(bar);
    addDockWidget(area, dock);
    m_docks.push_back({dock, bar, new QWidget(dock)});
    m_docks.back().noTitle->hide();
    connect(bar, &ui::DockTitleBar::maximizeRequested, this, [this, dock](bool on) {
        if (on)
            maximize(dock);
        else
            unmaximize();
    });
    for (const auto signal : {&QDockWidget::topLevelChanged, &QDockWidget::visibilityChanged})
        connect(dock, signal, this, &MainWindow::updateTitleBars, Qt::QueuedConnection);
    connect(dock, &QDockWidget::dockLocationChanged, this, &MainWindow::updateTitleBars,
            Qt::QueuedConnection);
    return dock;
}

QDockWidget* MainWindow::dock(const char* name) const {
    return findChild<QDockWidget*>(QString::fromLatin1(name));
}

void MainWindow::makeDocks() {
    setCorner(Qt::TopLeftCorner, Qt::LeftDockWidgetArea);
    setCorner(Qt::BottomLeftCorner, Qt::LeftDockWidgetArea);
    setCorner(Qt::TopRightCorner, Qt::RightDockWidgetArea);
    setCorner(Qt::BottomRightCorner, Qt::RightDockWidgetArea);
    setTabPosition(Qt::AllDockWidgetAreas, QTabWidget::North);
    m_tree = new ModelTreePane(&m_session);
    m_inspector = new InspectorPane(&m_state);
    m_outliers = new OutliersPane(&m_state);
    m_tensors = new TensorsPane(&m_session, &m_settings);
    m_problems = new ProblemsPane(&m_session);
    m_jobs = new JobsPane(&m_session);
    addDock("modelDock", tr("Model"), m_tree, Qt::LeftDockWidgetArea);
    addDock("inspectorDock", tr("Inspector"), m_inspector, Qt::RightDockWidgetArea);
    auto* outliers = addDock("outliersDock", tr("Outlier channels"), m_outliers, Qt::BottomDockWidgetArea);
    auto* tensors = addDock("tensorsDock", tr("Tensors"), m_tensors, Qt::BottomDockWidgetArea);
    addDock("codesDock", tr("Stored codes"), new StoredCodesPane(&m_state), Qt::BottomDockWidgetArea);
    auto* problems = addDock("problemsDock", tr("Problems"), m_problems, Qt::BottomDockWidgetArea);
    auto* jobs = addDock("jobsDock", tr("Jobs"), m_jobs, Qt::BottomDockWidgetArea);
    connect(m_outliers, &OutliersPane::countChanged, outliers,
            [outliers](int n) { outliers->setWindowTitle(counted(tr("Outlier channels"), n)); });
    connect(&m_session, &Session::modelChanged, tensors,
            [this, tensors] { tensors->setWindowTitle(counted(tr("Tensors"), m_session.table()->count())); });
    connect(m_problems, &ProblemsPane::countChanged, problems,
            [problems](int n) { problems->setWindowTitle(counted(tr("Problems"), n)); });
    connect(m_jobs->model(), &JobsModel::activeCountChanged, jobs,
            [jobs](int n) { jobs->setWindowTitle(counted(tr("Jobs"), n)); });
    connect(m_tensors, &TensorsPane::editRefused, this, &MainWindow::showError);
    connect(m_inspector, &InspectorPane::editRefused, this, &MainWindow::showError);
    LensPanel* lens = m_inspect->distribution()->panel();
    m_inspector->setLensPanel(lens);
    connect(lens, &LensPanel::editRefused, this, &MainWindow::showError);
    connect(m_inspect, &QTabWidget::currentChanged, m_inspector,
            [this] { m_inspector->showLensPanel(m_inspect->currentWidget() == m_inspect->distribution()); });
    applyDefaultLayout(Workspace::Inspect);
}

void MainWindow::updateTitleBars() {
    for (const Dock& d : m_docks) {
        const bool tab = !d.dock->isFloating() && !tabifiedDockWidgets(d.dock).isEmpty();
        QWidget* wanted = tab ? d.noTitle : d.title;
        if (d.dock->titleBarWidget() == wanted) continue;
        d.dock->setTitleBarWidget(wanted);
        wanted->show();
        (tab ? static_cast<QWidget*>(d.title) : d.noTitle)->hide();
    }
}

void MainWindow::applyDefaultLayout(Workspace workspace) {
    for (const Dock& d : m_docks) {
        d.dock->setFloating(false);
        removeDockWidget(d.dock);
    }
    addDockWidget(Qt::LeftDockWidgetArea, dock("modelDock"));
    addDockWidget(Qt::RightDockWidgetArea, dock("inspectorDock"));
    QDockWidget* first = dock(kBottomDocks[0]);
    addDockWidget(Qt::BottomDockWidgetArea, first);
    for (const char* name : kBottomDocks)
        if (dock(name) != first) tabifyDockWidget(first, dock(name));
    const bool tune = workspace == Workspace::Tune; // the table stands beside the page
    if (tune) addDockWidget(Qt::LeftDockWidgetArea, dock("tensorsDock"));
    const bool bottom = workspace == Workspace::Inspect || workspace == Workspace::Run || tune;
    for (const Dock& d : m_docks)
        d.dock->setVisible(workspace == Workspace::Inspect);
    for (const char* name : kBottomDocks)
        dock(name)->setVisible(bottom);
    dock(workspace == Workspace::Run ? "jobsDock" : tune ? "problemsDock" : "tensorsDock")->raise();
    resizeDocks({dock("modelDock"), dock("inspectorDock")},
                {std::min(kLeftWidth, width() * 22 / 100), std::min(kRightWidth, width() * 26 / 100)},
                Qt::Horizontal);
    const int most = height() / (workspace == Workspace::Inspect ? 4 : 5);
    resizeDocks({first}, {std::min(kBottomHeight, most)}, Qt::Vertical);
    if (tune) resizeDocks({dock("tensorsDock")}, {width() * 36 / 100}, Qt::Horizontal);
    updateTitleBars();
}

void MainWindow::showWorkspaceLayout() {
    const int wanted = m_session.model() ? int(m_workspace) : -1;
    m_stack->setCurrentIndex(wanted + 1);
    if (wanted == m_shownLayout) return;
    if (m_shownLayout >= 0) m_layouts[size_t(m_shownLayout)] = saveState(kLayoutVersion);
    m_shownLayout = wanted;
    m_tensors->setBeside(wanted == int(Workspace::Tune));
    if (wanted < 0) {
        for (const Dock& d : m_docks)
            d.dock->hide();
        return;
    }
    const QByteArray& kept = m_layouts[size_t(wanted)];
    if (kept.isEmpty() || !restoreState(kept, kLayoutVersion)) applyDefaultLayout(Workspace(wanted));
    updateTitleBars();
}

void MainWindow::resetLayout() {
    if (m_maximized) unmaximize();
    m_layouts = {};
    if (m_shownLayout >= 0) applyDefaultLayout(Workspace(m_shownLayout));
    m_inspect->splitter()->setSizes({330, 300});
}

void MainWindow::toggleMaximized() {
    if (m_maximized) {
        unmaximize();
        return;
    }
    QDockWidget* around = nullptr;
    for (QWidget* w = QApplication::focusWidget(); w && !around; w = w->parentWidget())
        around = qobject_cast<QDockWidget*>(w);
    maximize(around && !around->isFloating() ? around : nullptr);
}

void MainWindow::maximize(QDockWidget* wanted) {
    if (m_maximized) unmaximize();
    m_beforeMaximize = saveState(kLayoutVersion);
    m_maximized = true;
    for (const Dock& d : m_docks) {
        if (d.dock != wanted) d.dock->hide();
        d.title->setMaximized(d.dock == wanted);
    }
    centralWidget()->setVisible(!wanted);
    updateActions();
}

void MainWindow::unmaximize() {
    if (!m_maximized) return;
    m_maximized = false;
    centralWidget()->show();
    restoreState(m_beforeMaximize, kLayoutVersion);
    for (const Dock& d : m_docks)
        d.title->setMaximized(false);
    updateTitleBars();
    updateActions();
}

void MainWindow::saveLayout() {
    if (m_maximized) unmaximize();
    m_settings.setGeometry(saveGeometry());
    if (m_shownLayout >= 0) m_layouts[size_t(m_shownLayout)] = saveState(kLayoutVersion);
    m_settings.setLayout(m_layouts[0], kLayoutVersion);
    for (size_t i = 1; i < m_layouts.size(); ++i)
        m_settings.setValue(QString::fromLatin1(kLayoutKeys[i]), m_layouts[i]);
    for (const QSplitter* s : findChildren<QSplitter*>())
        if (!s->objectName().isEmpty())
            m_settings.setValue(QStringLiteral("splitter/") + s->objectName(), s->saveState());
    m_tensors->saveState();
}

void MainWindow::restoreLayout() {
    const QByteArray geometry = m_settings.geometry();
    if (!geometry.isEmpty()) restoreGeometry(geometry);
    m_layouts[0] = m_settings.layout(kLayoutVersion);
    if (!m_layouts[0].isEmpty()) // of the same version then
        for (size_t i = 1; i < m_layouts.size(); ++i)
            m_layouts[i] = m_settings.value(QString::fromLatin1(kLayoutKeys[i])).toByteArray();
    for (QSplitter* s : findChildren<QSplitter*>()) {
        if (s->objectName().isEmpty()) continue;
        const QByteArray state =
            m_settings.value(QStringLiteral("splitter/") + s->objectName()).toByteArray();
        if (!state.isEmpty()) s->restoreState(state);
    }
    m_shownLayout = -2; // whatever is there now is not worth keeping
}

} // namespace qs::app
