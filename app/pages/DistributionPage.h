// SPDX-License-Identifier: GPL-3.0-or-later
// The distribution lens: histograms of the current tensor before and after quantization with clip lines to
// drag, its errors, where they are, and the anatomy of one group. Dragging re-quantizes the tensor; the
// recipe changes only by "Use in recipe".
#pragma once

#include "app/pages/InspectState.h"
#include "app/pages/LensPictures.h"

#include <QWidget>

class QComboBox;
class QStackedWidget;

namespace qs::ui {
class ChannelProfilePane;
class Chip;
class ElidedLabel;
class SegmentedButtons;
class ToolRow;
} // namespace qs::ui

namespace qs::app {

class AnatomyPane;
class LensPanel;

class DistributionPage : public QWidget {
    Q_OBJECT
public:
    explicit DistributionPage(InspectState* state, QWidget* parent = nullptr);
    ui::HistogramWidget* histogram() const { return m_histogram; }
    ui::ErrorMapWidget* errorMap() const { return m_map; }
    AnatomyPane* anatomy() const { return m_anatomy; }
    Lens* lens() { return &m_lens; }
    /// For the inspector's dock; owned by whoever shows it.
    LensPanel* panel() const { return m_panel; }

protected:
    void showEvent(QShowEvent* event) override;
    void hideEvent(QHideEvent* event) override;

private:
    QWidget* makeLens();
    QWidget* makeToolRow();
    QWidget* makeErrors();
    QWidget* makeMap();
    void follow();
    void refresh();
    void refreshClip();
    void refreshErrors();
    void refreshMap();
    void refreshChip();
    void onClipMoved(double lo, double hi);
    void selectGroup(int row, int group);
    void copyValues();
    LensUnits units() const;

    InspectState* m_state;
    Lens m_lens;
    ui::ElidedLabel* m_name;
    QComboBox* m_units;
    ui::SegmentedButtons* m_scale;
    ui::SegmentedButtons* m_shown;
    ui::Chip* m_what;
    ui::ToolRow* m_tools;
    ui::HistogramWidget* m_histogram;
    ui::SegmentedButtons* m_errorKind;
    QStackedWidget* m_errorStack;
    ui::HistogramWidget* m_errors;
    ui::ChannelProfilePane* m_byChannel;
    QComboBox* m_mapKind;
    ui::ErrorMapWidget* m_map;
    AnatomyPane* m_anatomy;
    LensPanel* m_panel;
};

} // namespace qs::app
