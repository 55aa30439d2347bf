// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TunePictures.h"

#include "app/pages/TunePage.h"
#include "core/allocate/hull.h"
#include "widgets/models/Metric.h"

#include <cmath>

namespace qs::app {

namespace {

double mib(quint64 bytes) {
    return double(bytes) / 0x1p20;
}

QString codecLabel(const Scheme& scheme) {
    const auto codec = createCodec(scheme.codec, scheme.codecParams);
    return QString::fromStdString(codec ? (*codec)->label() : scheme.codec);
}

QString yTitle(const ScoreDescriptor& score) {
    return score.isLoss ? TunePage::tr("added loss, nats (log)")
                        : QString::fromStdString(score.label) + TunePage::tr(", sum (log)");
}

QString costText(const TuneState& state, double cost) {
    return TunePage::tr("predicted: %1 %2").arg(ui::formatNumber(cost), costUnit(state.score()));
}

/// Candidates that can be shown for a target.
std::vector<size_t> shownCandidates(const TuneState& state, int target) {
    std::vector<size_t> out;
    if (!state.table() || target < 0) return out;
    for (size_t c = 0; c < state.table()->candidates.size(); ++c)
        if (std::isfinite(state.cost(target, c))) out.push_back(c);
    return out;
}

double storedBits(const SensitivityRow& row, size_t candidate) {
    return 8.0 * double(row.cells[candidate].bytes) / double(std::max<uint64_t>(1, row.weights));
}

/// From the smallest candidate along the hull that allocators climb.
QVector<QPointF> hullOf(const SensitivityRow& row, const std::vector<size_t>& shown, const TuneState& state,
                        int target) {
    if (shown.empty()) return {};
    AllocatorItem item;
    for (const size_t c : shown)
        item.push_back({row.cells[c].bytes, state.cost(target, c)});
    QVector<QPointF> line;
    const auto add = [&](size_t option) {
        line.push_back({storedBits(row, shown[option]), item[option].cost});
    };
    add(smallestOption(item));
    for (const HullStep& step : hullSteps({&item, 1}))
        add(step.option);
    return line;
}

void addPresent(const TuneState& state, ui::CostChartData& data) {
    const TunePresent present = state.present();
    ui::CostMark mark;
    mark.kind = ui::CostMark::Current;
    mark.x = mib(present.at.bytes);
    mark.y = present.at.cost;
    mark.label = TunePage::tr("you are here");
    mark.readout = {TunePage::tr("present schemes"), TunePage::tr("%1 MiB").arg(ui::formatFixed(mark.x, 2)),
                    costText(state, present.at.cost)};
    if (present.uncertainty > 0) {
        mark.high = mark.y + 1.96 * present.uncertainty;
        mark.low = std::max(mark.y / 10, mark.y - 1.96 * present.uncertainty);
        mark.readout += TunePage::tr("± %1 by the measurement (95 %); that damages add up is assumed")
                            .arg(ui::formatNumber(1.96 * present.uncertainty, 2));
    }
    if (present.unknown > 0)
        mark.readout += TunePage::tr("%n linears have schemes that are not measured: their part is missing",
                                     nullptr, present.unknown);
    data.marks.push_back(std::move(mark));
}

void addEvaluated(const TuneState& state, const Session& session, ui::CostChartData& data) {
    const auto pair = session.evaluation();
    const auto plan = session.runPlan();
    if (!state.score().isLoss || !pair || !pair->after || !pair->after->hasReference || !plan) return;
    if (plan->fingerprint() != pair->planFingerprint) return;
    ui::CostMark mark;
    mark.kind = ui::CostMark::Measured;
    mark.x = mib(plan->totalBytesAfter);
    mark.y = pair->after->kl;
    mark.label = TunePage::tr("run");
    mark.readout = {
        TunePage::tr("evaluated run"), TunePage::tr("%1 MiB").arg(ui::formatFixed(mark.x, 2)),
        TunePage::tr("KL measured: %1 ± %2 nats per token")
            .arg(ui::formatNumber(pair->after->kl), ui::formatNumber(1.96 * pair->after->klStderr, 2))};
    data.marks.push_back(std::move(mark));
}

} // namespace

QString costUnit(const ScoreDescriptor& score) {
    return score.isLoss ? TunePage::tr("nats per token")
                        : TunePage::tr("of %1").arg(QString::fromStdString(score.label).toLower());
}

ui::CostChartDataPtr modelPicture(const TuneState& state, const Session& session,
                                  std::optional<double> target) {
    auto data = std::make_shared<ui::CostChartData>();
    data->xTitle = TunePage::tr("size of the checkpoint, MiB (exact)");
    data->yTitle = yTitle(state.score());
    data->lineLabel = TunePage::tr("frontier, predicted");
    data->markLabels[ui::CostMark::Preset] = TunePage::tr("one scheme for all, predicted");
    data->markLabels[ui::CostMark::Measured] = TunePage::tr("evaluated run, measured");
    data->emptyText =
        session.model() ? TunePage::tr("Measure, to see what could be had at every size: the damage of every "
                                       "scheme on every linear, and the best mix of them.")
                        : TunePage::tr("No model is open.");
    const auto curve = state.curve();
    if (!curve || !state.table()) return data;
    data->targetX = target;
    if (target) data->targetLabel = TunePage::tr("budget %1").arg(ui::formatFixed(*target, 2));
    for (const TunePoint& p : curve->frontier)
        data->line.push_back({mib(p.bytes), p.cost});
    for (const TuneCurve::Uniform& u : curve->uniform) {
        const Scheme& scheme = state.table()->candidates[u.candidate];
        data->marks.push_back(
            {ui::CostMark::Preset,
             mib(u.at.bytes),
             u.at.cost,
             codecLabel(scheme),
             {schemeLabel(scheme), TunePage::tr("%1 MiB").arg(ui::formatFixed(mib(u.at.bytes), 2)),
              costText(state, u.at.cost)}});
    }
    addEvaluated(state, session, *data);
    addPresent(state, *data);
    return data;
}

ui::CostChartDataPtr tensorPicture(const TuneState& state, int target) {
    auto data = std::make_shared<ui::CostChartData>();
    data->xTitle = TunePage::tr("stored bits per weight (exact)");
    data->yTitle = state.score().isLoss
                       ? TunePage::tr("added loss, nats (log)")
                       : QString::fromStdString(state.score().label) + TunePage::tr(" (log)");
    data->lineLabel = TunePage::tr("hull");
    data->markLabels[ui::CostMark::Option] = TunePage::tr("candidates: click to choose");
    data->emptyText =
        target < 0 ? TunePage::tr("Select a tensor.") : TunePage::tr("This tensor is not measured yet.");
    const std::vector<size_t> shown = shownCandidates(state, target);
    if (shown.empty()) return data;
    const SensitivityRow& row = state.table()->rows[size_t(target)];
    data->line = hullOf(row, shown, state, target);
    for (const size_t c : shown) {
        const double bits = storedBits(row, c), cost = state.cost(target, c);
        const bool present = state.candidateOf(target) == c;
        data->marks.push_back({present ? ui::CostMark::Current : ui::CostMark::Option,
                               bits,
                               cost,
                               codecLabel(state.table()->candidates[c]),
                               {schemeLabel(state.table()->candidates[c]),
                                TunePage::tr("%1 bits per weight, %2")
                                    .arg(ui::formatFixed(bits, 3), ui::bytesText(row.cells[c].bytes)),
                                costText(state, cost),
                                present ? TunePage::tr("present scheme") : TunePage::tr("click to choose")}});
    }
    return data;
}

std::optional<size_t> candidateOfMark(const TuneState& state, int target, size_t mark) {
    const auto shown = shownCandidates(state, target);
    return mark < shown.size() ? std::optional(shown[mark]) : std::nullopt;
}

QString tensorFacts(const Session& session, int target) {
    const ui::TargetRow& row = session.table()->row(target);
    const QuantTarget& t = session.model()->targets()[size_t(target)];
    return TunePage::tr("%1 × %2 · %3 · %4 bits")
        .arg(ui::groupedInteger(qint64(t.rows)), ui::groupedInteger(qint64(t.cols)),
             ui::bytesText(row.bytesAfter), ui::formatFixed(row.bitsPerWeight(), 3));
}

} // namespace qs::app
