// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ExpertsPane.h"

#include "widgets/heatmaps/ColorBar.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/views/Chip.h"
#include "widgets/views/ToolRow.h"

#include <QComboBox>
#include <QLabel>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

namespace qs::app {

namespace {

constexpr int kRefreshMs = 60;
const auto kMetricKey = QStringLiteral("experts/metric");

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
    , m_settings(settings)
    , m_module(new QComboBox)
    , m_metric(new QComboBox)
    , m_brushed(new ui::Chip({}, ui::Chip::Tone::Selection))
    , m_note(new ui::Chip({}, ui::Chip::Tone::Warning))
    , m_bar(new ui::ColorBar)
    , m_map(new ui::HeatMapWidget) {
    setObjectName(QStringLiteral("expertsPane"));
    m_map->setObjectName(QStringLiteral("expertMap"));
    m_map->setName(tr("Experts and layers"));
    m_map->setColorBarVisible(false);
    m_map->setEmptyText(tr("This model has no mixture of experts."));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(makeToolRow());
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
        m_brushed->setText(cells.size() > 1 ? tr("%n cells", nullptr, int(cells.size())) : QString());
    });
    onReset();
}

QWidget* ExpertsPane::makeToolRow() {
    auto* row = new ui::ToolRow;
    row->addLabel(tr("Module"))->setBuddy(m_module);
    m_module->setObjectName(QStringLiteral("expertModule"));
    m_module->setAccessibleName(tr("Module"));
    m_module->setToolTip(tr("Which linear of every expert is shown."));
    row->addWidget(m_module);
    row->addLabel(tr("Colour"))->setBuddy(m_metric);
    m_metric->setObjectName(QStringLiteral("expertMetric"));
    m_metric->setAccessibleName(tr("Colour"));
    for (const ui::Metric m : ui::allMetrics()) {
        m_metric->addItem(ui::metricInfo(m).label, int(m));
        m_metric->setItemData(m_metric->count() - 1, ui::metricInfo(m).help, Qt::ToolTipRole);
    }
    row->addWidget(m_metric);
    row->addWidget(m_brushed);
    row->addWidget(m_note);
    row->addStretch();
    row->addWidget(m_bar);
    setMetric(ui::metricFromId(m_settings->value(kMetricKey).toString(), ui::Metric::CalibrationTokens));
    connect(m_metric, &QComboBox::currentIndexChanged, this, [this] {
        const auto metric = ui::Metric(m_metric->currentData().toInt());
        m_settings->setValue(kMetricKey, QString::fromLatin1(ui::metricInfo(metric).id));
        refresh();
    });
    connect(m_module, &QComboBox::currentIndexChanged, this, &ExpertsPane::rebuildGrid);
    return row;
}

void ExpertsPane::setMetric(ui::Metric metric) {
    m_metric->setCurrentIndex(m_metric->findData(int(metric)));
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
    const auto metric = ui::Metric(m_metric->currentData().toInt());
    std::shared_ptr<ui::HeatMapData> data;
    if (!m_grid.isEmpty()) {
        const CellText text = metric == ui::Metric::BitsNow ? CellText::Bits : CellText::Value;
        data = m_grid.picture(*session->table(), {metric, text, session->filtered()}).data;
        data->rowBars = tokenShares(m_grid, *session->table());
        data->rowBarTitle = data->rowBars.isEmpty() ? QString() : tr("share of tokens, %");
    }
    m_map->setData(data);
    const bool any = data && std::any_of(data->values.begin(), data->values.end(),
                                         [](double v) { return !std::isnan(v); });
    m_bar->setSpec(any ? ui::ColorBarSpec::of(*data, false) : ui::ColorBarSpec());
    m_bar->setVisible(any);
    const bool needsTokens = metric == ui::Metric::CalibrationTokens && !session->calibration();
    m_note->setText(needsTokens && hasExperts() ? tr("Tokens are counted by a calibration. Calibrate first.")
                                                : QString());
}

void ExpertsPane::showSelection() {
    if (m_fromMap || !isVisible()) return;
    const ui::TargetSelection* selection = m_state->session()->selection();
    m_map->setSelectedCells(m_grid.cellsOf(selection->targets()));
    const QPoint at = m_grid.cell(selection->current());
    m_map->setCurrentCell(at.y(), at.x());
}

} // namespace qs::app
