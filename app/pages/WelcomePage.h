// SPDX-License-Identifier: GPL-3.0-or-later
// The empty window: drop target, Open, the sample, recent files.
#pragma once

#include "app/settings/Settings.h"

#include <QWidget>

class QVBoxLayout;

namespace qs::ui {
class EmptyState;
}

namespace qs::app {

class WelcomePage : public QWidget {
    Q_OBJECT
public:
    explicit WelcomePage(Settings* settings, QWidget* parent = nullptr);
    void setBusy(const QString& text); ///< "Opening x"; "" for the usual text

signals:
    void openRequested();
    void sampleRequested();
    void pathChosen(const QString& path);

private:
    void fillRecent();
    Settings* m_settings;
    ui::EmptyState* m_empty;
    QWidget* m_recentBox;
    QVBoxLayout* m_recent;
};

} // namespace qs::app
