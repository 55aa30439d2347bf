// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TuneSteps.h"

#include "app/pages/TunePictures.h"
#include "widgets/charts/ChartAxis.h"

namespace qs::app {

TuneSteps::TuneSteps(Session* session, QObject* parent) : QAbstractTableModel(parent), m_session(session) {}

void TuneSteps::set(const TuneState& state) {
    beginResetModel();
    m_steps = state.steps();
    m_left.clear();
    double left = state.present().at.cost;
    for (const NextStep& step : m_steps)
        m_left.push_back(left = std::max(0.0, left - step.recovered));
    m_candidates.clear();
    if (state.table())
        for (const Scheme& scheme : state.table()->candidates)
            m_candidates.push_back(schemeLabel(scheme).section(QStringLiteral(" · "), 0, 0)); // one method
    m_unit = costUnit(state.score());
    endResetModel();
}

int TuneSteps::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(m_steps.size());
}

QString TuneSteps::text(const NextStep& step, size_t row, int column) const {
    switch (column) {
    case Module: {
        const QString& first = m_session->table()->row(int(step.rows.front())).module;
        const int more = int(step.rows.size()) - 1;
        return more > 0 ? tr("%1 and %n tied", nullptr, more).arg(first) : first;
    }
    case To:
        return m_candidates[step.candidate];
    case Bytes:
        return QStringLiteral("+") + ui::formatFixed(double(step.bytes) / 1024, 1);
    case Recovered:
        return ui::formatNumber(step.recovered, 2);
    case PerMiB:
        return ui::formatNumber(step.perMiB(), 2);
    case Left:
        return ui::formatNumber(m_left[row], 2);
    default:
        return {};
    }
}

QVariant TuneSteps::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const auto row = size_t(index.row());
    const NextStep& step = m_steps[row];
    if (role == TargetRole) return int(step.rows.front());
    if (role == Qt::TextAlignmentRole && index.column() >= Bytes)
        return int(Qt::AlignRight | Qt::AlignVCenter);
    if (role == Qt::ToolTipRole)
        return tr("%1 to %2: %3 KiB more, %4 %5 less. With all steps above it too, %6 are left.")
            .arg(text(step, row, Module), text(step, row, To), text(step, row, Bytes),
                 text(step, row, Recovered), m_unit, text(step, row, Left));
    return role == Qt::DisplayRole ? QVariant(text(step, row, index.column())) : QVariant();
}

QVariant TuneSteps::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::TextAlignmentRole && section >= Bytes) return int(Qt::AlignRight | Qt::AlignVCenter);
    if (role != Qt::DisplayRole) return {};
    switch (section) {
    case Module:
        return tr("raise");
    case To:
        return tr("to");
    case Bytes:
        return tr("Δ KiB");
    case Recovered:
        return tr("recovers");
    case PerMiB:
        return tr("per MiB");
    case Left:
        return tr("leaves");
    default:
        return {};
    }
}

} // namespace qs::app
