// SPDX-License-Identifier: GPL-3.0-or-later
// What the last edit changed: format, size, predicted damage and what is left of the budget, before and now.
#pragma once

#include "app/session/TuneState.h"

#include <QAbstractTableModel>

namespace qs::app {

/// The recipe at one moment.
struct TuneSnapshot {
    int step = -1; ///< of the undo stack
    int target = -1;
    QString format; ///< of the target
    TunePresent present;
    std::optional<double> budgetMib;
};

class TuneEdit : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Row { Format, Size, Damage, Left, RowCount };
    enum Column { Before, Now, Difference, ColumnCount };

    using QAbstractTableModel::QAbstractTableModel;

    /// `now` of another undo step makes the present one the one before.
    void note(TuneSnapshot now, const ScoreDescriptor& score);
    /// Forgets both.
    void clear();

    int rowCount(const QModelIndex& parent = {}) const override { return parent.isValid() ? 0 : RowCount; }
    int columnCount(const QModelIndex& parent = {}) const override {
        return parent.isValid() ? 0 : ColumnCount;
    }
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    QString text(const TuneSnapshot& at, int row) const;
    std::optional<double> value(const TuneSnapshot& at, int row) const;
    QString difference(int row) const;

    TuneSnapshot m_before, m_now;
    const ScoreDescriptor* m_score = nullptr;
};

} // namespace qs::app
