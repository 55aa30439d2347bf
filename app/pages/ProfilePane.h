// SPDX-License-Identifier: GPL-3.0-or-later
// The channel profile of the current tensor: weights and, once calibrated, activations, with outliers marked.
#pragma once

#include "app/pages/InspectState.h"
#include "app/settings/Settings.h"
#include "widgets/charts/ChannelProfileData.h"

#include <QWidget>

class QComboBox;
class QLabel;
class QPushButton;
class QToolButton;

namespace qs::ui {
class ChannelProfileWidget;
class Chip;
class ElidedLabel;
class SegmentedButtons;
} // namespace qs::ui

namespace qs::app {

class ProfilePane : public QWidget {
    Q_OBJECT
public:
    ProfilePane(InspectState* state, Settings* settings, QWidget* parent = nullptr);
    ui::ChannelProfileWidget* profile() const { return m_profile; }

signals:
    void calibrateRequested();

private:
    QWidget* makeToolRow();
    void makeSeriesMenu();
    void showSeries();
    void refresh();
    void showSides(const ui::TargetRow* row);
    ui::ChannelProfileDataPtr weightsPicture(const ui::TargetRow& row) const;
    ui::ChannelProfileDataPtr activationsPicture(const ui::TargetRow& row) const;
    /// Limit, label and marked channels of the rule.
    void applyRule(ui::ChannelProfileData& data, const ChannelStats& stats) const;

    InspectState* m_state;
    Settings* m_settings;
    ui::ElidedLabel* m_name;
    QComboBox* m_side;
    ui::SegmentedButtons* m_order;
    QToolButton* m_series; ///< a menu of what is drawn beside absmax
    QComboBox* m_rule;
    ui::Chip* m_count;
    QPushButton* m_calibrate; ///< while activations are not measured
    ui::ChannelProfileWidget* m_profile;
};

} // namespace qs::app
