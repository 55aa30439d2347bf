// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TuneEdit.h"

#include "app/pages/TunePictures.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"

namespace qs::app {

namespace {

/// "+0.13": what is signed is read faster.
QString signedText(double value, const QString& digits) {
    return value > 0 ? QLatin1Char('+') + digits : digits;
}

} // namespace

void TuneEdit::note(TuneSnapshot now, const ScoreDescriptor& score) {
    // Numbers of two scores do not compare.
    if (m_score != &score || m_now.step < 0)
        m_before = {};
    else if (now.step != m_now.step)
        m_before = m_now;
    m_score = &score;
    m_now = std::move(now);
    emit dataChanged(index(0, 0), index(RowCount - 1, ColumnCount - 1));
    emit headerDataChanged(Qt::Vertical, 0, RowCount - 1);
}

void TuneEdit::clear() {
    m_before = m_now = {};
    emit dataChanged(index(0, 0), index(RowCount - 1, ColumnCount - 1));
}

std::optional<double> TuneEdit::value(const TuneSnapshot& at, int row) const {
    if (at.step < 0) return std::nullopt;
    const double mib = double(at.present.at.bytes) / 0x1p20;
    switch (row) {
    case Size:
        return mib;
    case Damage:
        return at.present.unknown == 0 ? std::optional(at.present.at.cost) : std::nullopt;
    case Left:
        return m_now.budgetMib ? std::optional(*m_now.budgetMib - mib) : std::nullopt;
    default:
        return std::nullopt;
    }
}

QString TuneEdit::text(const TuneSnapshot& at, int row) const {
    if (at.step < 0) return {};
    if (row == Format) return at.target == m_now.target ? at.format : QString();
    const auto v = value(at, row);
    if (!v) return QStringLiteral("–");
    return row == Damage ? ui::formatNumber(*v, 4) : ui::formatFixed(*v, 2);
}

QString TuneEdit::difference(int row) const {
    const auto before = value(m_before, row), now = value(m_now, row);
    if (!before || !now) return {};
    const double d = *now - *before;
    return signedText(d, row == Damage ? ui::formatNumber(d, 3) : ui::formatFixed(d, 2));
}

QVariant TuneEdit::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const int row = index.row(), column = index.column();
    if (role == Qt::TextAlignmentRole) return int(Qt::AlignRight | Qt::AlignVCenter);
    if (role == Qt::FontRole && column == Now) return ui::boldFont();
    if (role == Qt::ForegroundRole && column == Difference && row == Damage) {
        const auto before = value(m_before, row), now = value(m_now, row);
        if (before && now && *now < *before) return ui::theme().ok;
    }
    if (role != Qt::DisplayRole) return {};
    if (column == Difference) return difference(row);
    return text(column == Before ? m_before : m_now, row);
}

QVariant TuneEdit::headerData(int section, Qt::Orientation orientation, int role) const {
    if (role == Qt::TextAlignmentRole)
        return int((orientation == Qt::Vertical ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter);
    if (role != Qt::DisplayRole) return {};
    if (orientation == Qt::Horizontal) return QStringList{tr("before"), tr("now"), tr("Δ")}.value(section);
    const bool loss = m_score && m_score->isLoss;
    return QStringList{tr("Format"), tr("Checkpoint, MiB"),
                       loss ? tr("Added loss, nats, predicted") : tr("Score, sum, predicted"),
                       tr("Left of the budget, MiB")}
        .value(section);
}

} // namespace qs::app
