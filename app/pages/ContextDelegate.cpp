// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ContextDelegate.h"

#include "widgets/theme/Theme.h"

#include <QApplication>
#include <QPainter>

namespace qs::app {

void ContextDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                            const QModelIndex& index) const {
    QStyleOptionViewItem o = option;
    initStyleOption(&o, index);
    o.text.clear();
    const QStyle* style = o.widget ? o.widget->style() : QApplication::style();
    style->drawControl(QStyle::CE_ItemViewItem, &o, painter, o.widget);
    const QFontMetrics plain(o.font), bold(ui::boldFont());
    const QRect room = option.rect.adjusted(6, 0, -4, 0);
    const QString token = bold.elidedText(index.data(TokenRole).toString(), Qt::ElideRight, room.width());
    const int width = bold.horizontalAdvance(token);
    const QString before =
        plain.elidedText(index.data(BeforeRole).toString(), Qt::ElideLeft, std::max(0, room.width() - width));
    painter->save();
    painter->setFont(o.font);
    painter->setPen(ui::theme().text2);
    painter->drawText(room, Qt::AlignLeft | Qt::AlignVCenter, before);
    painter->setFont(ui::boldFont());
    painter->setPen(ui::theme().text);
    painter->drawText(room.adjusted(plain.horizontalAdvance(before), 0, 0, 0),
                      Qt::AlignLeft | Qt::AlignVCenter, token);
    painter->restore();
}

} // namespace qs::app
