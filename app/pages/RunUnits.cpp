// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/RunUnits.h"

#include "app/jobs/JobsModel.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Delegates.h"

#include <cmath>

namespace qs::app {

RunUnits::RunUnits(Session* session, QObject* parent) : QAbstractTableModel(parent), m_session(session) {
    rebuild();
}

void RunUnits::rebuild() {
    beginResetModel();
    m_rows.clear();
    const SchemeTable* table = m_session->table();
    QHash<int, size_t> rowOfBlock;
    for (int t = 0; t < table->count(); ++t) {
        const ui::TargetRow& r = table->row(t);
        if (r.block < 0) { // outside of blocks a tensor is a unit of its own
            m_rows.push_back({r.module, {t}});
        } else {
            if (!rowOfBlock.contains(r.block)) {
                rowOfBlock.insert(r.block, m_rows.size());
                m_rows.push_back({tr("block %1").arg(r.block), {}});
            }
            m_rows[rowOfBlock[r.block]].targets.push_back(t);
        }
    }
    for (Row& row : m_rows)
        sum(row);
    endResetModel();
}

void RunUnits::refresh() {
    for (Row& row : m_rows)
        sum(row);
    if (!m_rows.empty()) emit dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
}

void RunUnits::sum(Row& row) const {
    row.quantized = row.done = row.stale = 0;
    row.bytes = 0;
    row.weights = row.seconds = 0;
    row.weightError = row.outputError = ui::kNotMeasured;
    for (const int t : row.targets) {
        const ui::TargetRow& r = m_session->table()->row(t);
        row.bytes += r.bytesAfter;
        row.weights += double(r.rows) * double(r.cols);
        row.quantized += r.hasScheme();
        row.done += !r.done.isEmpty();
        row.stale += r.stale;
        if (!std::isnan(r.seconds)) row.seconds += r.seconds;
        row.weightError = std::fmax(row.weightError, r.weightError);
        row.outputError = std::fmax(row.outputError, r.outputError);
    }
}

int RunUnits::doneUnits() const {
    return int(std::count_if(m_rows.begin(), m_rows.end(),
                             [](const Row& r) { return r.quantized > 0 && r.done >= r.quantized; }));
}

QString RunUnits::stateText(const Row& row) const {
    if (row.quantized == 0) return tr("kept");
    if (row.stale > 0) return tr("recipe changed since");
    if (row.done >= row.quantized) return tr("done");
    if (m_session->running())
        return row.done > 0 ? tr("%1 of %2").arg(row.done).arg(row.quantized) : tr("queued");
    return row.done > 0 ? tr("%1 of %2, stopped").arg(row.done).arg(row.quantized) : tr("planned");
}

int RunUnits::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(m_rows.size());
}
int RunUnits::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant RunUnits::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const Row& row = m_rows[size_t(index.row())];
    const bool complete = row.quantized > 0 && row.done >= row.quantized;
    switch (role) {
    case Qt::DisplayRole:
        switch (index.column()) {
        case Unit:
            return row.name;
        case Tensors:
            return tr("%1 of %2").arg(row.quantized).arg(row.targets.size());
        case Size:
            return ui::bytesText(row.bytes);
        case Bits:
            return row.weights > 0 ? QLocale().toString(8.0 * double(row.bytes) / row.weights, 'f', 2)
                                   : QString();
        case WeightError:
            return ui::numberText(row.weightError * 100, 3);
        case OutputError:
            return ui::numberText(row.outputError * 100, 3);
        case Seconds:
            return row.done > 0 ? durationText(row.seconds) : QString();
        case State:
            return stateText(row);
        default:
            return {};
        }
    case Qt::TextAlignmentRole:
        return int((index.column() >= Tensors && index.column() <= Seconds ? Qt::AlignRight : Qt::AlignLeft) |
                   Qt::AlignVCenter);
    case Qt::ForegroundRole:
        return row.stale > 0 && index.column() >= WeightError ? QVariant(ui::theme().text3) : QVariant();
    case FractionRole:
        return row.quantized > 0 ? double(row.done) / row.quantized : 0.0;
    case PaintStateRole:
        return int(complete ? ui::ProgressDelegate::Done : ui::ProgressDelegate::Waiting);
    case TargetsRole:
        return QVariant::fromValue(row.targets);
    default:
        return {};
    }
}

QVariant RunUnits::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::TextAlignmentRole)
        return int((section >= Tensors && section <= Seconds ? Qt::AlignRight : Qt::AlignLeft) |
                   Qt::AlignVCenter);
    if (role == Qt::ToolTipRole) {
        if (section == WeightError) return tr("Largest of the block's tensors: ‖W − W′‖² / ‖W‖².");
        if (section == OutputError) return ui::metricInfo(ui::Metric::OutputError).help;
        return {};
    }
    if (role != Qt::DisplayRole) return {};
    switch (section) {
    case Unit:
        return tr("unit");
    case Tensors:
        return tr("quantized");
    case Size:
        return tr("size");
    case Bits:
        return tr("bpw");
    case WeightError:
        return tr("worst weight err, %");
    case OutputError:
        return tr("worst output err, %");
    case Seconds:
        return tr("time");
    case State:
        return tr("state");
    default:
        return {};
    }
}

} // namespace qs::app
