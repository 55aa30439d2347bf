// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TuneChanges.h"

#include "widgets/charts/ChartAxis.h"

namespace qs::app {

TuneChanges::TuneChanges(Session* session, QObject* parent)
    : QAbstractTableModel(parent), m_session(session) {
    connect(session, &Session::modelChanged, this, [this] { set({}); });
}

void TuneChanges::set(const TuneSolved& solved) {
    beginResetModel();
    m_rows = solved.changes;
    endResetModel();
}

int TuneChanges::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(m_rows.size());
}

QVariant TuneChanges::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const TuneSolved::Change& change = m_rows[size_t(index.row())];
    if (role == TargetRole) return change.target;
    if (role == Qt::TextAlignmentRole && index.column() == Bytes)
        return int(Qt::AlignRight | Qt::AlignVCenter);
    if (role != Qt::DisplayRole && role != Qt::ToolTipRole) return {};
    switch (index.column()) {
    case Module:
        return m_session->table()->row(change.target).module;
    case From:
        return change.from.isEmpty() ? tr("kept") : change.from;
    case To:
        return change.to.isEmpty() ? tr("kept") : change.to;
    case Bytes: {
        const QString text = ui::formatFixed(double(std::abs(change.bytes)) / 1024, 1);
        return (change.bytes > 0   ? QStringLiteral("+")
                : change.bytes < 0 ? QString(QChar(0x2212))
                                   : QString()) +
               text;
    }
    default:
        return {};
    }
}

QVariant TuneChanges::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::TextAlignmentRole && section == Bytes) return int(Qt::AlignRight | Qt::AlignVCenter);
    if (role != Qt::DisplayRole) return {};
    switch (section) {
    case Module:
        return tr("changed");
    case From:
        return tr("from");
    case To:
        return tr("to");
    case Bytes:
        return tr("Δ KiB");
    default:
        return {};
    }
}

} // namespace qs::app
