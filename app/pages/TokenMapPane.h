// SPDX-License-Identifier: GPL-3.0-or-later
// Tokens x channels of one site and window, with the choice of both.
#pragma once

#include "app/session/ProbeState.h"
#include "widgets/heatmaps/TokenMapWidget.h"

class QComboBox;
class QLabel;
class QSpinBox;
class QToolButton;

namespace qs::ui {
class Chip;
class SegmentedButtons;
class ToolRow;
} // namespace qs::ui

namespace qs::app {

class TokenMapPane : public QWidget {
    Q_OBJECT
public:
    explicit TokenMapPane(ProbeState* state, QWidget* parent = nullptr);
    ui::TokenMapWidget* map() const { return m_map; }
    ui::ToolRow* toolRow() const { return m_row; }
    /// On a narrow page its place is needed.
    void setTitleVisible(bool visible);

signals:
    void traceRequested(int channel);

private:
    void makeToolRow();
    void showRequest();
    void showMap();
    void showPooling();
    QString emptyText() const;

    ProbeState* m_state;
    ui::ToolRow* m_row;
    QLabel* m_title;
    QComboBox* m_site;
    QSpinBox* m_window;
    QLabel* m_of;
    ui::SegmentedButtons* m_mode;
    QComboBox* m_rule;
    ui::Chip* m_pooling;
    ui::TokenMapWidget* m_map;
    bool m_updating = false;
};

} // namespace qs::app
