// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/OutlierTableModel.h"

#include "widgets/models/Metric.h"

#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

double median(std::vector<float> values) {
    if (values.empty()) return 0;
    const size_t mid = values.size() / 2;
    std::nth_element(values.begin(), values.begin() + long(mid), values.end());
    const double upper = values[mid];
    if (values.size() % 2) return upper;
    return (upper + *std::max_element(values.begin(), values.begin() + long(mid))) / 2;
}

double ratio(double value, double median) {
    return median > 0 ? value / median : kNotMeasured;
}

/// Channel c's part of the sum over channels of E[x^2] = mean^2 + stddev^2.
std::vector<double> secondMoments(const ChannelStats& s) {
    std::vector<double> m(s.channels());
    for (size_t c = 0; c < m.size(); ++c)
        m[c] = double(s.mean[c]) * s.mean[c] + double(s.stddev[c]) * s.stddev[c];
    return m;
}

double cell(const OutlierRow& row, int column) {
    switch (column) {
    case OutlierTableModel::Channel:
        return row.channel;
    case OutlierTableModel::MaxX:
        return row.maxX;
    case OutlierTableModel::RatioX:
        return row.ratioX;
    case OutlierTableModel::MaxW:
        return row.maxW;
    case OutlierTableModel::RatioW:
        return row.ratioW;
    case OutlierTableModel::Energy:
        return row.energy;
    default:
        return kNotMeasured;
    }
}

} // namespace

std::vector<OutlierRow> outlierRows(const ChannelStats* activations, const ChannelStats* weights,
                                    OutlierRule rule, double threshold) {
    const ChannelStats* by = activations ? activations : weights;
    if (!by) return {};
    if (weights && weights->channels() != by->channels()) weights = nullptr;
    const double medianX = activations ? median(activations->absmax) : 0;
    const double medianW = weights ? median(weights->absmax) : 0;
    const std::vector<double> moments = activations ? secondMoments(*activations) : std::vector<double>();
    double total = 0;
    for (const double m : moments)
        total += m;
    std::vector<OutlierRow> rows;
    for (const OutlierChannel& o : rankOutliers(*by, rule, threshold)) {
        OutlierRow r;
        r.channel = int(o.channel);
        r.score = o.score;
        r.maxX = activations ? activations->absmax[o.channel] : kNotMeasured;
        r.ratioX = activations ? ratio(r.maxX, medianX) : kNotMeasured;
        r.maxW = weights ? weights->absmax[o.channel] : kNotMeasured;
        r.ratioW = weights ? ratio(r.maxW, medianW) : kNotMeasured;
        r.energy = total > 0 ? 100 * moments[o.channel] / total : kNotMeasured;
        rows.push_back(r);
    }
    return rows;
}

void OutlierTableModel::setRows(std::vector<OutlierRow> rows) {
    beginResetModel();
    m_rows = std::move(rows);
    endResetModel();
}

int OutlierTableModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(m_rows.size());
}
int OutlierTableModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant OutlierTableModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= int(m_rows.size())) return {};
    const OutlierRow& row = m_rows[size_t(index.row())];
    const double v = cell(row, index.column());
    switch (role) {
    case Qt::DisplayRole:
        if (index.column() == Channel) return QString::number(row.channel);
        if (std::isnan(v)) return QString();
        if (index.column() == RatioX || index.column() == RatioW)
            return numberText(v, 3) + QStringLiteral(" ×");
        if (index.column() == Energy) return numberText(v, 3) + QStringLiteral(" %");
        return numberText(v, 3);
    case Qt::TextAlignmentRole:
        return int(Qt::AlignRight | Qt::AlignVCenter);
    case ChannelRole:
        return row.channel;
    case ValueRole:
        return v;
    default:
        return {};
    }
}

QVariant OutlierTableModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::TextAlignmentRole) return int(Qt::AlignRight | Qt::AlignVCenter);
    static const char* const titles[] = {QT_TR_NOOP("channel"),         QT_TR_NOOP("max |x|"),
                                         QT_TR_NOOP("ratio to median"), QT_TR_NOOP("max |w|"),
                                         QT_TR_NOOP("weight ratio"),    QT_TR_NOOP("share of Σ trace")};
    if (section < 0 || section >= ColumnCount) return {};
    if (role == Qt::DisplayRole) return tr(titles[section]);
    if (role == Qt::ToolTipRole && section == Energy)
        return tr("The channel's mean of x² over the sum of all channels: its part in what the layer's "
                  "outputs are made of.");
    return {};
}

void OutlierTableModel::sort(int column, Qt::SortOrder order) {
    if (column < 0 || column >= ColumnCount) return;
    emit layoutAboutToBeChanged({}, QAbstractItemModel::VerticalSortHint);
    const QModelIndexList before = persistentIndexList();
    QVector<int> channels;
    for (const QModelIndex& i : before)
        channels.push_back(m_rows[size_t(i.row())].channel);
    std::stable_sort(m_rows.begin(), m_rows.end(), [=](const OutlierRow& a, const OutlierRow& b) {
        const double x = cell(a, column), y = cell(b, column);
        if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);
        return order == Qt::AscendingOrder ? x < y : x > y;
    });
    QModelIndexList after;
    for (qsizetype i = 0; i < before.size(); ++i) {
        const auto it = std::find_if(m_rows.begin(), m_rows.end(),
                                     [&](const OutlierRow& r) { return r.channel == channels[i]; });
        after.push_back(index(int(it - m_rows.begin()), before[i].column()));
    }
    changePersistentIndexList(before, after);
    emit layoutChanged({}, QAbstractItemModel::VerticalSortHint);
}

} // namespace qs::ui
