// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/editors/ChoiceDelegate.h"

#include "widgets/models/TensorTableModel.h"

#include <QComboBox>

namespace qs::ui {

namespace {

QWidget* makeCombo(const QStyledItemDelegate* delegate, QWidget* parent, const QModelIndex& index) {
    const QStringList labels = index.data(TensorTableModel::ChoiceLabelsRole).toStringList();
    const QVariantList values = index.data(TensorTableModel::ChoiceValuesRole).toList();
    if (labels.isEmpty()) return nullptr;
    auto* box = new QComboBox(parent);
    for (qsizetype i = 0; i < labels.size(); ++i)
        box->addItem(labels[i], values[i]);
    auto* self = const_cast<QStyledItemDelegate*>(delegate);
    QObject::connect(box, &QComboBox::activated, self, [self, box] {
        emit self->commitData(box);
        emit self->closeEditor(box);
    });
    return box;
}

void showCurrent(QWidget* editor, const QModelIndex& index) {
    auto* box = qobject_cast<QComboBox*>(editor);
    if (!box) return;
    box->setCurrentIndex(box->findData(index.data(Qt::EditRole)));
    QMetaObject::invokeMethod(box, &QComboBox::showPopup, Qt::QueuedConnection);
}

void commit(QWidget* editor, QAbstractItemModel* model, const QModelIndex& index) {
    auto* box = qobject_cast<QComboBox*>(editor);
    // Leaving the box without a choice changes nothing.
    if (!box || box->currentIndex() < 0 || box->currentData() == index.data(Qt::EditRole)) return;
    model->setData(index, box->currentData());
}

} // namespace

QWidget* ChoiceDelegate::createEditor(QWidget* parent, const QStyleOptionViewItem&,
                                      const QModelIndex& index) const {
    return makeCombo(this, parent, index);
}
void ChoiceDelegate::setEditorData(QWidget* editor, const QModelIndex& index) const {
    showCurrent(editor, index);
}
void ChoiceDelegate::setModelData(QWidget* editor, QAbstractItemModel* model,
                                  const QModelIndex& index) const {
    commit(editor, model, index);
}

QWidget* BitsDelegate::createEditor(QWidget* parent, const QStyleOptionViewItem&,
                                    const QModelIndex& index) const {
    return makeCombo(this, parent, index);
}
void BitsDelegate::setEditorData(QWidget* editor, const QModelIndex& index) const {
    showCurrent(editor, index);
}
void BitsDelegate::setModelData(QWidget* editor, QAbstractItemModel* model, const QModelIndex& index) const {
    commit(editor, model, index);
}

} // namespace qs::ui
