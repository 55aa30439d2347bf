// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/AgainstDelegate.h"

#include "app/pages/EvaluationModel.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"

#include <QApplication>
#include <QPainter>

namespace qs::app {

void AgainstDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                            const QModelIndex& index) const {
    const QVariant tone = index.data(EvaluationModel::ToneRole);
    if (!tone.isValid()) return QStyledItemDelegate::paint(painter, option, index);
    QStyleOptionViewItem o = option;
    initStyleOption(&o, index);
    const QString chip = index.data(EvaluationModel::ChipRole).toString();
    const QString rest = o.text.mid(chip.size()).trimmed();
    o.text.clear();
    const QStyle* style = o.widget ? o.widget->style() : QApplication::style();
    style->drawControl(QStyle::CE_ItemViewItem, &o, painter, o.widget);
    const int width = std::min(option.rect.width() - 8, o.fontMetrics.horizontalAdvance(chip) + 14);
    const QRect box(option.rect.left() + 4, option.rect.top() + 2, width, option.rect.height() - 4);
    painter->save();
    painter->setFont(o.font);
    ui::Chip::paintChip(*painter, box, o.fontMetrics.elidedText(chip, Qt::ElideRight, width - 10),
                        ui::Chip::Tone(tone.toInt()));
    painter->setPen(ui::theme().text);
    const QRect text(box.right() + 8, option.rect.top(), option.rect.right() - box.right() - 10,
                     option.rect.height());
    painter->drawText(text, Qt::AlignLeft | Qt::AlignVCenter,
                      o.fontMetrics.elidedText(rest, Qt::ElideRight, text.width()));
    painter->restore();
}

} // namespace qs::app
