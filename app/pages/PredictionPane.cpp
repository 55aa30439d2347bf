// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/PredictionPane.h"

#include "app/pages/TunePictures.h"
#include "app/session/JudgeSet.h"
#include "widgets/models/Metric.h"
#include "widgets/views/ToolRow.h"

#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>
#include <cmath>

namespace qs::app {

namespace {

constexpr int kRefreshMs = 30;
constexpr double kInterval = 1.96; ///< standard errors of a 95 % interval

/// A point of both axes; none where a logarithm has no place for it.
std::optional<ui::CostMark> markOf(const PredictionPoint& p, ui::CostMark::Kind kind, const QString& name,
                                   const ScoreDescriptor& score) {
    if (!(p.predicted > 0) || !std::isfinite(p.predicted) || !(p.kl > 0)) return std::nullopt;
    ui::CostMark mark;
    mark.kind = kind;
    mark.x = p.predicted;
    mark.y = p.kl;
    mark.high = p.kl + kInterval * p.klStderr;
    mark.low = std::max(p.kl / 10, p.kl - kInterval * p.klStderr);
    mark.readout = {
        name, PredictionPane::tr("%1 bits per weight").arg(ui::formatFixed(p.bitsPerWeight, 3)),
        PredictionPane::tr("predicted: %1 %2").arg(ui::formatNumber(p.predicted), costUnit(score)),
        PredictionPane::tr("KL measured: %1 ± %2 nats per token (95 %)")
            .arg(ui::formatNumber(p.kl), ui::formatNumber(kInterval * p.klStderr, 2))};
    if (score.isLoss)
        mark.readout +=
            PredictionPane::tr("measured / predicted: %1").arg(ui::formatNumber(p.kl / p.predicted));
    return mark;
}

} // namespace

PredictionPane::PredictionPane(Session* session, const TuneState* tune, QWidget* parent)
    : QWidget(parent)
    , m_tune(tune)
    , m_state(session, tune)
    , m_row(new ui::ToolRow)
    , m_measure(new QPushButton(tr("Measure random recipes")))
    , m_chart(new ui::CostChart(QStringLiteral("predicted-against-measured"),
                                tr("Predicted against measured damage of recipes"))) {
    setObjectName(QStringLiteral("predictionPane"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    m_summary = m_row->addLabel({});
    m_summary->setObjectName(QStringLiteral("predictionSummary"));
    m_summary->setToolTip(
        tr("1: the score orders recipes as the model does. Measured / predicted is the geometric "
           "mean over the recipes; runs do not count."));
    m_row->addStretch();
    m_measure->setObjectName(QStringLiteral("predictionMeasure"));
    m_row->addWidget(m_measure);
    m_chart->setObjectName(QStringLiteral("predictionChart"));
    layout->addWidget(m_row);
    layout->addWidget(m_chart, 1);
    m_later.setSingleShot(true);
    m_later.setInterval(kRefreshMs);
    connect(&m_later, &QTimer::timeout, this, &PredictionPane::refresh);
    connect(&m_state, &PredictionState::changed, this, &PredictionPane::later);
    connect(&m_state, &PredictionState::predicted, this, &PredictionPane::later);
    connect(session, &Session::modelChanged, this, &PredictionPane::later);
    connect(m_measure, &QPushButton::clicked, this, [this] {
        if (m_state.measuring())
            m_state.stop();
        else
            m_state.measure();
    });
}

void PredictionPane::setRuns(const JudgeSet* runs) {
    m_state.setRuns(runs);
}

void PredictionPane::later() {
    m_dirty = true;
    if (isVisible() && !m_later.isActive()) m_later.start();
}

void PredictionPane::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_dirty) refresh();
}

void PredictionPane::refresh() {
    m_dirty = false;
    const PredictionCheck& check = m_state.check();
    showButton();
    showChart(check);
    m_summary->setText(summaryText(check));
    m_row->setProgress(m_state.progress());
}

void PredictionPane::showButton() {
    const bool running = m_state.measuring();
    const QString why = m_state.blocker();
    m_measure->setText(running ? tr("Stop")
                       : m_state.measured().empty()
                           ? tr("Measure %n random recipes", nullptr, PredictionState::kRecipes)
                           : tr("Measure %n more", nullptr, PredictionState::kRecipes));
    m_measure->setEnabled(running || why.isEmpty());
    const QString tip =
        running ? tr("What is measured is kept.")
        : !why.isEmpty()
            ? why
            : tr("Every linear gets a candidate at random, from mostly few bits to mostly many; the "
                 "model is run with each such recipe on %1.")
                  .arg(m_state.protocol());
    m_measure->setToolTip(tip);
    m_measure->setStatusTip(tip);
}

QString PredictionPane::summaryText(const PredictionCheck& check) const {
    if (m_state.measuring() && check.known < 2) return tr("Measuring recipes…");
    if (check.points.empty()) return {};
    if (check.known == 0) return tr("The score of these recipes is not measured.");
    if (!std::isfinite(check.rankCorrelation)) return tr("Too few recipes for a rank correlation.");
    QString text = tr("Rank correlation %1 (Spearman, %n recipes)", nullptr, int(check.known))
                       .arg(ui::formatFixed(check.rankCorrelation, 3));
    if (std::isfinite(check.ratio))
        text += tr(" · measured / predicted %1").arg(ui::formatNumber(check.ratio));
    return text;
}

void PredictionPane::showChart(const PredictionCheck& check) {
    const ScoreDescriptor& score = m_tune->score();
    auto data = std::make_shared<ui::CostChartData>();
    data->xLog = true;
    data->xTitle = score.isLoss ? tr("predicted added loss, nats per token (log)")
                                : tr("predicted: %1, sum (log)").arg(QString::fromStdString(score.label));
    data->yTitle = tr("measured KL, nats (log)");
    data->markLabels[ui::CostMark::Measured] = tr("random recipe, measured ± 95 %");
    data->markLabels[ui::CostMark::Run] = tr("run");
    if (score.isLoss) data->diagonalLabel = tr("measured = predicted");
    const QString why = m_state.blocker();
    data->emptyText = m_state.measuring() ? tr("The first recipe is being measured.")
                      : why.isEmpty()
                          ? tr("Measure random recipes, to see how well the score predicts what whole "
                               "recipes do to this model.")
                          : why;
    for (size_t k = 0; k < check.points.size(); ++k)
        if (auto mark =
                markOf(check.points[k], ui::CostMark::Measured, tr("random recipe %1").arg(k + 1), score))
            data->marks.push_back(std::move(*mark));
    for (const PredictedRun& run : m_state.runs())
        if (auto mark = markOf(run.at, ui::CostMark::Run,
                               tr("%1 · %2").arg(QChar::fromLatin1(run.letter), run.name), score)) {
            mark->label = QChar::fromLatin1(run.letter);
            mark->readout += tr("measured on %1").arg(run.protocol);
            data->marks.push_back(std::move(*mark));
        }
    m_chart->setData(std::move(data));
}

} // namespace qs::app
