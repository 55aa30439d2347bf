// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/RunDifference.h"

#include "core/report/maps.h"
#include "widgets/charts/ChartAxis.h"

#include <QCoreApplication>
#include <cmath>
#include <functional>
#include <unordered_map>

namespace qs::app {

namespace {

constexpr size_t kChangeBins = 120;

QString tr(const char* text) {
    return QCoreApplication::translate("RunDifference", text);
}

std::shared_ptr<ui::HeatMapData> emptyMap(const LayerGrid& grid) {
    auto data = std::make_shared<ui::HeatMapData>();
    data->rowLabels = grid.rows;
    data->columnLabels = grid.columns;
    data->columnTitle = tr("block");
    data->diverging = true;
    data->values.fill(ui::kNotMeasured, grid.cells.size());
    data->cellTexts.resize(grid.cells.size());
    return data;
}

/// Each cell shows the target (several in a cell of experts) whose `value` is farthest from zero.
void fillCells(ui::HeatMapData& data, const LayerGrid& grid, const std::function<double(int)>& value) {
    for (qsizetype i = 0; i < grid.cells.size(); ++i)
        for (const int target : grid.cells[i]) {
            const double v = value(target);
            if (std::isfinite(v) && !(std::abs(v) <= std::abs(data.values[i]))) data.values[i] = v;
        }
}

void writeCells(ui::HeatMapData& data, double (*rounded)(double)) {
    for (qsizetype i = 0; i < data.values.size(); ++i)
        if (std::isfinite(data.values[i]))
            data.cellTexts[i] = QString::fromStdString(report::signedBits(rounded(data.values[i])));
}

/// Symmetric about zero, and never so narrow that a hair's breadth looks like a difference.
void setReach(ui::HeatMapData& data, double least) {
    double reach = least;
    for (const double v : data.values)
        if (std::isfinite(v)) reach = std::max(reach, std::abs(v));
    data.lo = -reach;
    data.hi = reach;
}

std::unordered_map<std::string, const TensorResult*> resultsOf(const Run& run) {
    std::unordered_map<std::string, const TensorResult*> out;
    for (const TensorResult& r : run.results())
        out.emplace(r.module, &r);
    return out;
}

} // namespace

double errorOf(const TensorResult* result) {
    if (!result) return ui::kNotMeasured;
    return result->error.output >= 0 ? result->error.output : result->error.weight; // -1 without Sigma
}

ui::HistogramDataPtr lossChange(const ComparedRun* a, const ComparedRun* b) {
    auto data = std::make_shared<ui::HistogramData>();
    const QString first(a ? QLatin1Char(a->letter) : QLatin1Char('B')),
        second(b ? QLatin1Char(b->letter) : QLatin1Char('A'));
    data->xTitle = tr("loss of %1 minus loss of %2, nats per token").arg(first, second);
    data->title = tr("Loss change by token");
    data->emptyText = tr("Evaluate the original and a run to see which tokens changed.");
    if (!a || !b || a == b || !a->evaluation || !b->evaluation) return data;
    if (const std::string why = whyNotComparable(*a->evaluation, *b->evaluation); !why.empty()) {
        data->emptyText = tr("not comparable: %1").arg(QString::fromStdString(why));
        return data;
    }
    const std::vector<float>&x = a->evaluation->tokenNll, &y = b->evaluation->tokenNll;
    std::vector<float> change(x.size());
    float reach = 1e-6f;
    for (size_t i = 0; i < x.size(); ++i) {
        change[i] = x[i] - y[i];
        reach = std::max(reach, std::abs(change[i]));
    }
    const Histogram h = histogram(change, -reach, reach, kChangeBins);
    data->title = tr("Loss change by token, %1 tokens").arg(ui::groupedInteger(qint64(x.size())));
    data->lo = h.lo;
    data->hi = h.hi;
    data->before = QVector<quint64>(h.counts.begin(), h.counts.end());
    data->beforeLabel = tr("tokens");
    return data;
}

ui::HeatMapDataPtr bitsDifference(const LayerGrid& grid, const ComparedRun& a, const ComparedRun& b) {
    const Plan* plan = a.plan ? a.plan.get() : b.plan.get();
    if (!plan || grid.isEmpty()) return nullptr;
    const auto bits = [](const ComparedRun& run, const PlanEntry& stored, size_t target) {
        if (run.plan) return storedBits(run.plan->entries[target]);
        const double weights = double(stored.target.rows) * double(stored.target.cols);
        return weights > 0 ? 8.0 * double(stored.bytesBefore) / weights : 0.0; // the original
    };
    auto data = emptyMap(grid);
    fillCells(*data, grid, [&](int target) {
        if (size_t(target) >= plan->entries.size()) return ui::kNotMeasured;
        const PlanEntry& entry = plan->entries[size_t(target)];
        return bits(a, entry, size_t(target)) - bits(b, entry, size_t(target));
    });
    writeCells(*data, [](double v) { return v; });
    data->valueTitle =
        tr("Bits per weight, %1 minus %2").arg(QLatin1Char(a.letter)).arg(QLatin1Char(b.letter));
    data->unit = tr("bits");
    data->valueHint = tr("Stored bits, scales and zero points included. Purple: more, orange: fewer.");
    setReach(*data, 4); // one bit is a pale difference
    return data;
}

ui::HeatMapDataPtr errorDifference(const LayerGrid& grid, const SchemeTable& table, const ComparedRun& a,
                                   const ComparedRun& b) {
    if (!a.run || !b.run || grid.isEmpty()) return nullptr;
    const auto first = resultsOf(*a.run), second = resultsOf(*b.run);
    auto data = emptyMap(grid);
    fillCells(*data, grid, [&](int target) {
        const std::string module = table.row(target).module.toStdString();
        const auto x = first.find(module), y = second.find(module);
        if (x == first.end() || y == second.end()) return ui::kNotMeasured;
        const double mine = errorOf(x->second), theirs = errorOf(y->second);
        return mine > 0 && theirs > 0 ? std::log2(theirs / mine) : ui::kNotMeasured;
    });
    writeCells(*data, [](double v) { return std::round(10 * v) / 10; });
    data->valueTitle =
        tr("Error of %1 over error of %2").arg(QLatin1Char(b.letter)).arg(QLatin1Char(a.letter));
    data->unit = tr("log2");
    data->valueHint = tr("+1: %1 has half the relative error of %2. Purple: %1 is better.")
                          .arg(QLatin1Char(a.letter))
                          .arg(QLatin1Char(b.letter));
    setReach(*data, 1);
    return data;
}

QString bitsDifferenceText(const ui::HeatMapData& data) {
    int fewer = 0, more = 0;
    for (const double v : data.values) {
        fewer += v < -0.005;
        more += v > 0.005;
    }
    if (fewer + more == 0) return tr("Every tensor has the same bits.");
    return tr("Tensors with fewer bits (orange): %1, with more (purple): %2. Empty cells are equal.")
        .arg(fewer)
        .arg(more);
}

} // namespace qs::app
