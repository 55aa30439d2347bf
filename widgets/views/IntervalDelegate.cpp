// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/IntervalDelegate.h"

#include "widgets/theme/Theme.h"

#include <QPainter>
#include <cmath>

namespace qs::ui {

namespace {
constexpr double kBar = 48, kGap = 8;
constexpr double k95 = 1.959964; ///< standard errors on each side
} // namespace

IntervalDelegate::IntervalDelegate(const IntervalRoles& roles, QObject* parent)
    : QStyledItemDelegate(parent), m_roles(roles) {}

QSize IntervalDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const {
    return QStyledItemDelegate::sizeHint(option, index) + QSize(int(kBar + kGap), 0);
}

void IntervalDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                             const QModelIndex& index) const {
    QStyledItemDelegate::paint(painter, option, index);
    const auto number = [&](int role) {
        const QVariant v = index.data(role);
        return v.isValid() ? v.toDouble() : std::nan("");
    };
    const double value = number(m_roles.value), error = number(m_roles.error), low = number(m_roles.low),
                 high = number(m_roles.high);
    const double textWidth = option.fontMetrics.horizontalAdvance(index.data().toString());
    const QRectF bar(option.rect.left() + kGap, option.rect.top(), kBar, option.rect.height());
    if (!std::isfinite(value) || !std::isfinite(error) || !(low < high) ||
        option.rect.width() < textWidth + kBar + 3 * kGap)
        return;
    const auto at = [&](double v) { return bar.left() + bar.width() * (v - low) / (high - low); };
    const double y = std::round(bar.center().y()) + 0.5;
    const QVariant ink = index.data(Qt::ForegroundRole);
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    const QColor color = ink.isValid() ? ink.value<QBrush>().color() : theme().ok;
    painter->setPen(QPen(color, 1.4));
    painter->drawLine(QPointF(at(value - k95 * error), y), QPointF(at(value + k95 * error), y));
    for (const double end : {value - k95 * error, value + k95 * error})
        painter->drawLine(QPointF(at(end), y - 3), QPointF(at(end), y + 3));
    painter->setBrush(color);
    painter->setPen(Qt::NoPen);
    painter->drawEllipse(QPointF(at(value), y), 2.6, 2.6);
    painter->restore();
}

} // namespace qs::ui
