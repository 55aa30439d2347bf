// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TunePictures.h"

#include "app/pages/TunePage.h"
#include "core/allocate/hull.h"
#include "widgets/models/Metric.h"

#include <QSet>
#include <algorithm>
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

constexpr double kInterval = 1.96;   ///< standard errors of a 95 % interval
constexpr size_t kLeastRecipes = 10; ///< fewer say nothing of the 90 % in the middle

/// The logarithm has no place for what is below 0.
double lowerEnd(const TunePoint& p) {
    return std::max(p.cost / 10, p.cost - kInterval * p.uncertainty);
}

/// Measured / predicted of the recipes, ascending; empty for a score that is no loss.
std::vector<double> ratiosOf(const PredictionCheck& check) {
    std::vector<double> out;
    if (!std::isfinite(check.ratio)) return out;
    for (const PredictionPoint& p : check.points)
        if (p.predicted > 0 && std::isfinite(p.predicted) && p.kl > 0) out.push_back(p.kl / p.predicted);
    std::sort(out.begin(), out.end());
    return out;
}

void addBand(const TuneCurve& curve, const PredictionCheck& check, ui::CostChartData& data) {
    const std::vector<double> ratios = ratiosOf(check);
    const bool measured = ratios.size() >= kLeastRecipes;
    const size_t aside = ratios.size() / 20; // of each side: 5 %
    for (const TunePoint& p : curve.frontier) {
        if (!(p.cost > 0)) continue;
        if (measured)
            data.band.push_back(
                {mib(p.bytes), p.cost * ratios[aside], p.cost * ratios[ratios.size() - 1 - aside]});
        else if (p.uncertainty > 0)
            data.band.push_back({mib(p.bytes), lowerEnd(p), p.cost + kInterval * p.uncertainty});
    }
    data.bandLabel = measured ? TunePage::tr("90 % of %n measured recipes", nullptr, int(ratios.size()))
                              : TunePage::tr("95 % of the measurement");
}

void addPresent(const TuneState& state, const TunePresent& present, ui::CostChartData& data) {
    ui::CostMark mark;
    mark.kind = ui::CostMark::Current;
    mark.x = mib(present.at.bytes);
    mark.y = present.at.cost;
    mark.label = TunePage::tr("you are here");
    mark.readout = {TunePage::tr("present schemes"), TunePage::tr("%1 MiB").arg(ui::formatFixed(mark.x, 2)),
                    costText(state, present.at.cost)};
    if (present.at.uncertainty > 0) {
        mark.high = mark.y + kInterval * present.at.uncertainty;
        mark.low = lowerEnd(present.at);
        mark.readout += TunePage::tr("± %1 by the measurement (95 %); that damages add up is assumed")
                            .arg(ui::formatNumber(kInterval * present.at.uncertainty, 2));
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
            .arg(ui::formatNumber(pair->after->kl), ui::formatNumber(kInterval * pair->after->klStderr, 2))};
    data.marks.push_back(std::move(mark));
}

} // namespace

QString costUnit(const ScoreDescriptor& score) {
    return score.isLoss ? TunePage::tr("nats per token")
                        : TunePage::tr("of %1").arg(QString::fromStdString(score.label).toLower());
}

