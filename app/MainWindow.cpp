// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/MainWindow.h"

#include "app/WindowSession.h"
#include "app/dialogs/TextDialogs.h"
#include "app/pages/DistributionPage.h"
#include "app/pages/ExpertsPane.h"
#include "app/pages/ExportPage.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "app/pages/InspectorPane.h"
#include "app/pages/JobsPane.h"
#include "app/pages/JudgePage.h"
#include "app/pages/MessageBar.h"
#include "app/pages/ModelTreePane.h"
#include "app/pages/OutliersPane.h"
#include "app/pages/ProblemsPane.h"
#include "app/pages/ProfilePane.h"
#include "app/pages/RunPage.h"
#include "app/pages/StatusLine.h"
#include "app/pages/TensorsPane.h"
#include "app/pages/TokensPage.h"
#include "app/pages/TunePage.h"
#include "app/pages/WelcomePage.h"
#include "app/session/SampleData.h"
#include "widgets/theme/Icons.h"
#include "widgets/views/SegmentedButtons.h"

#include <QCloseEvent>
#include <QDragEnterEvent>
#include <QFileInfo>
#include <QMimeData>
#include <QScreen>
#include <QStackedWidget>
#include <QStatusBar>
#include <QVBoxLayout>

namespace qs::app {

namespace {
const QSize kDefaultSize(1440, 900);
const QSize kFrame(8, 40); ///< of the window manager, about

QString localPath(const QMimeData* mime) {
    for (const QUrl& url : mime->urls())
        if (url.isLocalFile()) return url.toLocalFile();
    return {};
}
} // namespace

MainWindow::MainWindow(WindowOptions options, QWidget* parent)
    : QMainWindow(parent)
    , m_settings(options.settingsFile)
    , m_dialogs(options.dialogs ? std::move(options.dialogs) : std::make_unique<FileDialogs>())
    , m_session(options.session)
    , m_state(&m_session) {
    setObjectName(QStringLiteral("mainWindow"));
    setWindowIcon(ui::applicationIcon());
    setAcceptDrops(true);
    setDocumentMode(true);
    setDockOptions(AnimatedDocks | AllowTabbedDocks | AllowNestedDocks | GroupedDragging);
    resize(kDefaultSize.boundedTo(screen()->availableSize() - kFrame));
    makePages();
    makeDocks();
    makeMenus();
    makeToolBar();
    makePalette();
    setStatusBar(new StatusLine(&m_session, this));
    connectSession();
    makeSessionFiles(options.session.cacheDirectory, options.autosaveMs);
    restoreLayout();
    onModelChanged();
    offerRecovery();
}

MainWindow::~MainWindow() {
    delete m_sessionFiles;
    // The panes look at the session, which is a member: it must not speak to what is being destroyed.
    m_session.disconnect();
    m_session.table()->disconnect();
    m_session.selection()->disconnect();
    m_state.disconnect();
    m_session.undoStack()->disconnect(this);
    // Jobs end, and say so, until the session is gone.
    m_session.engine()->disconnect(this);
    m_session.pool()->disconnect(this);
    delete takeCentralWidget();
    for (const Dock& d : m_docks)
        delete d.dock;
    delete findChild<QStatusBar*>();
}

void MainWindow::makePages() {
    auto* centre = new QWidget;
    centre->setObjectName(QStringLiteral("centre"));
    auto* layout = new QVBoxLayout(centre);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    m_message = new MessageBar;
    m_stack = new QStackedWidget;
    m_stack->setObjectName(QStringLiteral("workspaces"));
    // Else the largest page, shown or not, would set the least size of all: the docks beside it are hidden
    // there.
    m_stack->setMinimumSize(560, 300);
    m_welcome = new WelcomePage(&m_settings);
    m_inspect = new InspectPage(&m_state, &m_settings);
    m_tune = new TunePage(&m_session);
    m_runPage = new RunPage(&m_session);
    m_judge = new JudgePage(&m_session);
    m_export = new ExportPage(&m_session, m_dialogs.get());
    for (QWidget* page :
         {static_cast<QWidget*>(m_welcome), static_cast<QWidget*>(m_inspect), static_cast<QWidget*>(m_tune),
          static_cast<QWidget*>(m_runPage), static_cast<QWidget*>(m_judge), static_cast<QWidget*>(m_export)})
        m_stack->addWidget(page);
    layout->addWidget(m_message);
    layout->addWidget(m_stack, 1);
    setCentralWidget(centre);
    connect(m_welcome, &WelcomePage::openRequested, this, [this] { openModelDialog(true); });
    connect(m_welcome, &WelcomePage::sampleRequested, this, &MainWindow::openSample);
    connect(m_welcome, &WelcomePage::pathChosen, this, &MainWindow::openPath);
    connect(m_inspect->heatMap(), &HeatMapPane::bitsRequested, this, &MainWindow::setBits);
    connect(m_inspect->experts(), &ExpertsPane::bitsRequested, this, &MainWindow::setBits);
    connect(m_inspect->profile(), &ProfilePane::calibrateRequested, this, &MainWindow::calibrate);
    connect(m_tune, &TunePage::editRefused, this, &MainWindow::showError);
    connect(m_runPage, &RunPage::runRequested, this, &MainWindow::run);
    connect(m_runPage, &RunPage::stopRequested, this, &MainWindow::stop);
    connect(m_runPage, &RunPage::calibrateRequested, this, &MainWindow::calibrate);
    connect(m_judge, &JudgePage::evaluateRequested, this, &MainWindow::evaluate);
    connect(m_judge, &JudgePage::addRunRequested, this, [this] {
        m_dialogs->ask(this, {FileQuestion::Kind::OpenFolder, tr("Add a run to the comparison")},
                       [this](const QString& path) { m_judge->runs()->addRun(path); });
    });
    connect(m_judge->runs(), &JudgeSet::changed, this, &MainWindow::updateActions);
    m_tune->prediction()->setRuns(m_judge->runs());
    connect(m_judge, &JudgePage::targetActivated, this, [this](int target) {
        m_session.selection()->selectOne(target);
        setWorkspace(Workspace::Inspect);
    });
}

void MainWindow::connectSession() {
    connect(&m_session, &Session::modelChanged, this, &MainWindow::onModelChanged);
    connect(&m_session, &Session::recipeTaken, this, [this](const QString& what) { showNote(what); });
    connect(&m_session, &Session::failed, this, [this](const QString& title, const QString& message) {
        m_message->showMessage(MessageBar::Tone::Error, tr("%1: %2").arg(title, message), tr("Show in Jobs"));
        m_messageAction = [this] {
            if (QDockWidget* dock = findChild<QDockWidget*>(QStringLiteral("jobsDock"))) {
                dock->show();
                dock->raise();
            }
            m_jobs->showNewestFailure();
        };
    });
    connect(m_message, &MessageBar::actionTriggered, this, [this] {
        if (m_messageAction) m_messageAction();
    });
    for (const auto signal : {&Session::calibrationChanged, &Session::runChanged, &Session::evaluationChanged,
                              &Session::receiptChanged})
        connect(&m_session, signal, this, &MainWindow::updateActions);
    connect(m_session.table(), &SchemeTable::planChanged, this, &MainWindow::updateActions);
    connect(m_session.selection(), &ui::TargetSelection::changed, this, &MainWindow::updateActions);
    connect(m_session.engine(), &JobLane::activeCountChanged, this, &MainWindow::updateActions);
    for (JobLane* lane :
         {static_cast<JobLane*>(m_session.engine()), static_cast<JobLane*>(m_session.pool())}) {
        connect(lane, &JobLane::jobPosted, this, [this](JobHandle* job) {
            if (job->tag() == QLatin1String("open")) m_welcome->setBusy(job->title());
        });
        connect(lane, &JobLane::jobEnded, this, &MainWindow::onJobEnded);
    }
    // What was said is about the work before; most often it asked for the new one.
    connect(m_session.engine(), &JobLane::jobPosted, this, [this](const JobHandle* job) {
        if (job->listed() && !m_shutdown) m_message->dismiss();
    });
    connect(&m_settings, &Settings::recentChanged, this, &MainWindow::fillRecentMenu);
}

void MainWindow::onModelChanged() {
    const bool open = bool(m_session.model());
    m_welcome->setBusy({});
    if (open) {
        m_message->dismiss();
        m_settings.addRecent(m_session.modelPath());
        const Model& model = *m_session.model();
        if (!model.hasForward())
            showNote(tr("Opened at tensor level: %1 Inspection and data-free methods work.")
                         .arg(QString::fromStdString(model.noForwardReason())));
    }
    updateTitle();
    // The first tensor, so that every pane has something to show.
    if (open && m_session.table()->count() > 0) m_session.selection()->selectOne(0);
    updateActions();
    // Taking a large model over, and laying out and painting what shows it, are a turn of the event loop
    // each: after 0 ms it would be the same one.
    if (open)
        QTimer::singleShot(1, this, &MainWindow::showWorkspaceLayout);
    else
        showWorkspaceLayout();
}

void MainWindow::onJobEnded(JobHandle* job) {
    if (job->tag() == QLatin1String("open")) m_welcome->setBusy({});
    if (!job->listed() || m_closing) return;
    const bool done = job->state() == JobState::Done;
    if (job->tag() == QLatin1String("evaluate") && done && m_workspace != Workspace::Judge)
        showNote(tr("Evaluation finished."), tr("Show results"), [this] { setWorkspace(Workspace::Judge); });
    if (job->tag() == QLatin1String("report") && done) showNote(tr("Report written."));
    if (job->tag() == QLatin1String("run") && done && m_workspace != Workspace::Run)
        showNote(tr("Run finished. Evaluate measures what it costs."), tr("Evaluate…"),
                 [this] { evaluate(); });
    if (job->tag() == QLatin1String("run") && job->state() == JobState::Cancelled) {
        const int n = m_session.unitsDone();
        showNote(n > 0 ? tr("Stopped after %n blocks. Resume continues with the next one.", nullptr, n)
                       : tr("Stopped. Nothing was finished yet."),
                 n > 0 ? tr("Resume") : tr("Run again"), [this] { run(); });
    }
}

void MainWindow::showError(const QString& text) {
    m_messageAction = {};
    m_message->showMessage(MessageBar::Tone::Error, text);
}

void MainWindow::showNote(const QString& text, const QString& action, std::function<void()> then) {
    m_messageAction = [this, then = std::move(then)] {
        m_message->dismiss();
        if (then) then();
    };
    m_message->showMessage(MessageBar::Tone::Info, text, action);
}

// --- Opening ---

void MainWindow::openPath(const QString& path) {
    const QFileInfo info(path);
    const QString suffix = info.suffix().toLower();
    if (suffix == QLatin1String("h5") || suffix == QLatin1String("hdf5")) {
        m_session.openHdf5(path);
        return;
    }
    if (suffix == QLatin1String(WindowSession::kSuffix)) {
        m_sessionFiles->open(path);
        return;
    }
    const bool recipe = QStringList{QStringLiteral("json"), QStringLiteral("yaml"), QStringLiteral("yml"),
                                    QStringLiteral("txt")}
                            .contains(suffix) &&
                        info.fileName() != QLatin1String("config.json") &&
                        !info.fileName().endsWith(QLatin1String(".index.json"));
    if (recipe) {
        const QString why = m_session.loadRecipe(path);
        if (!why.isEmpty()) showError(why);
        return;
    }
    m_session.openModel(path);
}

void MainWindow::openSample() {
    const QString path = sampleModelPath();
    if (path.isEmpty())
        showError(tr("The sample model that comes with the program is not installed."));
    else
        openPath(path);
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
    if (!localPath(event->mimeData()).isEmpty()) event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event) {
    const QString path = localPath(event->mimeData());
    if (path.isEmpty()) return;
    event->acceptProposedAction();
    openPath(path);
}

// --- Work ---

void MainWindow::setWorkspace(Workspace workspace) {
    if (m_maximized) unmaximize();
    m_workspace = workspace;
    if (m_sessionFiles) m_sessionFiles->touch();
    m_workspaces->setCurrentIndex(int(workspace));
    showWorkspaceLayout();
}

void MainWindow::setBits(int bits) {
    const QVector<int>& targets = m_session.selection()->targets();
    if (targets.isEmpty()) return;
    const QString refused =
        m_session.table()->edit(targets, m_session.table()->editFor(ui::EditField::Bits, bits));
    if (!refused.isEmpty()) showError(refused);
}

void MainWindow::traceChannel() {
    const bool fromMap = m_workspace == Workspace::Inspect && m_inspect->tokens()->isVisible();
    setWorkspace(Workspace::Inspect);
    m_inspect->showTokens();
    const QString why = m_inspect->tokens()->traceChannel(fromMap);
    if (!why.isEmpty()) showNote(why);
}

void MainWindow::calibrate() {
    if (!m_session.calibrateBlocker().isEmpty()) return;
    auto* dialog = new CalibrateDialog(&m_session, m_dialogs.get(), this);
    connect(dialog, &QDialog::accepted, this, [this, dialog] { m_session.calibrate(dialog->request()); });
    dialog->open();
}

void MainWindow::run() {
    m_message->dismiss();
    const QString why = m_session.runBlocker();
    if (!why.isEmpty())
        showError(why);
    else
        m_session.startRun();
}

void MainWindow::stop() {
    // What the engine does now; what waits behind it keeps its place.
    for (JobHandle* job : m_session.engine()->handles()) {
        if (job->isEnded() || job->state() == JobState::Cancelling) continue;
        job->cancel();
        return;
    }
}

void MainWindow::evaluate() {
    if (!m_session.evaluateBlocker().isEmpty()) return;
    auto* dialog = new EvaluateDialog(&m_session, m_dialogs.get(), m_judge->runs()->others(), this);
    connect(dialog, &QDialog::accepted, this, [this, dialog] { m_session.evaluate(dialog->request()); });
    dialog->open();
}

// --- Closing ---

void MainWindow::closeEvent(QCloseEvent* event) {
    if (!m_shutdown && !m_closing) {
        saveLayout();
        m_sessionFiles->close();
        m_closing = !stopBeforeClosing();
    }
    // Asked again while jobs still end: once is enough.
    event->setAccepted(m_closing);
}

bool MainWindow::stopBeforeClosing() {
    if (m_session.engine()->activeCount() + m_session.pool()->activeCount() == 0) return false;
    m_shutdown = new Shutdown({m_session.engine(), m_session.pool()}, kShutdownMs, this);
    connect(m_shutdown, &Shutdown::finished, this, [this](bool inTime) {
        m_closing = true;
        close();
        if (!inTime) emit closedWhileBusy();
    });
    m_shutdown->begin();
    showNote(tr("Stopping: %1. The window closes when it has stopped.").arg(m_shutdown->waitingFor()));
    return true;
}

} // namespace qs::app
