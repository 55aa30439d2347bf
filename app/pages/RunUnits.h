// SPDX-License-Identifier: GPL-3.0-or-later
// The run by block: what is planned, what is done, what it cost.
#pragma once

#include "app/session/Session.h"

#include <QAbstractTableModel>

namespace qs::app {

class RunUnits : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Unit, Tensors, Size, Bits, WeightError, OutputError, Seconds, State, ColumnCount };
    enum Roles { FractionRole = Qt::UserRole + 1, PaintStateRole, TargetsRole };

    explicit RunUnits(Session* session, QObject* parent = nullptr);
    void rebuild();
    void refresh();
    int doneUnits() const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Row {
        QString name;
        QVector<int> targets;
        int quantized = 0, done = 0, stale = 0;
        quint64 bytes = 0;
        double weights = 0;                      ///< number of weights
        double weightError = 0, outputError = 0; ///< worst of its tensors; NaN while none is done
        double seconds = 0;
    };
    void sum(Row& row) const;
    QString stateText(const Row& row) const;

    Session* m_session;
    std::vector<Row> m_rows;
};

} // namespace qs::app
