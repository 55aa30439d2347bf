// SPDX-License-Identifier: GPL-3.0-or-later
// The status bar: model, recipe size, device, scan, what is going on; at the right what Undo would take back.
#pragma once

#include "app/session/Session.h"

#include <QStatusBar>
#include <QTimer>

class QLabel;
class QProgressBar;

namespace qs::app {

class StatusLine : public QStatusBar {
    Q_OBJECT
public:
    explicit StatusLine(Session* session, QWidget* parent = nullptr);
    QSize minimumSizeHint() const override; ///< does not set the least width of the window

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    struct Part {
        QWidget* widget;
        bool wanted; ///< has something to say
    };
    QLabel* addPart(const char* name);
    void refresh();
    QString deviceText() const;
    void showJob();
    void show(QLabel* label, const QString& text);
    void want(QWidget* part, bool wanted);
    void fit(); ///< hides what finds no room, the least important first

    Session* m_session;
    std::shared_ptr<const Model> m_described; ///< whose type m_mainType is
    QString m_mainType;
    QLabel *m_model, *m_recipe, *m_device, *m_scan, *m_job, *m_undo;
    QProgressBar* m_bar;
    std::vector<Part> m_parts; ///< the most important first
    QTimer m_later;
};

/// "4.72 M", "1.236 B".
QString parametersText(quint64 count);

} // namespace qs::app
