// SPDX-License-Identifier: GPL-3.0-or-later
// One tensor of the Tune workspace: a slider over its schemes, which moves all selected tensors, the damage
// of each against its bits, and a lock.
#pragma once

#include "app/session/TuneState.h"
#include "widgets/charts/CostChart.h"

#include <QWidget>

class QLabel;
class QPushButton;

namespace qs::ui {
class StopSlider;
class ToolRow;
} // namespace qs::ui

namespace qs::app {

class TuneTensorPane : public QWidget {
    Q_OBJECT
public:
    TuneTensorPane(Session* session, TuneState* state, QWidget* parent = nullptr);

    ui::CostChart* chart() const { return m_chart; }
    ui::StopSlider* slider() const { return m_slider; }
    QPushButton* lockButton() const { return m_lock; }
    bool dragging() const;
    void refresh();

signals:
    void editRefused(const QString& why);

private:
    void choose(size_t stop, int dragId);
    void showSlider(int current);
    void showLock();
    /// The selection, or the current tensor alone where it is not part of it.
    QVector<int> moved() const;

    Session* m_session;
    TuneState* m_state;
    ui::ToolRow* m_row;
    QLabel *m_title, *m_facts;
    QPushButton* m_lock;
    ui::StopSlider* m_slider;
    ui::CostChart* m_chart;
    std::vector<std::optional<Scheme>> m_schemes; ///< of the slider's stops; none: kept
};

} // namespace qs::app
