// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/LintModel.h"

#include "widgets/theme/Icons.h"

#include <algorithm>

namespace qs::ui {

void LintModel::setIssues(const QString& source, const std::vector<LintIssue>& issues) {
    beginResetModel();
    std::erase_if(m_rows, [&](const Row& r) { return r.source == source; });
    for (const LintIssue& i : issues)
        m_rows.push_back({source, i});
    std::stable_sort(m_rows.begin(), m_rows.end(),
                     [](const Row& a, const Row& b) { return a.issue.severity > b.issue.severity; });
    endResetModel();
}

void LintModel::clear() {
    beginResetModel();
    m_rows.clear();
    endResetModel();
}

int LintModel::count(Severity severity) const {
    return int(std::count_if(m_rows.begin(), m_rows.end(),
                             [=](const Row& r) { return r.issue.severity == severity; }));
}

int LintModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(m_rows.size());
}
int LintModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant LintModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= int(m_rows.size())) return {};
    const Row& row = m_rows[size_t(index.row())];
    switch (role) {
    case Qt::DisplayRole:
        switch (index.column()) {
        case Message:
            return QString::fromStdString(row.issue.message);
        case Where:
            return row.issue.where.empty() ? tr("whole plan") : QString::fromStdString(row.issue.where);
        case Source:
            return row.source;
        default:
            return {};
        }
    case Qt::ToolTipRole:
        return QStringLiteral("%1\n%2").arg(QString::fromStdString(row.issue.message),
                                            tr("Rule: %1").arg(QString::fromStdString(row.issue.rule)));
    case Qt::DecorationRole:
        if (index.column() != Message) return {};
        if (row.issue.severity == Severity::Error) return icon(QStringLiteral("error"), IconRole::Error);
        if (row.issue.severity == Severity::Warning)
            return icon(QStringLiteral("warning"), IconRole::Warning);
        return icon(QStringLiteral("info"), IconRole::Accent);
    case SeverityRole:
        return int(row.issue.severity);
    case ModuleRole:
        return QString::fromStdString(row.issue.where);
    case RuleRole:
        return QString::fromStdString(row.issue.rule);
    default:
        return {};
    }
}

QVariant LintModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) return {};
    switch (section) {
    case Message:
        return tr("Problem");
    case Where:
        return tr("Where");
    case Source:
        return tr("Found by");
    default:
        return {};
    }
}

} // namespace qs::ui
