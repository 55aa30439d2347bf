// SPDX-License-Identifier: GPL-3.0-or-later
// The codes of a linear that its checkpoint stores quantized, as a table [out, in]. Rows are fetched a block
// at a time when they are looked at; cells of rows that are on their way are empty.
#pragma once

#include "core/model/packed/packed_linear.h"

#include <QAbstractTableModel>
#include <QCache>
#include <memory>
#include <set>

namespace qs::ui {

/// Rows [first, first + codes.rows()).
struct StoredRows {
    size_t first = 0;
    PackedCodes codes;
    Matrix values; ///< what they stand for
};

class StoredCodesModel : public QAbstractTableModel {
    Q_OBJECT
public:
    static constexpr int kBlockRows = 64;

    explicit StoredCodesModel(QObject* parent = nullptr);

    /// Null clears. Rows must be given anew.
    void setLinear(std::shared_ptr<const PackedInfo> info, std::shared_ptr<const PackedScales> scales);
    const PackedInfo* info() const { return m_info.get(); }
    /// The answer to rowsWanted.
    void setRows(std::shared_ptr<const StoredRows> rows);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

signals:
    /// Asked once until they are given; a block of kBlockRows, fewer at the end.
    void rowsWanted(int first, int count) const;

private:
    const StoredRows* blockOf(int row) const;
    size_t groupOf(size_t row, size_t column) const;
    QString explain(int row, int column, const StoredRows& block) const;

    std::shared_ptr<const PackedInfo> m_info;
    std::shared_ptr<const PackedScales> m_scales;
    mutable QCache<int, std::shared_ptr<const StoredRows>> m_blocks; ///< by row / kBlockRows; cost: values
    mutable std::set<int> m_asked;
};

} // namespace qs::ui
