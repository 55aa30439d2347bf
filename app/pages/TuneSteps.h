// SPDX-License-Identifier: GPL-3.0-or-later
// What more bytes would recover: the best step of every linear, best first, as a table.
#pragma once

#include "app/session/TuneState.h"

#include <QAbstractTableModel>

namespace qs::app {

class TuneSteps : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Module, To, Bytes, Recovered, PerMiB, Left, ColumnCount };
    enum { TargetRole = Qt::UserRole };

    explicit TuneSteps(Session* session, QObject* parent = nullptr);
    void set(const TuneState& state);
    const std::vector<NextStep>& steps() const { return m_steps; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override {
        return parent.isValid() ? 0 : ColumnCount;
    }
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    QString text(const NextStep& step, size_t row, int column) const;

    Session* m_session;
    std::vector<NextStep> m_steps;
    std::vector<double> m_left; ///< predicted cost once this step and those before it are taken
    std::vector<QString> m_candidates;
    QString m_unit;
};

} // namespace qs::app
