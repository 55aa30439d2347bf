// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/TensorTableModel.h"

#include "widgets/models/TargetSelection.h"
#include "widgets/theme/Theme.h"

#include <algorithm>
#include <numeric>

namespace qs::ui {

TensorTableModel::TensorTableModel(QObject* parent)
    : QAbstractTableModel(parent), m_names(TargetNames::of({})) {
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, [this] {
        if (!m_visible.empty()) emit dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
    });
}

void TensorTableModel::setSource(TargetTableSource* source) {
    if (m_source) disconnect(m_source, nullptr, this, nullptr);
    m_source = source;
    if (source) {
        connect(source, &TargetTableSource::reset, this, &TensorTableModel::onReset);
        connect(source, &TargetTableSource::rowsChanged, this, &TensorTableModel::onRowsChanged);
        connect(source, &QObject::destroyed, this, &TensorTableModel::onReset);
    }
    onReset();
}

void TensorTableModel::setSelection(TargetSelection* selection) {
    m_selection = selection;
}

void TensorTableModel::setFilter(const QString& text, bool regex) {
    beginResetModel();
    m_filter = TensorFilter(text, regex);
    rebuildVisible();
    endResetModel();
    emit filterChanged();
}

int TensorTableModel::rowOf(int target) const {
    return target >= 0 && size_t(target) < m_rowOf.size() ? m_rowOf[size_t(target)] : -1;
}

void TensorTableModel::onReset() {
    beginResetModel();
    m_names = m_source ? m_source->names() : TargetNames::of({});
    rebuildOrder();
    rebuildVisible();
    endResetModel();
}

void TensorTableModel::rebuildOrder() {
    const size_t n = size_t(totalCount());
    m_order.resize(n);
    std::iota(m_order.begin(), m_order.end(), 0);
    if (!m_sorted || n == 0) return;
    const std::vector<quint64> keys = sortKeys(m_sortColumn);
    std::vector<std::pair<quint64, quint32>> pairs(n);
    for (size_t i = 0; i < n; ++i)
        pairs[i] = {keys[i], quint32(i)};
    // Equal keys stay in model order in both directions.
    std::sort(pairs.begin(), pairs.end());
    for (size_t i = 0; i < n; ++i)
        m_order[i] = int(pairs[i].second);
}

void TensorTableModel::rebuildVisible() {
    m_visible.clear();
    m_rowOf.assign(m_order.size(), -1);
    if (m_filter.isEmpty()) {
        m_visible = m_order;
    } else {
        const std::vector<char> passes =
            m_filter.matching(m_names->index, [this](size_t t) { return m_source->row(int(t)).block; });
        for (const int t : m_order)
            if (passes[size_t(t)]) m_visible.push_back(t);
    }
    for (size_t r = 0; r < m_visible.size(); ++r)
        m_rowOf[size_t(m_visible[r])] = int(r);
}

void TensorTableModel::sort(int column, Qt::SortOrder order) {
    // -1 is QHeaderView's "no sort indicator": model order.
    m_sorted = column >= 0 && column < ColumnCount;
    m_sortColumn = m_sorted ? Column(column) : Tensor;
    m_sortOrder = order;
    resort();
}

void TensorTableModel::resort() {
    emit layoutAboutToBeChanged({}, QAbstractItemModel::VerticalSortHint);
    const QModelIndexList before = persistentIndexList();
    QVector<int> targets;
    targets.reserve(before.size());
    for (const QModelIndex& i : before)
        targets.push_back(m_visible[size_t(i.row())]);
    rebuildOrder();
    // The filter's answer does not change with the order.
    std::vector<int> visible;
    visible.reserve(m_visible.size());
    for (const int t : m_order)
        if (m_rowOf[size_t(t)] >= 0) visible.push_back(t);
    m_visible = std::move(visible);
    for (size_t r = 0; r < m_visible.size(); ++r)
        m_rowOf[size_t(m_visible[r])] = int(r);
    QModelIndexList after;
    after.reserve(before.size());
    for (qsizetype i = 0; i < before.size(); ++i)
        after.push_back(index(m_rowOf[size_t(targets[i])], before[i].column()));
    changePersistentIndexList(before, after);
    emit layoutChanged({}, QAbstractItemModel::VerticalSortHint);
}

void TensorTableModel::onRowsChanged(const QVector<int>& targets, TargetTableSource::Change change) {
    // Rows move when numbers arrive, not under the hand of someone who edits.
    if (change == TargetTableSource::Change::Measured && m_sorted && m_sortColumn >= OutlierWeights) resort();
    QVector<int> rows;
    rows.reserve(targets.size());
    for (const int t : targets)
        if (const int r = rowOf(t); r >= 0) rows.push_back(r);
    emitChanged(std::move(rows));
}

void TensorTableModel::emitChanged(QVector<int> rows) {
    constexpr size_t kMostRanges = 64; // views look at each
    if (!std::is_sorted(rows.begin(), rows.end())) std::sort(rows.begin(), rows.end());
    std::vector<std::pair<int, int>> ranges;
    for (const int r : rows) {
        if (!ranges.empty() && r <= ranges.back().second + 1)
            ranges.back().second = r;
        else
            ranges.push_back({r, r});
    }
    if (ranges.size() > kMostRanges) ranges = {{ranges.front().first, ranges.back().second}};
    for (const auto& [first, last] : ranges)
        emit dataChanged(index(first, 0), index(last, ColumnCount - 1));
}

int TensorTableModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(m_visible.size());
}
int TensorTableModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

Qt::ItemFlags TensorTableModel::flags(const QModelIndex& index) const {
    if (!index.isValid()) return Qt::NoItemFlags;
    Qt::ItemFlags f = Qt::ItemIsSelectable | Qt::ItemIsEnabled | Qt::ItemNeverHasChildren;
    EditField field;
    if (editField(index.column(), field) && m_source->editable(targetAt(index.row()), field))
        f |= Qt::ItemIsEditable;
    return f;
}

bool TensorTableModel::setData(const QModelIndex& index, const QVariant& value, int role) {
    EditField field;
    if (!index.isValid() || role != Qt::EditRole || !editField(index.column(), field)) return false;
    const int target = targetAt(index.row());
    const QVector<int> targets =
        m_selection && m_selection->contains(target) ? m_selection->targets() : QVector<int>{target};
    const QString refused = m_source->edit(targets, m_source->editFor(field, value));
    if (!refused.isEmpty()) emit editRefused(refused);
    return refused.isEmpty();
}

bool TensorTableModel::editField(int column, EditField& field) {
    switch (column) {
    case Bits:
        field = EditField::Bits;
        return true;
    case Group:
        field = EditField::Group;
        return true;
    case Method:
        field = EditField::Method;
        return true;
    case Inputs:
        field = EditField::Inputs;
        return true;
    default:
        return false;
    }
}

} // namespace qs::ui
