// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/DifferenceMapPane.h"

#include "app/pages/RunDifference.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/ToolRow.h"

#include <QLabel>
#include <QVBoxLayout>

namespace qs::app {

DifferenceMapPane::DifferenceMapPane(JudgeSet* set, QWidget* parent)
    : QWidget(parent)
    , m_set(set)
    , m_text(new QLabel)
    , m_metric(new ui::SegmentedButtons({tr("Bits"), tr("Error")}))
    , m_map(new ui::HeatMapWidget) {
    setObjectName(QStringLiteral("differenceMapPane"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    auto* row = new ui::ToolRow;
    m_title = row->addTitle(tr("Difference by tensor"));
    row->addStretch();
    m_metric->setObjectName(QStringLiteral("differenceMetric"));
    m_metric->setCurrentIndex(Bits);
    row->addWidget(m_metric);
    layout->addWidget(row);
    m_map->setObjectName(QStringLiteral("differenceMap"));
    m_map->setName(tr("Difference by tensor"));
    m_map->setEmptyText(tr("Two runs are needed: choose one in the table above and another as reference."));
    m_map->setMinimumHeight(100);
    layout->addWidget(m_map, 1);
    m_text->setObjectName(QStringLiteral("differenceText"));
    m_text->setWordWrap(true);
    m_text->setMargin(6);
    layout->addWidget(m_text);
    connect(m_metric, &ui::SegmentedButtons::currentChanged, this, &DifferenceMapPane::refresh);
    connect(m_map, &ui::HeatMapWidget::cellActivated, this, [this](int r, int c) {
        if (const int target = m_grid.target(r, c); target >= 0) emit targetActivated(target);
    });
    connect(set->session()->table(), &ui::TargetTableSource::reset, this, [this] {
        m_grid = {};
        refresh();
    });
}

void DifferenceMapPane::setPair(char subject, char reference) {
    m_subject = subject;
    m_reference = reference;
    refresh();
}

void DifferenceMapPane::setMetric(Metric metric) {
    m_metric->setCurrentIndex(metric);
}

void DifferenceMapPane::refresh() {
    const ComparedRun *a = m_set->find(m_subject), *b = m_set->find(m_reference);
    const bool bits = m_metric->currentIndex() != Error;
    const bool pair = a && b && a != b;
    ui::HeatMapDataPtr data;
    if (pair) {
        if (m_grid.isEmpty()) m_grid = LayerGrid::of(*m_set->session()->table());
        data = bits ? bitsDifference(m_grid, *a, *b)
                    : errorDifference(m_grid, *m_set->session()->table(), *a, *b);
    }
    m_title->setText(
        !pair  ? tr("Difference by tensor")
        : bits ? tr("Bits, %1 against %2").arg(QLatin1Char(m_subject)).arg(QLatin1Char(m_reference))
               : tr("Error, %1 against %2").arg(QLatin1Char(m_subject)).arg(QLatin1Char(m_reference)));
    m_text->setText(!data ? QString() : bits ? bitsDifferenceText(*data) : data->valueHint);
    m_text->setVisible(bool(data));
    m_map->setData(std::move(data));
}

} // namespace qs::app
