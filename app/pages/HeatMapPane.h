// SPDX-License-Identifier: GPL-3.0-or-later
// The layer x module map of the Overview: chosen metric as colour, brushing selects tensors.
#pragma once

#include "app/pages/InspectState.h"
#include "app/pages/LayerGrid.h"
#include "app/settings/Settings.h"

#include <QWidget>

class QComboBox;

namespace qs::ui {
class HeatMapWidget;
class HintStrip;
} // namespace qs::ui

namespace qs::app {

class MapToolRow;

class HeatMapPane : public QWidget {
    Q_OBJECT
public:
    HeatMapPane(InspectState* state, Settings* settings, QWidget* parent = nullptr);
    ui::HeatMapWidget* map() const { return m_map; }
    void setMetric(ui::Metric metric);
    ui::Metric metric() const;

signals:
    void bitsRequested(int bits);
    void profileRequested();

private:
    void showEvent(QShowEvent* event) override;
    void makeToolRow();
    void connectSession();
    void connectMap();
    void rebuildGrid();
    void refresh();
    void refreshChanged();
    void showPicture();
    void showSelection();

    InspectState* m_state;
    Settings* m_settings;
    LayerGrid m_grid;
    LayerPicture m_picture;
    LayerPictureSpec m_spec;
    QVector<int> m_changed; ///< targets that m_picture does not show as they are
    MapToolRow* m_tools;
    QComboBox* m_cellText;
    ui::HeatMapWidget* m_map;
    ui::HintStrip* m_hint;
    QTimer m_refresh;    ///< results come in bursts
    QTimer m_rebuild;    ///< another model: a turn of the event loop of its own
    bool m_dirty = true; ///< the grid is another model's
    bool m_fromMap = false;
};

} // namespace qs::app
