// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ProfilePane.h"

#include "widgets/charts/ChannelProfileWidget.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"
#include "widgets/views/ElidedLabel.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/ToolRow.h"

#include <QComboBox>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

namespace qs::app {

namespace {

const auto kSeriesKey = QStringLiteral("profile/series");

double median(std::vector<float> values) {
    if (values.empty()) return 0;
    const auto mid = values.begin() + long(values.size() / 2);
    std::nth_element(values.begin(), mid, values.end());
    return *mid;
}

QVector<float> copied(const std::vector<float>& v) {
    return QVector<float>(v.begin(), v.end());
}

void addSeries(ui::ChannelProfileData& data, const ChannelStats& stats) {
    data.absmax = copied(stats.absmax);
    data.p999 = copied(stats.p999);
    data.p99 = copied(stats.p99);
    data.p50 = copied(stats.p50);
    data.mean = copied(stats.mean);
    data.median = median(stats.absmax);
}

QString ruleText(OutlierRule rule) {
    const QString number = QLocale().toString(outlierRuleDefault(rule), 'g', 4);
    switch (rule) {
    case OutlierRule::MedianRatio:
        return ProfilePane::tr("%1 × median").arg(number);
    case OutlierRule::Sigma:
        return ProfilePane::tr("%1 × standard deviation").arg(number);
    case OutlierRule::LlmInt8:
        break;
    }
    return ProfilePane::tr("absolute value %1").arg(number);
}

} // namespace

ProfilePane::ProfilePane(InspectState* state, Settings* settings, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_settings(settings)
    , m_name(new ui::ElidedLabel)
    , m_side(new QComboBox)
    , m_order(new ui::SegmentedButtons({tr("Natural"), tr("Sorted")}))
    , m_series(new QToolButton)
    , m_rule(new QComboBox)
    , m_count(new ui::Chip({}, ui::Chip::Tone::Warning))
    , m_calibrate(new QPushButton(tr("Calibrate…")))
    , m_profile(new ui::ChannelProfileWidget) {
    setObjectName(QStringLiteral("profilePane"));
    m_profile->setObjectName(QStringLiteral("channelProfile"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(makeToolRow());
    layout->addWidget(m_profile, 1);
    ui::installExportMenu(m_profile, m_profile);
    connect(m_profile, &ui::ChannelProfileWidget::channelSelected, state, &InspectState::setChannel);
    connect(state, &InspectState::channelChanged, m_profile, &ui::ChannelProfileWidget::setSelectedChannel);
    connect(state, &InspectState::changed, this, &ProfilePane::refresh);
    showSeries();
    refresh();
}

QWidget* ProfilePane::makeToolRow() {
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Channel profile"));
    m_name->setFont(ui::monoFont());
    row->addOptional(m_name);
    m_side->addItem(tr("Input"), int(ChannelSide::Input));
    m_side->addItem(tr("Output"), int(ChannelSide::Output));
    m_side->setObjectName(QStringLiteral("side"));
    m_side->setAccessibleName(tr("Side"));
    m_side->setToolTip(tr("Input channels are the columns of the matrix, output channels its rows."));
    m_side->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    m_side->setMinimumWidth(104);
    row->addWidget(m_side);
    m_order->setObjectName(QStringLiteral("order"));
    m_order->setCurrentIndex(0);
    row->addWidget(m_order);
    makeSeriesMenu();
    row->addWidget(m_series);
    row->addLabel(tr("rule"))->setBuddy(m_rule);
    for (const OutlierRule r : {OutlierRule::MedianRatio, OutlierRule::Sigma, OutlierRule::LlmInt8})
        m_rule->addItem(ruleText(r), int(r));
    m_rule->setItemData(0, tr("A channel's largest magnitude over the median channel's."), Qt::ToolTipRole);
    m_rule->setItemData(1,
                        tr("A channel's largest magnitude over the standard deviation of the whole tensor."),
                        Qt::ToolTipRole);
    m_rule->setItemData(2, tr("LLM.int8: an absolute limit of 6 for activations (Dettmers et al. 2022)."),
                        Qt::ToolTipRole);
    m_rule->setObjectName(QStringLiteral("outlierRule"));
    m_rule->setAccessibleName(tr("Outlier rule"));
    row->addWidget(m_rule);
    row->addStretch();
    row->addWidget(m_count);
    m_calibrate->setObjectName(QStringLiteral("profileCalibrate"));
    m_calibrate->setToolTip(tr("Runs the model over a text to measure what every layer receives."));
    row->addWidget(m_calibrate);
    connect(m_calibrate, &QPushButton::clicked, this, &ProfilePane::calibrateRequested);
    connect(m_side, &QComboBox::currentIndexChanged, this,
            [this] { m_state->setSide(ChannelSide(m_side->currentData().toInt())); });
    connect(m_rule, &QComboBox::currentIndexChanged, this,
            [this] { m_state->setRule(OutlierRule(m_rule->currentData().toInt())); });
    connect(m_order, &ui::SegmentedButtons::currentChanged, this, [this](int i) {
        m_profile->setOrder(i == 1 ? ui::ChannelOrder::Sorted : ui::ChannelOrder::Natural);
    });
    return row;
}

void ProfilePane::makeSeriesMenu() {
    m_series->setObjectName(QStringLiteral("series"));
    m_series->setText(tr("Series"));
    m_series->setToolTip(tr("What is drawn beside the largest magnitude of each channel."));
    m_series->setPopupMode(QToolButton::InstantPopup);
    auto* menu = new QMenu(m_series);
    menu->setToolTipsVisible(true);
    const QStringList chosen =
        m_settings->value(kSeriesKey, QStringList(QStringLiteral("p99.9"))).toStringList();
    for (const ui::ChannelSeries s : ui::kChannelSeries) {
        const ui::ChannelSeriesInfo info = ui::channelSeriesInfo(s);
        QAction* action = menu->addAction(info.label);
        action->setObjectName(QLatin1String(info.id));
        action->setToolTip(info.help);
        action->setCheckable(true);
        action->setChecked(chosen.contains(QLatin1String(info.id)));
        action->setData(int(s));
        connect(action, &QAction::toggled, this, &ProfilePane::showSeries);
    }
    m_series->setMenu(menu);
}

void ProfilePane::showSeries() {
    QVector<ui::ChannelSeries> shown;
    QStringList ids;
    for (const QAction* action : m_series->menu()->actions()) {
        if (!action->isChecked()) continue;
        shown.push_back(ui::ChannelSeries(action->data().toInt()));
        ids << action->objectName();
    }
    m_settings->setValue(kSeriesKey, ids);
    m_profile->setSeries(shown);
}

void ProfilePane::showSides(const ui::TargetRow* row) {
    m_side->setItemText(0, row ? tr("Input, %1").arg(ui::integerText(qint64(row->cols))) : tr("Input"));
    m_side->setItemText(1, row ? tr("Output, %1").arg(ui::integerText(qint64(row->rows))) : tr("Output"));
    m_side->setEnabled(row);
}

void ProfilePane::refresh() {
    const ui::TargetRow* row = m_state->currentRow();
    const Session* session = m_state->session();
    m_calibrate->setVisible(!session->calibration() && session->calibrateBlocker().isEmpty());
    m_name->setText(row ? row->module : QString());
    showSides(row);
    m_rule->setEnabled(row);
    m_order->setEnabled(row);
    m_series->setEnabled(row);
    if (!row) {
        auto none = std::make_shared<ui::ChannelProfileData>();
        none->emptyText =
            m_state->session()->model() ? tr("Select a tensor to see its channels.") : QString();
        m_profile->setData(none, nullptr);
        m_count->setText({});
        return;
    }
    m_profile->setData(weightsPicture(*row), activationsPicture(*row));
    m_profile->setSelectedChannel(m_state->channel());
    const bool measured = m_state->weightChannels() || m_state->activationChannels();
    const int n = int(m_state->outliers().size());
    m_count->setTone(n > 0 ? ui::Chip::Tone::Warning : ui::Chip::Tone::Neutral);
    m_count->setText(!measured ? QString()
                     : n == 1  ? tr("1 outlier channel")
                     : n > 1   ? tr("%1 outlier channels").arg(ui::integerText(n))
                               : tr("no outlier channels"));
}

void ProfilePane::applyRule(ui::ChannelProfileData& data, const ChannelStats& stats) const {
    data.ruleThreshold = outlierLimit(stats, m_state->rule(), m_state->threshold());
    data.ruleLabel = ruleText(m_state->rule());
    for (const OutlierChannel& o : rankOutliers(stats, m_state->rule(), m_state->threshold()))
        data.outliers.push_back(int(o.channel));
}

ui::ChannelProfileDataPtr ProfilePane::weightsPicture(const ui::TargetRow& row) const {
    auto data = std::make_shared<ui::ChannelProfileData>();
    const bool input = m_state->side() == ChannelSide::Input;
    data->title =
        input ? tr("Weights over %1 outputs", nullptr, int(row.rows)).arg(ui::integerText(qint64(row.rows)))
              : tr("Weights over %1 inputs", nullptr, int(row.cols)).arg(ui::integerText(qint64(row.cols)));
    data->xTitle = input ? tr("input channel") : tr("output channel");
    data->yTitle = tr("|w|");
    const ChannelStats* stats = m_state->weightChannels();
    if (!stats) {
        data->emptyText = tr("Reading the weights");
        return data;
    }
    addSeries(*data, *stats);
    // 6 is the LLM.int8 limit of activations; it says nothing about weights.
    if (m_state->rule() != OutlierRule::LlmInt8) applyRule(*data, *stats);
    return data;
}

ui::ChannelProfileDataPtr ProfilePane::activationsPicture(const ui::TargetRow& row) const {
    auto data = std::make_shared<ui::ChannelProfileData>();
    data->title = tr("Activations");
    data->xTitle = tr("input channel");
    data->yTitle = tr("|x|");
    const Session* session = m_state->session();
    const ChannelStats* stats = m_state->activationChannels();
    if (!stats) {
        data->emptyText =
            m_state->side() == ChannelSide::Output ? tr("Activations are measured at the inputs of a layer.")
            : row.site.isEmpty()                   ? tr("This tensor has no activation site.")
                                 : tr("Activations are not measured yet. Calibrate to see them.");
        return data;
    }
    const auto& tokens = session->calibration()->tokens();
    data->title = tokens.size() == 0 ? tr("Recorded activations")
                                     : tr("Activations, %1 × %2 tokens")
                                           .arg(ui::integerText(qint64(tokens.rows())),
                                                ui::integerText(qint64(tokens.cols())));
    addSeries(*data, *stats);
    applyRule(*data, *stats);
    return data;
}

} // namespace qs::app
