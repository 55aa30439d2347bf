// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/LayerGrid.h"

#include <QCoreApplication>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace qs::app {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("LayerGrid", text);
}

/// "2-5" for neighbours, "0, 3, 7" else.
QString rangeText(const std::set<int>& numbers) {
    if (numbers.size() > 1 && *numbers.rbegin() - *numbers.begin() + 1 == int(numbers.size()))
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
    if (ui::metricIsStale(row, metric)) flags |= ui::kCellStale;
    if (metric == ui::Metric::KlShare && (row.klNearest || row.klUnscaled)) flags |= ui::kCellStandIn;
    return flags;
}

const QString& roleOf(const ui::TargetRow& row) {
    return row.role.isEmpty() ? row.name : row.role;
}

/// Where a target stands: its block, and its row of the grid (-1: not in it).
struct Place {
    int block, row;
};

/// Grid with a cell for every row and block; `rows` holds the labels. Works on places alone: the rows of 100k
/// targets are cold, and going through them once more takes milliseconds.
LayerGrid arranged(const std::vector<Place>& places, const QStringList& rows) {
    LayerGrid grid;
    grid.rows = rows;
    int blocks = 0;
    for (const Place& p : places)
        blocks = std::max(blocks, p.block + 1);
    if (rows.isEmpty()) blocks = 0;
    for (int b = 0; b < blocks; ++b)
        grid.columns << QString::number(b);
    grid.cells.resize(rows.size() * blocks);
    grid.cellOf.fill({-1, -1}, qsizetype(places.size()));
    for (size_t t = 0; t < places.size() && blocks > 0; ++t) {
        const Place& p = places[t];
        if (p.block < 0 || p.row < 0) continue;
        grid.cells[p.row * blocks + p.block].push_back(int(t));
        grid.cellOf[qsizetype(t)] = {p.block, p.row};
    }
    return grid;
}

/// The worst of a cell's values, of shares their sum; NaN when none is measured.
double valueOf(const QVector<int>& targets, const ui::TargetTableSource& source, ui::Metric metric) {
    const bool least = ui::metricInfo(metric).more;
    double out = ui::kNotMeasured;
    for (const int t : targets) {
        const double v = ui::metricValue(source.row(t), metric);
        if (metric == ui::Metric::KlShare && !std::isnan(out) && !std::isnan(v))
            out += v;
        else
            out = least ? std::fmin(out, v) : std::fmax(out, v);
    }
    return out;
}

/// "4", or "3–8" where the targets of a cell differ.
QString bitsText(const QVector<int>& targets, const ui::TargetTableSource& source) {
    int lo = source.row(targets.front()).info->bits, hi = lo;
    for (const int t : targets) {
        lo = std::min(lo, source.row(t).info->bits);
        hi = std::max(hi, source.row(t).info->bits);
    }
    return lo == hi ? QString::number(lo) : QStringLiteral("%1–%2").arg(lo).arg(hi);
}

} // namespace

LayerGrid LayerGrid::of(const ui::TargetTableSource& source) {
    struct Known {
        int roleIndex;
        QString role;
        bool ofExperts;
        int experts = 0;
    };
    std::vector<Known> known; // few: found by looking at each
    const auto rowOf = [&](const ui::TargetRow& r) {
        for (size_t i = 0; i < known.size(); ++i)
            if (known[i].roleIndex == r.roleIndex && known[i].ofExperts == (r.expert >= 0)) return int(i);
        return -1;
    };
    std::vector<Place> places;
    places.reserve(size_t(source.count()));
    for (int t = 0; t < source.count(); ++t) {
        const ui::TargetRow& r = source.row(t);
        places.push_back({r.block, -1});
        if (r.block < 0) continue;
        int at = rowOf(r);
        if (at < 0) {
            at = int(known.size());
            known.push_back({r.roleIndex, roleOf(r), r.expert >= 0});
        }
        known[size_t(at)].experts = std::max(known[size_t(at)].experts, r.expert + 1);
        places.back().row = at;
    }
    QStringList rows;
    for (const Known& k : known)
        rows << (k.ofExperts ? QStringLiteral("%1 ×%2").arg(k.role).arg(k.experts) : k.role);
    LayerGrid grid = arranged(places, rows);
    grid.rowTitle = tr("module");
    return grid;
}

LayerGrid LayerGrid::ofExperts(const ui::TargetTableSource& source, const QString& role) {
    std::vector<Place> places;
    places.reserve(size_t(source.count()));
    int experts = 0;
    for (int t = 0; t < source.count(); ++t) {
        const ui::TargetRow& r = source.row(t);
        places.push_back({r.block, roleOf(r) == role ? r.expert : -1});
        experts = std::max(experts, places.back().row + 1);
    }
    QStringList rows;
    for (int e = 0; e < experts; ++e)
        rows << QString::number(e);
    LayerGrid grid = arranged(places, rows);
    grid.rowTitle = tr("expert");
    return grid;
}

QStringList LayerGrid::expertRoles(const ui::TargetTableSource& source) {
    QStringList out;
    QVector<int> known;
    for (int t = 0; t < source.count(); ++t)
        if (const ui::TargetRow& r = source.row(t); r.expert >= 0 && !known.contains(r.roleIndex)) {
            known << r.roleIndex;
            out << roleOf(r);
        }
    return out;
}

