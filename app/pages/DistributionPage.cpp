// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/DistributionPage.h"

#include "widgets/charts/ChannelProfilePane.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"
#include "widgets/views/ElidedLabel.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/ToolRow.h"

#include <QSplitter>
#include <QVBoxLayout>
#include <algorithm>

namespace qs::app {

namespace {

QVector<quint64> copied(const Histogram& h) {
    return QVector<quint64>(h.counts.begin(), h.counts.end());
}

bool anyCounted(const Histogram& h) {
    return std::any_of(h.counts.begin(), h.counts.end(), [](uint64_t n) { return n > 0; });
}

} // namespace

ui::HistogramDataPtr histogramPicture(const Session& session, int target) {
    auto data = std::make_shared<ui::HistogramData>();
    data->xTitle = DistributionPage::tr("weight");
    const auto comparison = session.comparison();
    if (target < 0 || !comparison || comparison->target != target) {
        data->emptyText = !session.model() ? QString()
                          : target < 0     ? DistributionPage::tr("Select a tensor to see its weights.")
                          : session.comparisonNote().isEmpty() ? DistributionPage::tr("Reading the weights")
                                                               : session.comparisonNote();
        return data;
    }
    const ui::TargetRow& row = session.table()->row(target);
    data->title =
        DistributionPage::tr("Weights, %1 values").arg(ui::integerText(qint64(row.rows * row.cols)));
    data->lo = comparison->original.lo;
    data->hi = comparison->original.hi;
    if (!(data->lo < data->hi)) { // one value only
        const double room = std::max(1e-6, std::abs(data->lo) * 0.1);
        data->lo -= room;
        data->hi += room;
    }
    data->before = copied(comparison->original);
    data->beforeLabel = DistributionPage::tr("original %1").arg(row.sourceType);
    if (anyCounted(comparison->quantized)) {
        data->after = copied(comparison->quantized);
        data->afterLabel = comparison->label;
    }
    return data;
}

DistributionPage::DistributionPage(InspectState* state, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_name(new ui::ElidedLabel)
    , m_scale(new ui::SegmentedButtons({tr("Log"), tr("Linear")}))
    , m_shown(new ui::SegmentedButtons({tr("Before"), tr("After")}))
    , m_what(new ui::Chip)
    , m_histogram(new ui::HistogramWidget)
    , m_error(new ui::ChannelProfilePane) {
    setObjectName(QStringLiteral("distributionPage"));
    m_histogram->setObjectName(QStringLiteral("histogram"));
    m_error->setObjectName(QStringLiteral("errorProfile"));
    auto* split = new QSplitter(Qt::Vertical);
    split->setObjectName(QStringLiteral("distributionSplit"));
    split->setChildrenCollapsible(false);
    m_histogram->setMinimumHeight(100);
    m_error->setMinimumHeight(90);
    split->addWidget(m_histogram);
    split->addWidget(m_error);
    split->setStretchFactor(0, 3);
    split->setStretchFactor(1, 2);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(makeToolRow());
    layout->addWidget(split, 1);
    ui::installExportMenu(m_histogram, m_histogram);
    ui::installExportMenu(m_error, m_error);
    connect(state, &InspectState::changed, this, &DistributionPage::refresh);
    connect(state->session(), &Session::comparisonReady, this, &DistributionPage::refresh);
    connect(m_error, &ui::ChannelProfilePane::channelSelected, state, &InspectState::setChannel);
    connect(state, &InspectState::channelChanged, m_error, &ui::ChannelProfilePane::setSelectedChannel);
    refresh();
}

QWidget* DistributionPage::makeToolRow() {
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Weights before and after"));
    m_name->setFont(ui::monoFont());
    row->addOptional(m_name);
    row->addLabel(tr("count"));
    m_scale->setObjectName(QStringLiteral("scale"));
    m_scale->setCurrentIndex(0);
    row->addWidget(m_scale);
    m_shown->setExclusive(false);
    m_shown->setSegmentChecked(0, true);
    m_shown->setSegmentChecked(1, true);
    row->addLabel(tr("show"));
    row->addWidget(m_shown);
    row->addStretch();
    row->addWidget(m_what);
    connect(m_scale, &ui::SegmentedButtons::currentChanged, this,
            [this](int i) { m_histogram->setLogY(i == 0); });
    connect(m_histogram, &ui::HistogramWidget::logYChanged, this,
            [this](bool log) { m_scale->setCurrentIndex(log ? 0 : 1); });
    connect(m_shown, &ui::SegmentedButtons::segmentToggled, this, [this](int i, bool on) {
        i == 0 ? m_histogram->setBeforeVisible(on) : m_histogram->setAfterVisible(on);
    });
    return row;
}

void DistributionPage::refresh() {
    const Session& session = *m_state->session();
    const ui::TargetRow* row = m_state->currentRow();
    m_name->setText(row ? row->module : QString());
    const auto picture = histogramPicture(session, m_state->current());
    m_histogram->setData(picture);
    m_shown->setSegmentEnabled(1, !picture->after.isEmpty(),
                               tr("The tensor is kept: there is nothing to compare with."));
    showError();
}

void DistributionPage::showError() {
    const Session& session = *m_state->session();
    const auto comparison = session.comparison();
    auto data = std::make_shared<ui::ChannelProfileData>();
    data->title = tr("Error by input channel");
    data->xTitle = tr("input channel");
    data->yTitle = tr("RMS of w − w′");
    const bool here = comparison && m_state->current() >= 0 && comparison->target == m_state->current();
    if (!here || !anyCounted(comparison->quantized)) {
        data->emptyText = here ? tr("The tensor is kept in its source format: no error.") : QString();
        m_error->setData(data);
        m_what->setText(here ? tr("kept") : QString());
        m_what->setTone(ui::Chip::Tone::Neutral);
        return;
    }
    data->absmax = QVector<float>(comparison->columnRms.begin(), comparison->columnRms.end());
    m_error->setData(data);
    const QString error =
        tr("weight error %1 % · max |Δ| %2")
            .arg(ui::numberText(comparison->weightError * 100, 3), ui::numberText(comparison->maxAbs, 3));
    m_what->setTone(comparison->preview ? ui::Chip::Tone::Predicted : ui::Chip::Tone::Ok);
    m_what->setText((comparison->preview ? tr("preview · %1") : tr("written by the run · %1")).arg(error));
}

} // namespace qs::app
