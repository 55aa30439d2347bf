// SPDX-License-Identifier: GPL-3.0-or-later
// In-place editing of table cells that take one of a few values: a combo box opened at once by F2, typing or
// a double click. Labels and values come from TensorTableModel::ChoiceLabelsRole and ChoiceValuesRole.
#pragma once

#include "widgets/views/Delegates.h"

#include <QStyledItemDelegate>

namespace qs::ui {

class ChoiceDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    QWidget* createEditor(QWidget* parent, const QStyleOptionViewItem& option,
                          const QModelIndex& index) const override;
    void setEditorData(QWidget* editor, const QModelIndex& index) const override;
    void setModelData(QWidget* editor, QAbstractItemModel* model, const QModelIndex& index) const override;
};

/// The bits column: pips, edited like ChoiceDelegate.
class BitsDelegate : public BitsPipsDelegate {
    Q_OBJECT
public:
    using BitsPipsDelegate::BitsPipsDelegate;
    QWidget* createEditor(QWidget* parent, const QStyleOptionViewItem& option,
                          const QModelIndex& index) const override;
    void setEditorData(QWidget* editor, const QModelIndex& index) const override;
    void setModelData(QWidget* editor, QAbstractItemModel* model, const QModelIndex& index) const override;
};

} // namespace qs::ui
