// SPDX-License-Identifier: GPL-3.0-or-later
// What the last solve changed, as a table.
#pragma once

#include "app/session/TuneState.h"

#include <QAbstractTableModel>

namespace qs::app {

class TuneChanges : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Module, From, To, Bytes, ColumnCount };
    enum { TargetRole = Qt::UserRole };

    explicit TuneChanges(Session* session, QObject* parent = nullptr);
    void set(const TuneSolved& solved);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override {
        return parent.isValid() ? 0 : ColumnCount;
    }
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    Session* m_session;
    std::vector<TuneSolved::Change> m_rows;
};

} // namespace qs::app
