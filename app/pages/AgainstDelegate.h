// SPDX-License-Identifier: GPL-3.0-or-later
// The verdict of a comparison: a chip, then the difference as text.
#pragma once

#include <QStyledItemDelegate>

namespace qs::app {

class AgainstDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option,
               const QModelIndex& index) const override;
};

} // namespace qs::app
