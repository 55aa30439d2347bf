// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/RunLetterDelegate.h"

#include "widgets/theme/ColorMap.h"
#include "widgets/theme/Theme.h"

#include <QApplication>
#include <QPainter>

namespace qs::app {

void RunLetterDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                              const QModelIndex& index) const {
    QStyleOptionViewItem o = option;
    initStyleOption(&o, index);
    const QString letter = o.text;
    o.text.clear();
    const QStyle* style = o.widget ? o.widget->style() : QApplication::style();
    style->drawControl(QStyle::CE_ItemViewItem, &o, painter, o.widget);
    if (letter.isEmpty()) return;
    const int i = std::clamp(letter[0].unicode() - 'A', 0, 3);
    const QColor fill = ui::theme().runs[size_t(i)];
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    const QRectF box(option.rect.center().x() - 9, option.rect.center().y() - 7, 18, 15);
    painter->setPen(Qt::NoPen);
    painter->setBrush(fill);
    painter->drawRoundedRect(box, 3, 3);
    painter->setPen(ui::textOn(fill));
    painter->setFont(ui::boldFont());
    painter->drawText(box, Qt::AlignCenter, letter);
    painter->restore();
}

} // namespace qs::app
