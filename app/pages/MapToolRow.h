// SPDX-License-Identifier: GPL-3.0-or-later
// The row above a map of layers: what colours it, what is brushed, why there is nothing to see yet, the
// colour bar, and a button for the one metric that is measured on demand.
#pragma once

#include "app/pages/InspectState.h"
#include "app/settings/Settings.h"
#include "widgets/heatmaps/HeatMapData.h"
#include "widgets/models/Metric.h"
#include "widgets/views/ToolRow.h"

class QComboBox;
class QPushButton;

namespace qs::ui {
class Chip;
class ColorBar;
} // namespace qs::ui

namespace qs::app {

class MapToolRow : public ui::ToolRow {
    Q_OBJECT
public:
    /// How a map's row differs from another's.
    struct Setup {
        QString settingsKey;                                 ///< remembers the metric
        ui::Metric metric = ui::Metric::OutlierRatioWeights; ///< at first
        QString objectName;                                  ///< of the combo box
    };
    MapToolRow(InspectState* state, Settings* settings, const Setup& setup, QWidget* parent = nullptr);

    ui::Metric metric() const;
    void setMetric(ui::Metric metric);
    /// A labelled choice; those added before finish() stand where they were added.
    void addChoice(const QString& label, QComboBox* combo);
    void addMetric();
    void finish();

    void setBrushed(const QString& text);
    /// The map that is shown; null for none.
    void showScale(const ui::HeatMapDataPtr& data);

signals:
    void metricChanged();

private:
    void showNote();
    QString note() const;
    void measure();

    InspectState* m_state;
    QComboBox* m_metric;
    ui::Chip* m_brushed;
    ui::Chip* m_note; ///< why the chosen metric has no values yet
    QPushButton* m_measure;
    ui::ColorBar* m_bar;
};

} // namespace qs::app
