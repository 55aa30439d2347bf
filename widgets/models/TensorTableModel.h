// SPDX-License-Identifier: GPL-3.0-or-later
// The tensor table: filter and sort are an index vector inside the model (a QSortFilterProxyModel is 10 to
// 200 times slower at 100k rows). Sort keys are 64-bit integers made once per sort; no QVariant is compared.
#pragma once

#include "widgets/models/Metric.h"
#include "widgets/models/TargetTableSource.h"
#include "widgets/models/TensorFilter.h"

#include <QAbstractTableModel>
#include <QPointer>
#include <vector>

namespace qs::ui {

class TargetSelection;

class TensorTableModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column {
        Tensor,
        Block,
        Role,
        Shape,
        Source,
        Format,
        Bits,
        Group,
        Method,
        Inputs,
        Size,
        BitsPerWeight,
        OutlierWeights,
        OutlierActivations,
        Kurtosis,
        WeightError,
        OutputError,
        KlShare,
        State,
        ColumnCount
    };
    enum Roles {
        TargetRole = Qt::UserRole + 1, ///< int: index into the source
        ValueRole,                     ///< double: the number behind the text (NaN when not measured)
        EditedRole,                    ///< bool: the cell was edited
        StaleRole,                     ///< bool: the number belongs to another scheme
        FailedRole,                    ///< bool: planned and done differ, or the plan has an error here
        StateRole,                     ///< int: TargetState
        ChoiceLabelsRole,              ///< QStringList for the editor of a cell
        ChoiceValuesRole,              ///< QVariantList, same order
    };

    explicit TensorTableModel(QObject* parent = nullptr);

    /// Not owned; may be null.
    void setSource(TargetTableSource* source);
    TargetTableSource* source() const { return m_source; }
    /// An edit of a selected row goes to every selected row. Not owned; may be null.
    void setSelection(TargetSelection* selection);

    void setFilter(const QString& text, bool regex = false);
    const TensorFilter& filter() const { return m_filter; }

    int targetAt(int row) const { return m_visible[size_t(row)]; }
    /// Row of a target, -1 when filtered out.
    int rowOf(int target) const;
    int totalCount() const { return m_source ? m_source->count() : 0; }
    Column sortColumn() const { return m_sortColumn; }
    Qt::SortOrder sortOrder() const { return m_sortOrder; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    bool setData(const QModelIndex& index, const QVariant& value, int role = Qt::EditRole) override;
    Qt::ItemFlags flags(const QModelIndex& index) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    void sort(int column, Qt::SortOrder order = Qt::AscendingOrder) override;

    static bool isNumeric(Column column);
    static bool editField(int column, EditField& field);

signals:
    void editRefused(const QString& reason);
    void filterChanged();

private:
    void onReset();
    void onRowsChanged(const QVector<int>& targets, TargetTableSource::Change change);
    void rebuildOrder();
    void rebuildVisible();
    void resort();
    void emitChanged(QVector<int> rows);
    QVariant display(const TargetRow& row, Column column) const;
    QVariant toolTip(const TargetRow& row, Column column) const;
    double value(const TargetRow& row, Column column) const;
    std::vector<quint64> sortKeys(Column column) const;

    QPointer<TargetTableSource> m_source;
    QPointer<TargetSelection> m_selection;
    TensorFilter m_filter;
    std::shared_ptr<const TargetNames> m_names; ///< of the modules, by target
    std::vector<int> m_order;                   ///< every target, sorted
    std::vector<int> m_visible;                 ///< those that pass the filter, sorted
    std::vector<int> m_rowOf;                   ///< target -> visible row, -1
    Column m_sortColumn = Tensor;
    Qt::SortOrder m_sortOrder = Qt::AscendingOrder;
    bool m_sorted = false; ///< false: model order
};

} // namespace qs::ui
