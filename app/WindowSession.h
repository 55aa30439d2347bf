// SPDX-License-Identifier: GPL-3.0-or-later
// WindowSession: the session file of a window: opened, saved, saved by itself in the cache, and offered again
// after a crash.
#pragma once

#include "app/dialogs/FileDialogs.h"
#include "app/jobs/JobHandle.h"
#include "app/session/Autosave.h"
#include "app/session/SessionFile.h"

#include <QPointer>
#include <QTimer>

namespace qs::app {

class MainWindow;
class SessionRestore;

class WindowSession : public QObject {
    Q_OBJECT
public:
    static constexpr const char* kSuffix = "quantoscope";

    /// `folder` holds the autosaves; a change is written at most `delayMs` later.
    WindowSession(MainWindow* window, FileDialogs* dialogs, const QString& folder, int delayMs);
    ~WindowSession() override;

    /// "" while the session was not saved and not opened from a file.
    const QString& file() const { return m_file; }
    void open(const QString& file);
    /// Into its file; asks for one the first time.
    void save();
    void saveAs();
    /// The newest session that a crashed process left; "" when there is none.
    QString recoverable() const;
    void recover();
    /// The window closes in good order.
    void close();
    /// Something that the file holds is different now.
    void touch();

signals:
    void fileChanged();
    void saved(const QString& file);
    void failed(const QString& message);
    /// Restored, with what could not be.
    void restored(const QString& file, const QStringList& problems);

private:
    void watch();
    void openState(const SessionState& state, const QString& file, const QString& autosave);
    void openRuns(const SessionState& state, const QString& file, const QString& autosave,
                  const QStringList& problems);
    void onRestored(const SessionState& state, const QString& file, const QString& autosave,
                    const QStringList& problems);
    void write(const QString& file);
    void autosave();
    SessionState state() const;
    std::map<std::string, std::string> viewState() const;
    void applyView(const std::map<std::string, std::string>& view);
    void setFile(const QString& file);

    MainWindow* m_window;
    FileDialogs* m_dialogs;
    std::shared_ptr<Autosave> m_autosave; ///< shared with the job that writes it
    QTimer m_later;
    QString m_file, m_recoverable;
    QPointer<SessionRestore> m_restore;
    QPointer<JobHandle> m_runs; ///< reads what Judge compares, the last part of a session
};

} // namespace qs::app
