// SPDX-License-Identifier: GPL-3.0-or-later
// SessionRestore: brings a Session back to what a session file says, part by part: model, calibration, run,
// schemes, selection. A part that is missing or has changed is named among the problems; the rest opens.
#pragma once

#include "app/session/Session.h"
#include "app/session/SessionFile.h"

namespace qs::app {

class SessionRestore : public QObject {
    Q_OBJECT
public:
    /// Deletes itself when it has finished, or when something else was opened meanwhile.
    SessionRestore(Session* session, SessionState state);
    void start();

signals:
    /// `opened`: the model is there. One text per part that is not as it was saved.
    void finished(bool opened, const QStringList& problems);

private:
    void openModel();
    void openCalibration();
    void openRun();
    void applyRecipe();
    void finish(bool opened);
    /// Goes on with `next` when the job is over, and notes why it failed; a cancelled one ends the restoring.
    void after(JobHandle* job, const QString& part, std::function<void()> next);
    /// Notes that a part has another fingerprint than when it was saved.
    void compare(const QString& part, const QString& path, const QString& saved, const QString& now);
    bool stillOurs() const { return m_session->model() == m_model; }

    Session* m_session;
    SessionState m_state;
    std::shared_ptr<const Model> m_model;
    QStringList m_problems;
};

/// What a session with a model holds now; the recipe (recipeOf(), a worker's work) and the view are left to
/// the caller.
SessionState stateOf(const Session& session);

} // namespace qs::app
