// SPDX-License-Identifier: GPL-3.0-or-later
// Channels followed through the residual stream of the window.
#pragma once

#include "app/session/ProbeState.h"
#include "widgets/charts/TracerChart.h"

class QHBoxLayout;
class QPushButton;

namespace qs::ui {
class SegmentedButtons;
class ToolRow;
} // namespace qs::ui

namespace qs::app {

class TracerPane : public QWidget {
    Q_OBJECT
public:
    explicit TracerPane(ProbeState* state, QWidget* parent = nullptr);
    ui::TracerChart* chart() const { return m_chart; }

signals:
    /// A point of the current channel: the module that writes it, and the row.
    void writerRequested(const QString& module, int channel);
    void channelSelected(int channel);

private:
    void makeToolRow();
    void showChannels();
    void showTrace();
    void showAddable();
    TokenFilter filter() const;

    ProbeState* m_state;
    ui::ToolRow* m_row;
    QWidget* m_chips;
    QHBoxLayout* m_chipLayout;
    QPushButton* m_add;
    ui::SegmentedButtons* m_tokens;
    ui::TracerChart* m_chart;
};

/// Names of the points: "embedding", "block 3, after attention", "final norm".
QString tracePointName(const TracePoint& point);
/// The chart's data: lines of the given channels.
ui::TracerDataPtr tracerPicture(const ProbeTrace& trace, const ProbeState& state, TokenFilter filter);

} // namespace qs::app