int LayerGrid::target(int row, int column) const {
    if (row < 0 || row >= rows.size() || column < 0 || column >= columns.size()) return -1;
    const QVector<int>& cell = cells[row * columns.size() + column];
    return cell.isEmpty() ? -1 : cell.front();
}

QVector<int> LayerGrid::targetsOf(const QVector<QPoint>& list) const {
    QVector<int> out;
    for (const QPoint& c : list)
        if (target(c.y(), c.x()) >= 0) out += cells[c.y() * columns.size() + c.x()];
    return out;
}

QVector<QPoint> LayerGrid::cellsOf(const QVector<int>& list) const {
    QVector<QPoint> out;
    std::vector<char> seen(size_t(cells.size()), 0);
    for (const int t : list) {
        const QPoint at = cell(t);
        if (at.x() < 0) continue;
        char& known = seen[size_t(at.y() * columns.size() + at.x())];
        if (!known) out.push_back(at);
        known = 1;
    }
    return out;
}

QString LayerGrid::describe(const QVector<QPoint>& list) const {
    if (list.size() < 2) return {};
    std::set<int> xs, ys;
    for (const QPoint& c : list) {
        xs.insert(c.x());
        ys.insert(c.y());
    }
    const QString count = QCoreApplication::translate("LayerGrid", "%n cells", nullptr, int(list.size()));
    if (size_t(list.size()) != xs.size() * ys.size()) return count;
    QStringList names;
    for (const int y : ys)
        names << rows.value(y);
    const QString modules =
        ys.size() == size_t(rows.size()) ? tr("every module") : names.join(QStringLiteral(", "));
    return (xs.size() == 1 ? tr("%1: block %2 × %3") : tr("%1: blocks %2 × %3"))
        .arg(count, rangeText(xs), modules);
}

LayerPicture LayerGrid::picture(const ui::TargetTableSource& source, const LayerPictureSpec& spec) const {
    auto data = std::make_shared<ui::HeatMapData>();
    const ui::MetricInfo& info = ui::metricInfo(spec.metric);
    data->rowLabels = rows;
    data->columnLabels = columns;
    data->rowTitle = rowTitle;
    data->columnTitle = tr("block");
    data->valueTitle = info.label;
    data->unit = info.unit;
    data->valueHint = info.help;
    data->standInHint =
        tr("stand-in: rounded to nearest where the method needs a calibration, or without the "
           "recipe's transforms; a run's own values replace it");
    data->log = info.log;
    data->diverging = info.diverging;
    data->values.fill(ui::kNotMeasured, cells.size());
    data->flags.fill(0, cells.size());
    if (spec.text != CellText::None) data->cellTexts.resize(cells.size());
    data->rowBarTitle = tr("share of size, %");
    LayerPicture picture{std::move(data), std::vector<double>(size_t(cells.size()), 0.0)};
    for (qsizetype i = 0; i < cells.size(); ++i)
        draw(picture, i, source, spec);
    drawRowBars(picture);
    return picture;
}

LayerPicture LayerGrid::picture(const LayerPicture& before, const QVector<int>& targets,
                                const ui::TargetTableSource& source, const LayerPictureSpec& spec) const {
    LayerPicture picture{std::make_shared<ui::HeatMapData>(*before.data), before.bytes};
    for (const QPoint& at : cellsOf(targets))
        draw(picture, at.y() * columns.size() + at.x(), source, spec);
    drawRowBars(picture);
    return picture;
}

void LayerGrid::draw(LayerPicture& picture, qsizetype cell, const ui::TargetTableSource& source,
                     const LayerPictureSpec& spec) const {
    const QVector<int>& members = cells[cell];
    if (members.isEmpty()) return;
    const double value = valueOf(members, source, spec.metric);
    quint8 flags = 0;
    double bytes = 0;
    bool passes = spec.passes.empty();
    for (const int t : members) {
        const ui::TargetRow& row = source.row(t);
        flags |= flagsOf(row, spec.metric);
        bytes += double(row.bytesAfter);
        passes |= !spec.passes.empty() && spec.passes[size_t(t)];
    }
    ui::HeatMapData& data = *picture.data;
    data.values[cell] = value;
    data.flags[cell] = passes ? flags : quint8(flags | ui::kCellDimmed);
    if (spec.text == CellText::Bits) data.cellTexts[cell] = bitsText(members, source);
    if (spec.text == CellText::Value) data.cellTexts[cell] = ui::metricText(spec.metric, value);
    picture.bytes[size_t(cell)] = bytes;
}

/// Share of the recipe's bytes that each row holds, percent.
void LayerGrid::drawRowBars(LayerPicture& picture) const {
    const double total = std::accumulate(picture.bytes.begin(), picture.bytes.end(), 0.0);
    QVector<double> bars(rows.size(), 0.0);
    for (size_t i = 0; i < picture.bytes.size() && total > 0; ++i)
        bars[qsizetype(i) / columns.size()] += 100 * picture.bytes[i] / total;
    picture.data->rowBars = std::move(bars);
}

} // namespace qs::app
