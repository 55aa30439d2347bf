// SPDX-License-Identifier: GPL-3.0-or-later
// A token with the text before it: the token bold, what is before it muted and cut at its beginning.
#pragma once

#include <QStyledItemDelegate>

namespace qs::app {

class ContextDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    enum Roles { BeforeRole = Qt::UserRole + 10, TokenRole };

    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option,
               const QModelIndex& index) const override;
};

} // namespace qs::app
