// SPDX-License-Identifier: GPL-3.0-or-later
// The experts of a mixture: one row per expert, one column per block, for one module at a time. Bars at the
// right show how many of the calibration's tokens each expert was sent.
#pragma once

#include "app/pages/InspectState.h"
#include "app/pages/LayerGrid.h"
#include "app/settings/Settings.h"

#include <QWidget>

class QComboBox;

namespace qs::ui {
class HeatMapWidget;
} // namespace qs::ui

namespace qs::app {

class MapToolRow;

class ExpertsPane : public QWidget {
    Q_OBJECT
public:
    ExpertsPane(InspectState* state, Settings* settings, QWidget* parent = nullptr);
    ui::HeatMapWidget* map() const { return m_map; }
    /// False for a model without a mixture: there is nothing to show.
    bool hasExperts() const { return m_module->count() > 0; }
    void setMetric(ui::Metric metric);
    void setModule(const QString& role);

signals:
    void expertsChanged(bool any); ///< another model
    void bitsRequested(int bits);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void makeToolRow();
    void onReset();
    void rebuildGrid();
    void later();
    void refresh();
    void showSelection();

    InspectState* m_state;
    LayerGrid m_grid;
    MapToolRow* m_tools;
    QComboBox* m_module;
    ui::HeatMapWidget* m_map;
    QTimer m_refresh;    ///< results come in bursts
    bool m_dirty = true; ///< changed while hidden
    bool m_fromMap = false;
};

} // namespace qs::app
