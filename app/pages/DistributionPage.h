// SPDX-License-Identifier: GPL-3.0-or-later
// Histogram of the current tensor before and after quantization, and the error by input channel.
#pragma once

#include "app/pages/InspectState.h"
#include "widgets/charts/HistogramWidget.h"

#include <QWidget>

namespace qs::ui {
class ChannelProfilePane;
class Chip;
class ElidedLabel;
class SegmentedButtons;
} // namespace qs::ui

namespace qs::app {

/// What the session's comparison says, as a picture. Empty text when there is none for `target`.
ui::HistogramDataPtr histogramPicture(const Session& session, int target);

class DistributionPage : public QWidget {
    Q_OBJECT
public:
    explicit DistributionPage(InspectState* state, QWidget* parent = nullptr);
    ui::HistogramWidget* histogram() const { return m_histogram; }

private:
    QWidget* makeToolRow();
    void refresh();
    void showError();

    InspectState* m_state;
    ui::ElidedLabel* m_name;
    ui::SegmentedButtons* m_scale;
    ui::SegmentedButtons* m_shown;
    ui::Chip* m_what;
    ui::HistogramWidget* m_histogram;
    ui::ChannelProfilePane* m_error;
};

} // namespace qs::app