ui::CostChartDataPtr modelPicture(const TuneState& state, const Session& session, const TunePresent& present,
                                  const PredictionCheck& check, std::optional<double> target) {
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
    if (curve->locked > 0)
        data->lineLabel = TunePage::tr("frontier, predicted, %n locked", nullptr, curve->locked);
    for (const TunePoint& p : curve->frontier)
        data->line.push_back({mib(p.bytes), p.cost});
    addBand(*curve, check, *data);
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
    addPresent(state, present, *data);
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

TuneStops stopsOf(const TuneState& state, const Session& session, int target) {
    TuneStops out;
    if (target < 0 || session.model()->targets()[size_t(target)].packed) return out;
    if (state.table())
        for (const size_t c : shownCandidates(state, target))
            out.schemes.emplace_back(state.table()->candidates[c]);
    else
        for (Scheme& s : state.candidates())
            out.schemes.emplace_back(std::move(s));
    QStringList brief, whole;
    for (const auto& s : out.schemes) {
        whole << codecLabel(*s);
        brief << whole.back().section(QLatin1Char(' '), 0, 0);
    }
    // "int4" where it says enough.
    const bool enough = QSet<QString>(brief.begin(), brief.end()).size() == brief.size();
    for (size_t i = 0; i < out.schemes.size(); ++i)
        out.labels.push_back({(enough ? brief : whole)[qsizetype(i)], schemeLabel(*out.schemes[i])});
    const ui::TargetRow& row = session.table()->row(target);
    out.schemes.emplace_back(std::nullopt);
    out.labels.push_back({row.sourceType, TunePage::tr("as the checkpoint stores it")});
    const auto& now = session.table()->schemes()[size_t(target)];
    const auto at = std::find_if(out.schemes.begin(), out.schemes.end(),
                                 [&](const auto& s) { return now ? s && *s == *now : !s; });
    if (at != out.schemes.end()) out.current = int(at - out.schemes.begin());
    return out;
}

namespace {

/// The parts of a budget: where a user looks for bytes.
enum Part { Attention, Gate, Up, Down, OtherLinears, Rest, PartCount };

Part partOf(const ui::TargetRow& row) {
    if (row.role == QLatin1String("gate")) return Gate;
    if (row.role == QLatin1String("up")) return Up;
    if (row.role == QLatin1String("down")) return Down;
    static const QSet<QString> attention = {QStringLiteral("q"), QStringLiteral("k"), QStringLiteral("v"),
                                            QStringLiteral("o")};
    return attention.contains(row.role) ? Attention : OtherLinears;
}

} // namespace

ui::StackedBarDataPtr budgetPicture(const TuneState& state, const Session& session,
                                    std::optional<double> target) {
    auto data = std::make_shared<ui::StackedBarData>();
    data->unit = TunePage::tr("MiB");
    data->emptyText = TunePage::tr("No model is open.");
    if (!session.model()) return data;
    const SchemeTable& table = *session.table();
    quint64 bytes[PartCount] = {}, linears = 0;
    int count[PartCount] = {}, locked[PartCount] = {};
    for (int t = 0; t < table.count(); ++t) {
        const ui::TargetRow& row = table.row(t);
        const Part part = partOf(row);
        bytes[part] += row.bytesAfter;
        linears += row.bytesAfter;
        ++count[part];
        locked[part] += state.isLocked(t);
    }
    const quint64 total = table.summary().totalBytesAfter;
    bytes[Rest] = total - std::min(total, linears);
    const QString names[] = {TunePage::tr("attention"), TunePage::tr("gate"),  TunePage::tr("up"),
                             TunePage::tr("down"),      TunePage::tr("other"), TunePage::tr("rest")};
    for (int p = 0; p < PartCount; ++p) {
        if (bytes[p] == 0) continue;
        const QString help = p == Rest
                                 ? TunePage::tr("embeddings, norms, head: not quantized here")
                                 : TunePage::tr("%1 of %n linears locked", nullptr, count[p]).arg(locked[p]);
        data->parts.push_back({names[p], mib(bytes[p]), 0, help});
    }
    data->title = TunePage::tr("Checkpoint %1 MiB").arg(ui::formatFixed(mib(total), 2));
    data->target = target;
    if (target) {
        double left = *target - mib(total);
        if (std::fabs(left) < 0.005) left = 0; // the budget is shown with two decimals
        data->title += left >= 0 ? TunePage::tr(", %1 left").arg(ui::formatFixed(left, 2))
                                 : TunePage::tr(", %1 too much").arg(ui::formatFixed(-left, 2));
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
