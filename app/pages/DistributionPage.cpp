// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/DistributionPage.h"

#include "app/pages/AnatomyPane.h"
#include "app/pages/LensPanel.h"
#include "widgets/charts/ChannelProfilePane.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"
#include "widgets/views/ElidedLabel.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/ToolRow.h"

#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QLabel>
#include <QSplitter>
#include <QStackedWidget>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

namespace qs::app {

namespace {

constexpr double kClipStep = 1e-3; ///< a drag moves the ratio in such steps

QSplitter* splitter(Qt::Orientation orientation, const char* name, QWidget* first, QWidget* second,
                    QList<int> sizes) {
    auto* s = new QSplitter(orientation);
    s->setObjectName(QString::fromLatin1(name));
    s->setChildrenCollapsible(false);
    s->addWidget(first);
    s->addWidget(second);
    s->setSizes(sizes);
    s->setStretchFactor(0, sizes[0]);
    s->setStretchFactor(1, sizes[1]);
    return s;
}

QWidget* stacked(QWidget* tools, QWidget* body) {
    auto* column = new QWidget;
    auto* layout = new QVBoxLayout(column);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(tools);
    layout->addWidget(body, 1);
    return column;
}

} // namespace

DistributionPage::DistributionPage(InspectState* state, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_lens(state->session())
    , m_name(new ui::ElidedLabel)
    , m_units(new QComboBox)
    , m_scale(new ui::SegmentedButtons({tr("Log"), tr("Linear")}))
    , m_shown(new ui::SegmentedButtons({tr("Original"), tr("Dequantized")}))
    , m_what(new ui::Chip)
    , m_histogram(new ui::HistogramWidget)
    , m_errorKind(new ui::SegmentedButtons({tr("Histogram"), tr("By input channel")}))
    , m_errorStack(new QStackedWidget)
    , m_errors(new ui::HistogramWidget)
    , m_byChannel(new ui::ChannelProfilePane)
    , m_mapKind(new QComboBox)
    , m_map(new ui::ErrorMapWidget)
    , m_anatomy(new AnatomyPane(state->session(), &m_lens))
    , m_panel(new LensPanel(state->session(), &m_lens)) {
    setObjectName(QStringLiteral("distributionPage"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(splitter(Qt::Vertical, "distributionSplit", makeLens(), m_anatomy, {370, 230}));
    connect(state, &InspectState::changed, this, &DistributionPage::follow);
    connect(state->session(), &Session::runChanged, this, &DistributionPage::follow);
    connect(state->session()->table(), &ui::TargetTableSource::rowsChanged, this, &DistributionPage::follow);
    connect(&m_lens, &Lens::changed, this, &DistributionPage::refresh);
    connect(&m_lens, &Lens::progressChanged, this, [this] { m_tools->setProgress(m_lens.progress()); });
    connect(m_histogram, &ui::HistogramWidget::clipMoved, this, &DistributionPage::onClipMoved);
    connect(m_histogram, &ui::HistogramWidget::clipKept, &m_lens, &Lens::keep);
    connect(m_histogram, &ui::HistogramWidget::clipRestored, &m_lens, &Lens::restore);
    connect(m_map, &ui::ErrorMapWidget::groupSelected, this, &DistributionPage::selectGroup);
    connect(m_panel, &LensPanel::groupSelected, this, &DistributionPage::selectGroup);
    connect(m_panel, &LensPanel::copyValuesRequested, this, &DistributionPage::copyValues);
    connect(m_anatomy, &AnatomyPane::groupChanged, m_map, &ui::ErrorMapWidget::setCurrent);
    connect(m_anatomy, &AnatomyPane::columnSelected, this, [this](int column) {
        if (m_state->side() == ChannelSide::Input) m_state->setChannel(column);
    });
    connect(m_byChannel, &ui::ChannelProfilePane::channelSelected, state, &InspectState::setChannel);
    connect(state, &InspectState::channelChanged, this, [this](int channel) {
        m_byChannel->setSelectedChannel(channel);
        m_anatomy->anatomy()->setCurrentColumn(m_state->side() == ChannelSide::Input ? channel : -1);
    });
    refresh();
}

QWidget* DistributionPage::makeLens() {
    m_histogram->setObjectName(QStringLiteral("histogram"));
    m_histogram->setMinimumHeight(110);
    auto* left = splitter(Qt::Vertical, "lensSplit", m_histogram, makeErrors(), {240, 160});
    return stacked(makeToolRow(), splitter(Qt::Horizontal, "lensMapSplit", left, makeMap(), {560, 345}));
}

QWidget* DistributionPage::makeToolRow() {
    m_tools = new ui::ToolRow;
    m_tools->addTitle(tr("Distribution"));
    m_name->setFont(ui::monoFont());
    m_tools->addOptional(m_name);
    m_units->setObjectName(QStringLiteral("lensUnits"));
    m_units->setAccessibleName(tr("Units of the axis"));
    m_units->addItems({tr("Weight units"), tr("Code units")});
    m_units->setItemData(1, tr("w ÷ scale + zero of its group: codes are whole numbers."), Qt::ToolTipRole);
    m_tools->addWidget(m_units);
    m_tools->addLabel(tr("count"));
    m_scale->setObjectName(QStringLiteral("scale"));
    m_scale->setCurrentIndex(0);
    m_tools->addWidget(m_scale);
    m_shown->setExclusive(false);
    m_shown->setSegmentChecked(0, true);
    m_shown->setSegmentChecked(1, true);
    m_tools->addLabel(tr("show"));
    m_tools->addWidget(m_shown);
    m_tools->addStretch();
    m_what->setObjectName(QStringLiteral("lensChip"));
    m_tools->addWidget(m_what);
    connect(m_units, &QComboBox::currentIndexChanged, this, &DistributionPage::refresh);
    connect(m_scale, &ui::SegmentedButtons::currentChanged, this, [this](int i) {
        m_histogram->setLogY(i == 0);
        m_errors->setLogY(i == 0);
    });
    for (const auto* h : {m_histogram, m_errors})
        connect(h, &ui::HistogramWidget::logYChanged, this,
                [this](bool log) { m_scale->setCurrentIndex(log ? 0 : 1); });
    connect(m_shown, &ui::SegmentedButtons::segmentToggled, this, [this](int i, bool on) {
        i == 0 ? m_histogram->setBeforeVisible(on) : m_histogram->setAfterVisible(on);
    });
    return m_tools;
}

QWidget* DistributionPage::makeErrors() {
    m_errors->setObjectName(QStringLiteral("errorHistogram"));
    m_byChannel->setObjectName(QStringLiteral("errorProfile"));
    m_errorStack->addWidget(m_errors);
    m_errorStack->addWidget(m_byChannel);
    m_errorStack->setMinimumHeight(90);
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Error"));
    m_errorKind->setObjectName(QStringLiteral("errorKind"));
    m_errorKind->setCurrentIndex(0);
    row->addWidget(m_errorKind);
    row->addStretch();
    m_byChannel->setAccessibleName(tr("Error by input channel"));
    connect(m_errorKind, &ui::SegmentedButtons::currentChanged, m_errorStack,
            &QStackedWidget::setCurrentIndex);
    return stacked(row, m_errorStack);
}

QWidget* DistributionPage::makeMap() {
    m_map->setObjectName(QStringLiteral("errorMap"));
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Where the error is"));
    row->addStretch();
    m_mapKind->setObjectName(QStringLiteral("errorMapKind"));
    m_mapKind->setAccessibleName(tr("Error shown by the map"));
    m_mapKind->addItems({tr("Relative, per group"), tr("Squared, per group")});
    row->addWidget(m_mapKind);
    connect(m_mapKind, &QComboBox::currentIndexChanged, this, &DistributionPage::refreshMap);
    return stacked(row, m_map);
}

LensUnits DistributionPage::units() const {
    return m_units->currentIndex() == 1 ? LensUnits::Code : LensUnits::Weight;
}

void DistributionPage::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    m_anatomy->setActive(true);
    follow();
}

void DistributionPage::hideEvent(QHideEvent* event) {
    QWidget::hideEvent(event);
    m_anatomy->setActive(false);
    m_lens.show(-1); // a tensor and its Sigma are not kept for nobody
}

void DistributionPage::follow() {
    if (isVisible()) m_lens.show(m_state->current());
}

void DistributionPage::refresh() {
    const ui::TargetRow* row = m_state->currentRow();
    m_name->setText(row ? row->module : QString());
    const auto picture = lensHistogram(m_lens, units());
    m_histogram->setData(picture);
    const auto view = m_lens.now();
    const bool quantized = view && view->report.levels > 0;
    m_shown->setSegmentEnabled(1, quantized, tr("The tensor is kept: there is nothing to compare with."));
    refreshClip();
    refreshErrors();
    refreshMap();
    refreshChip();
}

void DistributionPage::refreshClip() {
    const auto lines = clipLines(m_lens, units());
    if (!lines) return m_histogram->removeClip();
    if (m_histogram->isClipDragged()) return; // the pointer has it
    m_histogram->setClipCentre(lines->centre);
    m_histogram->setClipLimits(lines->endLo, lines->endHi);
    m_histogram->setClip(lines->lo, lines->hi, lines->homeLo, lines->homeHi);
}

void DistributionPage::onClipMoved(double lo, double hi) {
    const auto lines = clipLines(m_lens, units());
    if (!lines) return;
    const double ratio = std::round(lines->ratio(lo, hi) / kClipStep) * kClipStep;
    m_lens.tryRange({RangeRule::MinMax, float(std::clamp(ratio, 0.05, 1.0))});
}

void DistributionPage::refreshErrors() {
    m_errors->setData(lensErrors(m_lens));
    auto data = std::make_shared<ui::ChannelProfileData>();
    data->title = tr("Error by input channel");
    data->xTitle = tr("input channel");
    data->yTitle = tr("RMS of w′ − w");
    if (const auto view = m_lens.now()) {
        data->absmax = QVector<float>(view->report.columnRms.begin(), view->report.columnRms.end());
        if (data->absmax.isEmpty())
            data->emptyText = tr("The tensor is kept in its source format: no error.");
    }
    m_byChannel->setData(data);
}

void DistributionPage::refreshMap() {
    m_map->setData(
        lensErrorMap(m_lens, m_mapKind->currentIndex() == 1 ? ErrorMapKind::Square : ErrorMapKind::Relative));
    m_map->setCurrent(int(m_anatomy->trials().row()), int(m_anatomy->trials().group()));
}

void DistributionPage::refreshChip() {
    const auto view = m_lens.now();
    if (!view) return m_what->setText({});
    if (view->report.levels == 0) {
        m_what->setTone(ui::Chip::Tone::Neutral);
        return m_what->setText(tr("kept"));
    }
    if (m_lens.isWhatIf()) {
        m_what->setTone(ui::Chip::Tone::Selection);
        const QString ms = ui::formatNumber(std::max(1.0, std::round(view->milliseconds)), 3);
        return m_what->setText(view->rowStep > 1
                                   ? tr("coarse in %1 ms: 1 of %2 rows").arg(ms).arg(view->rowStep)
                                   : tr("re-quantized in %1 ms").arg(ms));
    }
    m_what->setTone(view->quantized.preview ? ui::Chip::Tone::Predicted : ui::Chip::Tone::Ok);
    const bool unscaled = !m_state->session()->table()->settings().transforms.empty();
    m_what->setText((!view->quantized.preview ? tr("written by the run · %1")
                     : unscaled               ? tr("preview without transforms · %1")
                                              : tr("preview · %1"))
                        .arg(view->quantized.label));
}

void DistributionPage::selectGroup(int row, int group) {
    m_map->setCurrent(row, group);
    m_anatomy->setGroup(row, group);
}

void DistributionPage::copyValues() {
    QApplication::clipboard()->setText(m_anatomy->valuesAsTsv());
}

} // namespace qs::app
