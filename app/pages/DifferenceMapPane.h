// SPDX-License-Identifier: GPL-3.0-or-later
// Where two runs differ, by module and block: their bits, or their errors.
#pragma once

#include "app/pages/LayerGrid.h"
#include "app/session/JudgeSet.h"

#include <QWidget>

class QLabel;

namespace qs::ui {
class HeatMapWidget;
class SegmentedButtons;
} // namespace qs::ui

namespace qs::app {

class DifferenceMapPane : public QWidget {
    Q_OBJECT
public:
    enum Metric { Bits, Error };

    explicit DifferenceMapPane(JudgeSet* set, QWidget* parent = nullptr);
    /// `subject` is held against `reference`.
    void setPair(char subject, char reference);
    void setMetric(Metric metric);
    ui::HeatMapWidget* map() const { return m_map; }

signals:
    void targetActivated(int target);

private:
    void refresh();

    JudgeSet* m_set;
    LayerGrid m_grid;
    char m_subject = 'A', m_reference = 'A';
    QLabel* m_title;
    QLabel* m_text;
    ui::SegmentedButtons* m_metric;
    ui::HeatMapWidget* m_map;
};

} // namespace qs::app
