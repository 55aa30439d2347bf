// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ExpertsPane.h"

#include "app/pages/MapToolRow.h"
#include "widgets/heatmaps/HeatMapWidget.h"

#include <QComboBox>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

namespace qs::app {

namespace {

constexpr int kRefreshMs = 60;

/// Share of the calibration's tokens that each row's experts were sent, percent; empty when not measured.
QVector<double> tokenShares(const LayerGrid& grid, const ui::TargetTableSource& source) {
    QVector<double> out(grid.rows.size(), 0.0);
    double total = 0;
    for (qsizetype i = 0; i < grid.cells.size(); ++i)
        for (const int t : grid.cells[i])
            if (const double n = source.row(t).tokens; !std::isnan(n)) {
                out[i / grid.columns.size()] += n;
                total += n;
            }
    if (total <= 0) return {};
    for (double& v : out)
        v *= 100 / total;
    return out;
}

} // namespace

ExpertsPane::ExpertsPane(InspectState* state, Settings* settings, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_tools(new MapToolRow(
          state, settings,
          {QStringLiteral("experts/metric"), ui::Metric::CalibrationTokens, QStringLiteral("expertMetric")}))
    , m_module(new QComboBox)
    , m_map(new ui::HeatMapWidget) {
    setObjectName(QStringLiteral("expertsPane"));
    m_map->setObjectName(QStringLiteral("expertMap"));
    m_map->setName(tr("Experts and layers"));
    m_map->setColorBarVisible(false);
    m_map->setEmptyText(tr("This model has no mixture of experts."));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    makeToolRow();
    layout->addWidget(m_tools);
    layout->addWidget(m_map, 1);
    layout->addWidget(new ui::HintStrip(tr("Drag to brush · [2]…[8] set bits · a label selects its row")));
    m_refresh.setSingleShot(true);
    m_refresh.setInterval(kRefreshMs);
    connect(&m_refresh, &QTimer::timeout, this, &ExpertsPane::refresh);
    Session* session = state->session();
    connect(session->table(), &ui::TargetTableSource::reset, this, &ExpertsPane::onReset);
    connect(session->table(), &ui::TargetTableSource::rowsChanged, this, &ExpertsPane::later);
    connect(session->filter(), &ui::SharedFilter::changed, this, &ExpertsPane::later);
    connect(session->selection(), &ui::TargetSelection::changed, this, &ExpertsPane::showSelection);
    connect(m_map, &ui::HeatMapWidget::bitsTyped, this, &ExpertsPane::bitsRequested);
    connect(m_map, &ui::HeatMapWidget::brushed, this, [this](const QVector<QPoint>& cells) {
        const QPoint at = m_map->currentCell();
        m_fromMap = true; // the map already shows what it tells
        m_state->session()->selection()->set(m_grid.targetsOf(cells), m_grid.target(at.y(), at.x()));
        m_fromMap = false;
        m_tools->setBrushed(cells.size() > 1 ? tr("%n cells", nullptr, int(cells.size())) : QString());
    });
    onReset();
}

void ExpertsPane::makeToolRow() {
    m_module->setObjectName(QStringLiteral("expertModule"));
    m_module->setAccessibleName(tr("Module"));
    m_module->setToolTip(tr("Which linear of every expert is shown."));
    m_tools->addChoice(tr("Module"), m_module);
    m_tools->addMetric();
    m_tools->finish();
    connect(m_tools, &MapToolRow::metricChanged, this, &ExpertsPane::refresh);
    connect(m_module, &QComboBox::currentIndexChanged, this, &ExpertsPane::rebuildGrid);
}

void ExpertsPane::setMetric(ui::Metric metric) {
    m_tools->setMetric(metric);
}

void ExpertsPane::setModule(const QString& role) {
    m_module->setCurrentIndex(m_module->findText(role));
}

void ExpertsPane::onReset() {
    {
        const QSignalBlocker quiet(m_module);
        m_module->clear();
        m_module->addItems(LayerGrid::expertRoles(*m_state->session()->table()));
    }
    m_grid = {};
    m_map->setData(nullptr);
    m_dirty = true;
    emit expertsChanged(hasExperts());
    if (isVisible()) rebuildGrid();
}

void ExpertsPane::rebuildGrid() {
    m_grid = hasExperts() ? LayerGrid::ofExperts(*m_state->session()->table(), m_module->currentText())
                          : LayerGrid();
    refresh();
    showSelection();
}

void ExpertsPane::later() {
    m_dirty = true;
    if (isVisible() && !m_refresh.isActive()) m_refresh.start();
}

void ExpertsPane::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_dirty) rebuildGrid();
}

void ExpertsPane::refresh() {
    m_dirty = false;
    const Session* session = m_state->session();
    const ui::Metric metric = m_tools->metric();
    std::shared_ptr<ui::HeatMapData> data;
    if (!m_grid.isEmpty()) {
        const CellText text = metric == ui::Metric::BitsNow ? CellText::Bits : CellText::Value;
        data = m_grid.picture(*session->table(), {metric, text, session->filtered()}).data;
        data->rowBars = tokenShares(m_grid, *session->table());
        data->rowBarTitle = data->rowBars.isEmpty() ? QString() : tr("share of tokens, %");
    }
    m_map->setData(data);
    m_tools->showScale(data);
}

void ExpertsPane::showSelection() {
    if (m_fromMap || !isVisible()) return;
    const ui::TargetSelection* selection = m_state->session()->selection();
    m_map->setSelectedCells(m_grid.cellsOf(selection->targets()));
    const QPoint at = m_grid.cell(selection->current());
    m_map->setCurrentCell(at.y(), at.x());
}

} // namespace qs::app
