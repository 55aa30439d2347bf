// SPDX-License-Identifier: GPL-3.0-or-later
// Which text, cut how: file or built-in, window length, number of windows, and what that amounts to. Counting
// tokens is a job of the light pool; the form never waits.
#pragma once

#include "app/dialogs/FileDialogs.h"
#include "app/session/Session.h"

#include <QTimer>
#include <QWidget>

class QComboBox;
class QLabel;
class QSpinBox;

namespace qs::app {

class TextForm : public QWidget {
    Q_OBJECT
public:
    TextForm(Session* session, FileDialogs* files, bool evaluation, QWidget* parent = nullptr);

    TextRequest request() const;
    void setRequest(const TextRequest& request);
    /// True when the text is known to give at least one window.
    bool ready() const { return m_available > 0; }
    /// Windows that the text gives at the chosen length; -1 while being counted.
    int availableWindows() const { return m_available; }

signals:
    void readyChanged();

private:
    void chooseFile();
    void addFile(const QString& file);
    void count();
    void showPreview();

    Session* m_session;
    FileDialogs* m_files;
    bool m_evaluation;
    QComboBox* m_source;
    QSpinBox* m_length;
    QSpinBox* m_windows;
    QLabel* m_preview;
    QTimer m_later;
    int m_available = -1;
    QString m_problem;
};

} // namespace qs::app
