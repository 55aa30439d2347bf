// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/LayerGrid.h"

#include <QCoreApplication>
#include <algorithm>
#include <cmath>
#include <set>

namespace qs::app {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("LayerGrid", text);
}

/// "2-5" for neighbours, "0, 3, 7" else.
QString rangeText(const std::set<int>& numbers) {
    if (numbers.size() > 2 && *numbers.rbegin() - *numbers.begin() + 1 == int(numbers.size()))
        return QStringLiteral("%1–%2").arg(*numbers.begin()).arg(*numbers.rbegin());
    QStringList texts;
    for (const int n : numbers)
        texts << QString::number(n);
    return texts.join(QStringLiteral(", "));
}

quint8 flagsOf(const ui::TargetRow& row, ui::Metric metric) {
    quint8 flags = 0;
    if (row.edited) flags |= ui::kCellEdited;
    if (row.different || row.state == ui::TargetState::Failed) flags |= ui::kCellFailed;
    const bool ofRun = metric == ui::Metric::WeightError || metric == ui::Metric::OutputError;
    if (row.stale && ofRun) flags |= ui::kCellStale;
    return flags;
}

/// Share of the recipe's bytes that each row holds, percent.
QVector<double> byteShares(const LayerGrid& grid, const ui::TargetTableSource& source) {
    QVector<double> out(grid.rows.size(), 0.0);
    double total = 0;
    for (qsizetype i = 0; i < grid.targets.size(); ++i) {
        if (grid.targets[i] < 0) continue;
        const double bytes = double(source.row(grid.targets[i]).bytesAfter);
        out[i / grid.columns.size()] += bytes;
        total += bytes;
    }
    for (double& v : out)
        v = total > 0 ? 100 * v / total : 0;
    return out;
}

} // namespace

LayerGrid LayerGrid::of(const ui::TargetTableSource& source) {
    LayerGrid grid;
    int blocks = 0;
    QHash<QString, int> rowOf;
    const auto key = [](const ui::TargetRow& r) { return r.role.isEmpty() ? r.name : r.role; };
    for (int t = 0; t < source.count(); ++t) {
        const ui::TargetRow& r = source.row(t);
        if (r.block < 0) continue;
        blocks = std::max(blocks, r.block + 1);
        if (rowOf.contains(key(r))) continue;
        rowOf.insert(key(r), int(grid.rows.size()));
        grid.rows << key(r);
    }
    for (int b = 0; b < blocks; ++b)
        grid.columns << QString::number(b);
    grid.targets.fill(-1, grid.rows.size() * blocks);
    for (int t = 0; t < source.count(); ++t) {
        const ui::TargetRow& r = source.row(t);
        if (r.block < 0) continue;
        const QPoint cell(r.block, rowOf.value(key(r)));
        grid.targets[cell.y() * blocks + cell.x()] = t;
        grid.cellOf.insert(t, cell);
    }
    return grid;
}

int LayerGrid::target(int row, int column) const {
    if (row < 0 || row >= rows.size() || column < 0 || column >= columns.size()) return -1;
    return targets[row * columns.size() + column];
}

QVector<int> LayerGrid::targetsOf(const QVector<QPoint>& cells) const {
    QVector<int> out;
    for (const QPoint& c : cells)
        if (const int t = target(c.y(), c.x()); t >= 0) out.push_back(t);
    return out;
}

QVector<QPoint> LayerGrid::cellsOf(const QVector<int>& list) const {
    QVector<QPoint> out;
    for (const int t : list)
        if (const auto it = cellOf.find(t); it != cellOf.end()) out.push_back(*it);
    return out;
}

QString LayerGrid::describe(const QVector<QPoint>& cells) const {
    if (cells.size() < 2) return {};
    std::set<int> xs, ys;
    for (const QPoint& c : cells) {
        xs.insert(c.x());
        ys.insert(c.y());
    }
    const QString count = tr("%1 cells").arg(cells.size());
    if (size_t(cells.size()) != xs.size() * ys.size()) return count;
    QStringList names;
    for (const int y : ys)
        names << rows.value(y);
    const QString modules =
        ys.size() == size_t(rows.size()) ? tr("every module") : names.join(QStringLiteral(", "));
    return (xs.size() == 1 ? tr("%1: block %2 × %3") : tr("%1: blocks %2 × %3"))
        .arg(count, rangeText(xs), modules);
}

ui::HeatMapDataPtr LayerGrid::picture(const ui::TargetTableSource& source, ui::Metric metric,
                                      CellText text) const {
    auto data = std::make_shared<ui::HeatMapData>();
    const ui::MetricInfo& info = ui::metricInfo(metric);
    data->rowLabels = rows;
    data->columnLabels = columns;
    data->rowTitle = tr("module");
    data->columnTitle = tr("block");
    data->valueTitle = info.label;
    data->unit = info.unit;
    data->valueHint = info.help;
    data->log = info.log;
    data->values.fill(ui::kNotMeasured, targets.size());
    data->flags.fill(0, targets.size());
    if (text != CellText::None) data->cellTexts.resize(targets.size());
    for (qsizetype i = 0; i < targets.size(); ++i) {
        if (targets[i] < 0) continue;
        const ui::TargetRow& row = source.row(targets[i]);
        data->values[i] = ui::metricValue(row, metric);
        data->flags[i] = flagsOf(row, metric);
        if (text == CellText::Bits) data->cellTexts[i] = QString::number(row.bits);
        if (text == CellText::Value) data->cellTexts[i] = ui::metricText(metric, data->values[i]);
    }
    // A kept tensor has no error, and log scales have no place for zero.
    data->rowBars = byteShares(*this, source);
    data->rowBarTitle = tr("share of size, %");
    return data;
}

} // namespace qs::app
