// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/StoredCodesModel.h"

#include "widgets/theme/Theme.h"

#include <QColor>
#include <QLocale>

namespace qs::ui {

namespace {
constexpr int kCachedValues = 1 << 22;
} // namespace

StoredCodesModel::StoredCodesModel(QObject* parent) : QAbstractTableModel(parent), m_blocks(kCachedValues) {}

void StoredCodesModel::setLinear(std::shared_ptr<const PackedInfo> info,
                                 std::shared_ptr<const PackedScales> scales) {
    beginResetModel();
    m_info = std::move(info);
    m_scales = std::move(scales);
    m_blocks.clear();
    m_asked.clear();
    endResetModel();
}

void StoredCodesModel::setRows(std::shared_ptr<const StoredRows> rows) {
    if (!m_info || !rows || rows->codes.rows() == 0 || rows->codes.cols() != m_info->in) return;
    const int number = int(rows->first) / kBlockRows, first = int(rows->first),
              last = first + int(rows->codes.rows()) - 1;
    m_asked.erase(number);
    const int cost = int(std::min<size_t>(rows->codes.size(), kCachedValues));
    m_blocks.insert(number, new std::shared_ptr<const StoredRows>(std::move(rows)), cost);
    emit dataChanged(index(first, 0), index(last, columnCount() - 1));
}

int StoredCodesModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() || !m_info ? 0 : int(m_info->out);
}

int StoredCodesModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() || !m_info ? 0 : int(m_info->in);
}

const StoredRows* StoredCodesModel::blockOf(int row) const {
    const int number = row / kBlockRows;
    if (const auto* block = m_blocks.object(number)) return block->get();
    if (m_asked.insert(number).second)
        emit rowsWanted(number * kBlockRows, std::min(kBlockRows, rowCount() - number * kBlockRows));
    return nullptr;
}

// Index into the grid of scales, row by row.
size_t StoredCodesModel::groupOf(size_t row, size_t column) const {
    const PackedInfo& p = *m_info;
    if (p.flattened) return (row * p.in + column) / p.groupSize;
    const size_t group =
        m_scales->groupOfColumn.empty() ? column / p.groupSize : size_t(m_scales->groupOfColumn[column]);
    return row / p.blockRows * p.groups + group;
}

QString StoredCodesModel::explain(int row, int column, const StoredRows& block) const {
    const QLocale locale;
    const size_t group = groupOf(size_t(row), size_t(column)), local = size_t(row) - block.first;
    if (group >= m_scales->scale.size()) return {};
    QString text =
        tr("output %1, input %2: code %3").arg(row).arg(column).arg(block.codes(local, size_t(column)));
    text += tr("\nscale %1").arg(locale.toString(double(m_scales->scale.data()[group]), 'g', 5));
    if (!m_scales->zero.empty())
        text += tr(", zero point %1").arg(locale.toString(double(m_scales->zero.data()[group]), 'g', 5));
    return text + tr("\nvalue %1").arg(locale.toString(double(block.values(local, size_t(column))), 'g', 6));
}

QVariant StoredCodesModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || !m_info || !m_scales) return {};
    switch (role) {
    case Qt::DisplayRole:
        if (const StoredRows* block = blockOf(index.row()))
            return int(block->codes(size_t(index.row()) - block->first, size_t(index.column())));
        return {};
    case Qt::ToolTipRole:
        if (const StoredRows* block = blockOf(index.row()))
            return explain(index.row(), index.column(), *block);
        return {};
    case Qt::BackgroundRole: // every other group, so that the eye finds where a scale ends
        return groupOf(size_t(index.row()), size_t(index.column())) % 2 == 1 ? QVariant(theme().header)
                                                                             : QVariant();
    case Qt::TextAlignmentRole:
        return int(Qt::AlignRight | Qt::AlignVCenter);
    default:
        return {};
    }
}

QVariant StoredCodesModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (role == Qt::DisplayRole) return section;
    if (role == Qt::ToolTipRole)
        return orientation == Qt::Horizontal ? tr("input channel %1").arg(section)
                                             : tr("output channel %1").arg(section);
    return QAbstractTableModel::headerData(section, orientation, role);
}

} // namespace qs::ui
