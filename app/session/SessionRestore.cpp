// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/SessionRestore.h"

#include "app/session/KlShare.h"

#include <QDir>
#include <QFileInfo>

namespace qs::app {

namespace {
/// More are not worth their size in the file: such a selection is made again with one key.
constexpr qsizetype kMostSelected = 20000;

struct Resolved {
    Plan plan;
    std::string klText; ///< what KL shares are measured on today; "" when none were kept
};
} // namespace

SessionRestore::SessionRestore(Session* session, SessionState state)
    : QObject(session), m_session(session), m_state(std::move(state)) {}

void SessionRestore::start() {
    if (!QFileInfo::exists(m_state.model.path)) {
        m_problems << tr("model: %1 is not there any more").arg(QDir::toNativeSeparators(m_state.model.path));
        finish(false);
        return;
    }
    openModel();
}

void SessionRestore::after(JobHandle* job, const QString& part, std::function<void()> next) {
    if (!job) {
        next();
        return;
    }
    job->then(this, [this, part, next = std::move(next)](const Outcome& outcome) {
        if (outcome.isCancelled()) {
            deleteLater();
            return;
        }
        if (outcome.failed())
            m_problems << tr("%1: %2").arg(part, QString::fromStdString(outcome.error().describe()));
        next();
    });
}

void SessionRestore::compare(const QString& part, const QString& path, const QString& saved,
                             const QString& now) {
    if (!saved.isEmpty() && saved != now)
        m_problems << tr("%1: %2 has changed since the session was saved (fingerprint %3, was %4)")
                          .arg(part, QDir::toNativeSeparators(path), now.left(12), saved.left(12));
}

void SessionRestore::openModel() {
    const auto before = m_session->model();
    after(m_session->openModel(m_state.model.path), tr("model"), [this, before] {
        m_model = m_session->model();
        if (m_model == before || !m_model) {
            finish(false);
            return;
        }
        compare(tr("model"), m_state.model.path, m_state.model.fingerprint, m_session->fingerprint());
        openCalibration();
    });
}

void SessionRestore::openCalibration() {
    if (m_state.calibration.path.isEmpty()) {
        openRun();
        return;
    }
    after(m_session->openCalibration(m_state.calibration.path), tr("calibration"), [this] {
        if (const auto c = m_session->calibration())
            compare(tr("calibration"), m_state.calibration.path, m_state.calibration.fingerprint,
                    QString::fromStdString(c->info().fingerprint));
        openRun();
    });
}

void SessionRestore::openRun() {
    if (m_state.run.path.isEmpty()) {
        applyRecipe();
        return;
    }
    after(m_session->openRun(m_state.run.path), tr("run"), [this] {
        if (const auto run = m_session->run())
            compare(tr("run"), m_state.run.path, m_state.run.fingerprint,
                    QString::fromStdString(run->manifest().planFingerprint));
        applyRecipe();
    });
}

void SessionRestore::applyRecipe() {
    if (!stillOurs()) {
        deleteLater();
        return;
    }
    const auto body = [model = m_model, recipe = m_state.recipe,
                       withKl = !m_state.kl.empty()](const JobScope&) -> Outcome {
        Resolved out{resolvePlan(recipe, *model), {}};
        if (withKl)
            if (auto text = klShareText(*model)) out.klText = std::move(*text);
        return Payload::of(std::move(out));
    };
    JobHandle* job =
        m_session->pool()->post({QStringLiteral("open"), tr("Restore the recipe"), false, 20}, body);
    job->then(this, [this](const Outcome& outcome) {
        const auto resolved = outcome.as<Resolved>();
        if (!resolved || !stillOurs()) {
            deleteLater();
            return;
        }
        m_session->table()->applyPlan(resolved->plan, tr("Open session"));
        m_session->undoStack()->clear();
        // Those of other weights, or on another text, say nothing about these.
        if (m_session->fingerprint() == m_state.model.fingerprint)
            m_session->table()->setKl(measuredKl(m_state.kl, *m_session->table(), resolved->klText));
        QVector<int> targets;
        for (const QString& module : m_state.selection)
            if (const int t = m_session->table()->indexOf(module); t >= 0) targets.push_back(t);
        if (!targets.isEmpty())
            m_session->selection()->set(targets, m_session->table()->indexOf(m_state.current));
        finish(true);
    });
}

void SessionRestore::finish(bool opened) {
    emit finished(opened, m_problems);
    deleteLater();
}

SessionState stateOf(const Session& session) {
    SessionState state;
    const auto absolute = [](const QString& path) { return QFileInfo(path).absoluteFilePath(); };
    state.model = {absolute(session.modelPath()), session.fingerprint()};
    if (const auto c = session.calibration())
        state.calibration = {absolute(QString::fromStdString(c->file().string())),
                             QString::fromStdString(c->info().fingerprint)};
    if (const auto run = session.run())
        state.run = {absolute(QString::fromStdString(run->directory().string())),
                     QString::fromStdString(run->manifest().planFingerprint)};
    state.kl = klRecords(*session.table());
    const ui::TargetSelection& selection = *session.selection();
    if (selection.current() >= 0) state.current = session.table()->row(selection.current()).module;
    if (selection.targets().size() <= kMostSelected)
        for (const int t : selection.targets())
            state.selection << session.table()->row(t).module;
    else
        state.selection << state.current;
    return state;
}

} // namespace qs::app
