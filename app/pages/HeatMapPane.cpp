// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/HeatMapPane.h"

#include "widgets/charts/ExportMenu.h"
#include "widgets/heatmaps/ColorBar.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/views/Chip.h"
#include "widgets/views/ToolRow.h"

#include <QComboBox>
#include <QLabel>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <utility>

namespace qs::app {

namespace {
constexpr int kRefreshMs = 40;
const auto kMetricKey = QStringLiteral("overview/metric");
const auto kTextKey = QStringLiteral("overview/cellText");
} // namespace

HeatMapPane::HeatMapPane(InspectState* state, Settings* settings, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_settings(settings)
    , m_metric(new QComboBox)
    , m_cellText(new QComboBox)
    , m_brushed(new ui::Chip({}, ui::Chip::Tone::Selection))
    , m_note(new ui::Chip({}, ui::Chip::Tone::Warning))
    , m_bar(new ui::ColorBar)
    , m_map(new ui::HeatMapWidget) {
    setObjectName(QStringLiteral("heatMapPane"));
    m_map->setObjectName(QStringLiteral("heatMap"));
    m_map->setName(tr("Layers and modules"));
    m_map->setColorBarVisible(false);
    m_map->setMinimumHeight(120);
    m_map->setEmptyText(
        tr("The blocks of this model are not known. Its tensors are listed in the table below."));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(makeToolRow());
    layout->addWidget(m_map, 1);
    auto* hint = new ui::HintStrip(tr("Drag to brush · [2]…[8] set bits · [Enter] open profile"));
    hint->setLegend({{QStringLiteral("clock"), tr("recipe changed since")}});
    layout->addWidget(hint);
    m_refresh.setSingleShot(true);
    connect(&m_refresh, &QTimer::timeout, this, &HeatMapPane::refreshChanged);
    connectMap();
    connectSession();
    rebuildGrid();
}

QWidget* HeatMapPane::makeToolRow() {
    auto* row = new ui::ToolRow;
    row->addLabel(tr("Colour"))->setBuddy(m_metric);
    for (const ui::Metric m : ui::allMetrics()) {
        const ui::MetricInfo& info = ui::metricInfo(m);
        m_metric->addItem(info.label, int(m));
        m_metric->setItemData(m_metric->count() - 1, info.help, Qt::ToolTipRole);
    }
    m_metric->setObjectName(QStringLiteral("metric"));
    m_metric->setAccessibleName(tr("Colour"));
    row->addWidget(m_metric);
    row->addLabel(tr("Cell text"))->setBuddy(m_cellText);
    m_cellText->addItem(tr("Bits now"), int(CellText::Bits));
    m_cellText->addItem(tr("Value"), int(CellText::Value));
    m_cellText->addItem(tr("None"), int(CellText::None));
    m_cellText->setObjectName(QStringLiteral("cellText"));
    m_cellText->setAccessibleName(tr("Cell text"));
    row->addWidget(m_cellText);
    row->addWidget(m_brushed);
    row->addWidget(m_note);
    row->addStretch();
    row->addWidget(m_bar);
    setMetric(ui::metricFromId(m_settings->value(kMetricKey).toString(), ui::Metric::OutlierRatioWeights));
    m_cellText->setCurrentIndex(std::clamp(m_settings->value(kTextKey, 0).toInt(), 0, 2));
    connect(m_metric, &QComboBox::currentIndexChanged, this, [this] {
        m_settings->setValue(kMetricKey, QString::fromLatin1(ui::metricInfo(metric()).id));
        refresh();
    });
    connect(m_cellText, &QComboBox::currentIndexChanged, this, [this](int index) {
        m_settings->setValue(kTextKey, index);
        refresh();
    });
    return row;
}

void HeatMapPane::connectSession() {
    Session* session = m_state->session();
    connect(session->table(), &ui::TargetTableSource::reset, this, &HeatMapPane::rebuildGrid);
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
    connect(session, &Session::calibrationChanged, this, &HeatMapPane::showNote);
    connect(session, &Session::runChanged, this, &HeatMapPane::showNote);
}

void HeatMapPane::connectMap() {
    ui::installExportMenu(m_map, m_map);
    connect(m_map, &ui::HeatMapWidget::brushed, this, [this](const QVector<QPoint>& cells) {
        const QPoint at = m_map->currentCell();
        m_fromMap = true; // the map already shows what it tells
        m_state->session()->selection()->set(m_grid.targetsOf(cells), m_grid.target(at.y(), at.x()));
        m_fromMap = false;
        m_brushed->setText(m_grid.describe(cells));
    });
    connect(m_map, &ui::HeatMapWidget::brushMoved, this, [this](const QRect& r) {
        QVector<QPoint> cells;
        for (int y = r.top(); y <= r.bottom(); ++y)
            for (int x = r.left(); x <= r.right(); ++x)
                cells.push_back({x, y});
        m_brushed->setText(m_grid.describe(cells));
    });
    connect(m_map, &ui::HeatMapWidget::cellActivated, this, &HeatMapPane::profileRequested);
    connect(m_map, &ui::HeatMapWidget::bitsTyped, this, &HeatMapPane::bitsRequested);
}

void HeatMapPane::setMetric(ui::Metric metric) {
    m_metric->setCurrentIndex(m_metric->findData(int(metric)));
}

ui::Metric HeatMapPane::metric() const {
    return ui::Metric(m_metric->currentData().toInt());
}

void HeatMapPane::rebuildGrid() {
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
    const bool any = data && std::any_of(data->values.begin(), data->values.end(),
                                         [](double v) { return !std::isnan(v); });
    m_bar->setSpec(any ? ui::ColorBarSpec::of(*data, false) : ui::ColorBarSpec());
    m_bar->setVisible(any);
    showNote();
}

void HeatMapPane::showSelection() {
    if (m_fromMap) return;
    const ui::TargetSelection* selection = m_state->session()->selection();
    const QVector<QPoint> cells = m_grid.cellsOf(selection->targets());
    m_map->setSelectedCells(cells);
    const QPoint at = m_grid.cell(selection->current());
    m_map->setCurrentCell(at.y(), at.x());
    m_brushed->setText(m_grid.describe(cells));
}

void HeatMapPane::showNote() {
    const Session* session = m_state->session();
    QString note;
    switch (metric()) {
    case ui::Metric::OutlierRatioActivations:
        if (!session->calibration()) note = tr("Activations are not measured yet. Calibrate first.");
        break;
    case ui::Metric::CalibrationTokens:
        if (!session->calibration()) note = tr("Tokens are counted by a calibration. Calibrate first.");
        break;
    case ui::Metric::ChangeSinceRun:
        if (!session->table()->hasRun()) note = tr("Needs two runs.");
        break;
    case ui::Metric::OutputError:
    case ui::Metric::WeightError:
        if (!session->table()->hasRun()) note = tr("Errors are measured by a run.");
        break;
    default:
        break;
    }
    m_note->setText(session->model() ? note : QString());
}

} // namespace qs::app
