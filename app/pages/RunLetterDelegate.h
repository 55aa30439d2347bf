// SPDX-License-Identifier: GPL-3.0-or-later
// The letter of a run on its colour: A is always the original.
#pragma once

#include <QStyledItemDelegate>

namespace qs::app {

class RunLetterDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option,
               const QModelIndex& index) const override;
};

} // namespace qs::app
