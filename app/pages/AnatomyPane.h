// SPDX-License-Identifier: GPL-3.0-or-later
// The anatomy of one row and group of the tensor under the lens, in the codes of every method at hand.
#pragma once

#include "app/session/MethodTrials.h"

#include <QWidget>

class QSpinBox;
class QLabel;

namespace qs::ui {
class AnatomyWidget;
}

namespace qs::app {

class AnatomyPane : public QWidget {
    Q_OBJECT
public:
    AnatomyPane(Session* session, Lens* lens, QWidget* parent = nullptr);

    /// The methods are only tried while active.
    void setActive(bool active) { m_trials.setActive(active); }
    void setGroup(int row, int group);
    const MethodTrials& trials() const { return m_trials; }
    ui::AnatomyWidget* anatomy() const { return m_anatomy; }
    /// Weights, codes and values of the group as tab-separated lines.
    QString valuesAsTsv() const;

signals:
    void groupChanged(int row, int group);
    void columnSelected(int column);

private:
    QWidget* makeToolRow();
    void refresh();
    void fitSpins();

    Lens* m_lens;
    MethodTrials m_trials;
    QSpinBox* m_row;
    QSpinBox* m_group;
    QLabel* m_what;
    ui::AnatomyWidget* m_anatomy;
};

} // namespace qs::app
