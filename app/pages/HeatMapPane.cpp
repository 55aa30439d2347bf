// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/HeatMapPane.h"

#include "app/pages/MapToolRow.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/heatmaps/HeatMapWidget.h"

#include <QComboBox>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <utility>

namespace qs::app {

namespace {
constexpr int kRefreshMs = 40;
const auto kTextKey = QStringLiteral("overview/cellText");
} // namespace

HeatMapPane::HeatMapPane(InspectState* state, Settings* settings, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_settings(settings)
    , m_tools(new MapToolRow(
          state, settings,
          {QStringLiteral("overview/metric"), ui::Metric::OutlierRatioWeights, QStringLiteral("metric")}))
    , m_cellText(new QComboBox)
    , m_map(new ui::HeatMapWidget)
    , m_hint(new ui::HintStrip(tr("Drag to brush · [2]…[8] set bits · [Enter] open profile"))) {
    setObjectName(QStringLiteral("heatMapPane"));
    m_map->setObjectName(QStringLiteral("heatMap"));
    m_map->setName(tr("Layers and modules"));
    m_map->setColorBarVisible(false);
    m_map->setMinimumHeight(120);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    makeToolRow();
    layout->addWidget(m_tools);
    layout->addWidget(m_map, 1);
    layout->addWidget(m_hint);
    m_refresh.setSingleShot(true);
    connect(&m_refresh, &QTimer::timeout, this, &HeatMapPane::refreshChanged);
    m_rebuild.setSingleShot(true);
    connect(&m_rebuild, &QTimer::timeout, this, &HeatMapPane::rebuildGrid);
    connectMap();
    connectSession();
}

void HeatMapPane::makeToolRow() {
    m_cellText->addItem(tr("Bits now"), int(CellText::Bits));
    m_cellText->addItem(tr("Value"), int(CellText::Value));
    m_cellText->addItem(tr("None"), int(CellText::None));
    m_cellText->setObjectName(QStringLiteral("cellText"));
    m_cellText->setAccessibleName(tr("Cell text"));
    m_cellText->setCurrentIndex(std::clamp(m_settings->value(kTextKey, 0).toInt(), 0, 2));
    m_tools->addMetric();
    m_tools->addChoice(tr("Cell text"), m_cellText);
    m_tools->finish();
    connect(m_tools, &MapToolRow::metricChanged, this, &HeatMapPane::refresh);
    connect(m_cellText, &QComboBox::currentIndexChanged, this, [this](int index) {
        m_settings->setValue(kTextKey, index);
        refresh();
    });
}

void HeatMapPane::connectSession() {
    Session* session = m_state->session();
    connect(session->table(), &ui::TargetTableSource::reset, this, [this] {
        m_dirty = true;
        m_grid = {};
        m_map->setEmptyText({});
        refresh();
        if (isVisible()) m_rebuild.start(0);
    });
    // An edit is seen at once; measured values come many a second.
    connect(session->table(), &ui::TargetTableSource::rowsChanged, this,
            [this](const QVector<int>& targets, ui::TargetTableSource::Change change) {
                m_changed += targets;
                if (change == ui::TargetTableSource::Change::Edited)
                    m_refresh.start(0);
                else if (!m_refresh.isActive())
                    m_refresh.start(kRefreshMs);
            });
    connect(session->filter(), &ui::SharedFilter::changed, this, &HeatMapPane::refresh);
    connect(session->selection(), &ui::TargetSelection::changed, this, &HeatMapPane::showSelection);
}

void HeatMapPane::connectMap() {
    ui::installExportMenu(m_map, m_map);
    connect(m_map, &ui::HeatMapWidget::brushed, this, [this](const QVector<QPoint>& cells) {
        const QPoint at = m_map->currentCell();
        m_fromMap = true; // the map already shows what it tells
        m_state->session()->selection()->set(m_grid.targetsOf(cells), m_grid.target(at.y(), at.x()));
        m_fromMap = false;
        m_tools->setBrushed(m_grid.describe(cells));
    });
    connect(m_map, &ui::HeatMapWidget::brushMoved, this, [this](const QRect& r) {
        QVector<QPoint> cells;
        for (int y = r.top(); y <= r.bottom(); ++y)
            for (int x = r.left(); x <= r.right(); ++x)
                cells.push_back({x, y});
        m_tools->setBrushed(m_grid.describe(cells));
    });
    connect(m_map, &ui::HeatMapWidget::cellActivated, this, &HeatMapPane::profileRequested);
    connect(m_map, &ui::HeatMapWidget::bitsTyped, this, &HeatMapPane::bitsRequested);
}

void HeatMapPane::setMetric(ui::Metric metric) {
    m_tools->setMetric(metric);
}

ui::Metric HeatMapPane::metric() const {
    return m_tools->metric();
}

void HeatMapPane::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_dirty) m_rebuild.start(0);
}

void HeatMapPane::rebuildGrid() {
    m_dirty = false;
    m_map->setEmptyText(
        tr("The blocks of this model are not known. Its tensors are listed in the table below."));
    m_grid = LayerGrid::of(*m_state->session()->table());
    refresh();
    showSelection();
}

void HeatMapPane::refresh() {
    Session* session = m_state->session();
    m_changed.clear();
    m_picture = {};
    m_spec = {metric(), CellText(m_cellText->currentData().toInt()), session->filtered()};
    if (!m_grid.isEmpty()) m_picture = m_grid.picture(*session->table(), m_spec);
    showPicture();
}

void HeatMapPane::refreshChanged() {
    if (!m_picture.data) return refresh();
    m_picture = m_grid.picture(m_picture, std::exchange(m_changed, {}), *m_state->session()->table(), m_spec);
    showPicture();
}

void HeatMapPane::showPicture() {
    const ui::HeatMapDataPtr data = m_picture.data;
    m_map->setData(data);
    m_tools->showScale(data);
    const auto any = [&data](quint8 flag) {
        return data &&
               std::any_of(data->flags.begin(), data->flags.end(), [flag](quint8 f) { return f & flag; });
    };
    QVector<QPair<QString, QString>> legend;
    if (any(ui::kCellStandIn)) legend.push_back({QStringLiteral("nearly"), tr("stand-in")});
    if (any(ui::kCellStale))
        legend.push_back({QStringLiteral("clock"), metric() == ui::Metric::KlShare
                                                       ? tr("recipe or calibration changed since")
                                                       : tr("recipe changed since")});
    m_hint->setLegend(legend);
}

void HeatMapPane::showSelection() {
    if (m_fromMap) return;
    const ui::TargetSelection* selection = m_state->session()->selection();
    const QVector<QPoint> cells = m_grid.cellsOf(selection->targets());
    m_map->setSelectedCells(cells);
    const QPoint at = m_grid.cell(selection->current());
    m_map->setCurrentCell(at.y(), at.x());
    m_tools->setBrushed(m_grid.describe(cells));
}

} // namespace qs::app
