// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/WindowSession.h"

#include "app/MainWindow.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "app/pages/JudgePage.h"
#include "app/session/JudgeSet.h"
#include "app/session/RecipeOf.h"
#include "app/session/SessionRestore.h"
#include "core/base/file.h"

#include <QFileInfo>

namespace qs::app {

namespace {

/// By Workspace, as session files name them.
constexpr std::array<const char*, 5> kWorkspaces = {"inspect", "tune", "run", "judge", "export"};

/// Writes a session; a worker's work: the rules of a large model and syncing the disk take their time.
JobBody writing(SessionState state, const JudgeSet& judge, const QString& file) {
    const Session& session = *judge.session();
    return [state = std::move(state), model = session.model(), schemes = session.table()->schemes(),
            settings = session.table()->settings(), runs = judge.measured(), cache = session.cacheFolder(),
            file](const JobScope& scope) mutable -> Outcome {
        state.compared = comparedParts(runs, cache);
        state.recipe = recipeOf(*model, schemes, settings, QFileInfo(file).completeBaseName().toStdString());
        if (scope.job().stopRequested()) return Outcome::cancelled();
        const std::filesystem::path path = file.toStdString();
        return Outcome::from(writeFileAtomically(path, sessionText(state, path.parent_path())));
    };
}

int numberOf(const std::map<std::string, std::string>& view, const char* key, int most) {
    const auto it = view.find(key);
    if (it == view.end()) return -1;
    bool number = false;
    const int value = QString::fromStdString(it->second).toInt(&number);
    return number && value >= 0 && value <= most ? value : -1;
}

} // namespace

WindowSession::WindowSession(MainWindow* window, FileDialogs* dialogs, const QString& folder, int delayMs)
    : QObject(window), m_window(window), m_dialogs(dialogs), m_autosave(std::make_shared<Autosave>(folder)) {
    m_later.setSingleShot(true);
    m_later.setInterval(delayMs);
    connect(&m_later, &QTimer::timeout, this, &WindowSession::autosave);
    const auto left = m_autosave->left();
    if (!left.isEmpty()) m_recoverable = left.front().file;
    watch();
}

WindowSession::~WindowSession() = default;

void WindowSession::watch() {
    Session* session = m_window->session();
    connect(session, &Session::modelChanged, this, [this] {
        m_runs = nullptr;
        if (!m_restore) setFile({});
        if (!m_window->session()->model()) m_autosave->discard();
        touch();
    });
    for (const auto signal : {&Session::calibrationChanged, &Session::runChanged})
        connect(session, signal, this, &WindowSession::touch);
    connect(m_window->judgePage()->runs(), &JudgeSet::changed, this, &WindowSession::touch);
    connect(session->table(), &SchemeTable::planChanged, this, &WindowSession::touch);
    connect(session->selection(), &ui::TargetSelection::changed, this, &WindowSession::touch);
    connect(session->filter(), &ui::SharedFilter::changed, this, &WindowSession::touch);
    connect(m_window->inspectState(), &InspectState::changed, this, &WindowSession::touch);
    connect(m_window->inspectState()->klShare(), &KlShare::changed, this, &WindowSession::touch);
    connect(m_window->inspectState(), &InspectState::channelChanged, this, &WindowSession::touch);
}

void WindowSession::touch() {
    // Not started again by the next change: who edits without a rest is saved too.
    if (m_window->session()->model() && !m_later.isActive()) m_later.start();
}

void WindowSession::setFile(const QString& file) {
    if (m_file == file) return;
    m_file = file;
    emit fileChanged();
}

// --- What is saved ---

std::map<std::string, std::string> WindowSession::viewState() const {
    const InspectState& inspect = *m_window->inspectState();
    const InspectPage& page = *m_window->inspectPage();
    const ui::SharedFilter& filter = *m_window->session()->filter();
    return {{"workspace", kWorkspaces[size_t(m_window->workspace())]},
            {"inspect_tab", std::to_string(page.currentIndex())},
            {"metric", ui::metricInfo(page.heatMap()->metric()).id},
            {"side", inspect.side() == ChannelSide::Input ? "input" : "output"},
            {"outlier_rule", std::to_string(int(inspect.rule()))},
            {"channel", std::to_string(inspect.channel())},
            {"filter", filter.text().toStdString()},
            {"filter_regex", filter.isRegex() ? "1" : "0"}};
}

void WindowSession::applyView(const std::map<std::string, std::string>& view) {
    const auto text = [&](const char* key) {
        const auto it = view.find(key);
        return it == view.end() ? QString() : QString::fromStdString(it->second);
    };
    InspectState& inspect = *m_window->inspectState();
    InspectPage& page = *m_window->inspectPage();
    page.heatMap()->setMetric(ui::metricFromId(text("metric"), page.heatMap()->metric()));
    inspect.setSide(text("side") == QLatin1String("output") ? ChannelSide::Output : ChannelSide::Input);
    if (const int rule = numberOf(view, "outlier_rule", int(OutlierRule::LlmInt8)); rule >= 0)
        inspect.setRule(OutlierRule(rule));
    inspect.setChannel(numberOf(view, "channel", std::numeric_limits<int>::max()));
    m_window->session()->filter()->set(text("filter"), text("filter_regex") == QLatin1String("1"));
    if (const int tab = numberOf(view, "inspect_tab", page.count() - 1); tab >= 0 && page.isTabVisible(tab))
        page.setCurrentIndex(tab);
    for (size_t w = 0; w < kWorkspaces.size(); ++w)
        if (text("workspace") == QLatin1String(kWorkspaces[w])) m_window->setWorkspace(Workspace(w));
}

SessionState WindowSession::state() const {
    SessionState state = stateOf(*m_window->session());
    state.view = viewState();
    state.against = m_window->judgePage()->runs()->chosenReference();
    return state;
}

// --- Saving ---

void WindowSession::save() {
    if (m_file.isEmpty())
        saveAs();
    else
        write(m_file);
}

void WindowSession::saveAs() {
    if (!m_window->session()->model()) return;
    FileQuestion q;
    q.kind = FileQuestion::Kind::SaveFile;
    q.title = tr("Save session");
    q.filter = tr("Sessions (*.quantoscope)");
    q.suffix = QString::fromLatin1(kSuffix);
    m_dialogs->ask(m_window, q, [this](const QString& path) { write(path); });
}

void WindowSession::write(const QString& file) {
    Session* session = m_window->session();
    if (!session->model()) return;
    JobRequest request{{}, tr("Save session %1").arg(QFileInfo(file).fileName())};
    request.essential = true;
    const int step = session->undoStack()->index();
    JobHandle* job = session->pool()->post(request, writing(state(), *m_window->judgePage()->runs(), file));
    job->then(this, [this, file, step, model = session->model()](const Outcome& outcome) {
        if (outcome.failed()) emit failed(QString::fromStdString(outcome.error().describe()));
        if (!outcome.done() || m_window->session()->model() != model) return;
        if (m_window->session()->undoStack()->index() == step) m_window->session()->undoStack()->setClean();
        setFile(QFileInfo(file).absoluteFilePath());
        emit saved(m_file);
    });
}

void WindowSession::autosave() {
    Session* session = m_window->session();
    if (!session->model() || m_restore || m_runs || m_autosave->file().isEmpty()) return;
    SessionState now = state();
    now.savedAs = m_file;
    // Held by the job as well: what it writes is removed when both are done with it.
    session->pool()->post({QStringLiteral("autosave"), tr("Save the session in the cache"), false, -1},
                          [body = writing(std::move(now), *m_window->judgePage()->runs(), m_autosave->file()),
                           held = m_autosave](const JobScope& scope) { return body(scope); });
}

void WindowSession::close() {
    m_later.stop();
    m_autosave->discard();
}

// --- Opening ---

void WindowSession::open(const QString& file) {
    const auto state = readSession(file.toStdString());
    if (!state) {
        emit failed(QString::fromStdString(state.error().describe()));
        return;
    }
    openState(*state, QFileInfo(file).absoluteFilePath(), {});
}

void WindowSession::openState(const SessionState& state, const QString& file, const QString& autosave) {
    if (m_restore) m_restore->deleteLater();
    m_runs = nullptr;
    m_restore = new SessionRestore(m_window->session(), state);
    connect(m_restore, &SessionRestore::finished, this,
            [this, state, file, autosave](bool opened, const QStringList& problems) {
                m_restore = nullptr;
                if (opened)
                    openRuns(state, file, autosave, problems);
                else
                    emit restored(file, problems);
            });
    m_restore->start();
}

/// What Judge compares comes last: it may hold the session's own run.
void WindowSession::openRuns(const SessionState& state, const QString& file, const QString& autosave,
                             const QStringList& problems) {
    if (state.compared.empty()) return onRestored(state, file, autosave, problems);
    JobHandle* job = m_window->judgePage()->runs()->open(state.compared, state.against);
    m_runs = job;
    job->then(this, [=, this](const Outcome& outcome) {
        if (m_runs != job) return; // another session is being opened
        m_runs = nullptr;
        const auto loaded = outcome.as<LoadedRuns>();
        onRestored(state, file, autosave, loaded ? problems + loaded->problems : problems);
    });
}

void WindowSession::onRestored(const SessionState& state, const QString& file, const QString& autosave,
                               const QStringList& problems) {
    setFile(file);
    applyView(state.view);
    touch();
    if (!autosave.isEmpty()) Autosave::remove(autosave);
    emit restored(file, problems);
}

QString WindowSession::recoverable() const {
    return m_recoverable;
}

void WindowSession::recover() {
    const QString autosave = std::exchange(m_recoverable, {});
    if (autosave.isEmpty()) return;
    const auto state = readSession(autosave.toStdString());
    if (!state) {
        emit failed(QString::fromStdString(state.error().describe()));
        return;
    }
    // The user's file is as it was saved last; it is written when the user says so.
    openState(*state, state->savedAs, autosave);
}

} // namespace qs::app
