// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/Delegates.h"

#include "widgets/charts/ChartAxis.h"
#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"

#include <QApplication>
#include <QPainter>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

constexpr int kPadding = 8;

/// Selection, lines and focus as the style paints them, without the text.
void paintBackground(QPainter* painter, QStyleOptionViewItem filled) {
    filled.text.clear();
    filled.icon = {};
    filled.features &= ~(QStyleOptionViewItem::HasDisplay | QStyleOptionViewItem::HasDecoration);
    const QWidget* widget = filled.widget;
    QStyle* style = widget ? widget->style() : QApplication::style();
    style->drawControl(QStyle::CE_ItemViewItem, &filled, painter, widget);
}

QColor textColor(const QStyleOptionViewItem& option) {
    const bool on = option.state & QStyle::State_Enabled;
    return option.palette.color(on ? QPalette::Normal : QPalette::Disabled, QPalette::Text);
}

} // namespace

BitsPipsDelegate::BitsPipsDelegate(QObject* parent, int role) : QStyledItemDelegate(parent), m_role(role) {}

QString BitsPipsDelegate::displayText(const QVariant& value, const QLocale& locale) const {
    bool ok = false;
    const double bits = value.toDouble(&ok);
    return ok ? formatNumber(bits, 3) : QStyledItemDelegate::displayText(value, locale);
}

void BitsPipsDelegate::paintPips(QPainter& painter, const QRectF& rect, double bits) {
    const Theme& t = theme();
    const double y = std::round(rect.center().y() - 5.5);
    for (int i = 0; i < 8; ++i) {
        const double x = rect.left() + i * 7;
        const double filled = std::clamp(bits - i, 0.0, 1.0);
        if (filled < 1) painter.fillRect(QRectF(x, y, 5, 11), t.dark ? t.border : t.original);
        if (filled > 0) painter.fillRect(QRectF(x, y, std::max(1.0, std::round(5 * filled)), 11), t.accent);
    }
}

void BitsPipsDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                             const QModelIndex& index) const {
    QStyleOptionViewItem o = option;
    initStyleOption(&o, index);
    paintBackground(painter, o);
    bool ok = false;
    const double bits = index.data(m_role).toDouble(&ok);
    if (!ok || !(bits >= 0)) return;
    painter->save();
    painter->setClipRect(option.rect, Qt::IntersectClip);
    QRectF r = QRectF(option.rect).adjusted(kPadding, 0, -kPadding, 0);
    paintPips(*painter, r, bits);
    if (bits > 8) {
        painter->setFont(chartFont());
        painter->setPen(textColor(o));
        painter->drawText(r.adjusted(kWidth + 5, 0, 20, 0), Qt::AlignLeft | Qt::AlignVCenter,
                          formatNumber(bits, 2));
    }
    painter->restore();
}

QSize BitsPipsDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const {
    const QSize base = QStyledItemDelegate::sizeHint(option, index);
    return {kWidth + 2 * kPadding, base.height()};
}

ShareBarDelegate::ShareBarDelegate(int shareRole, bool predicted, QObject* parent)
    : QStyledItemDelegate(parent), m_shareRole(shareRole), m_predicted(predicted) {}

void ShareBarDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                             const QModelIndex& index) const {
    QStyleOptionViewItem o = option;
    initStyleOption(&o, index);
    const QString text = o.text;
    paintBackground(painter, o);
    const Theme& t = theme();
    const QFontMetrics fm(o.font);
    const int numberWidth = fm.horizontalAdvance(QStringLiteral("100.0"));
    QRect r = option.rect.adjusted(kPadding, 0, -kPadding, 0);
    painter->save();
    painter->setFont(o.font);
    painter->setPen(textColor(o));
    painter->drawText(QRect(r.left(), r.top(), numberWidth, r.height()), Qt::AlignRight | Qt::AlignVCenter,
                      text);
    const double share = index.data(m_shareRole).toDouble();
    const double room = r.width() - numberWidth - 6;
    if (share > 0 && room > 0) {
        const QColor fill = blend(m_predicted ? t.predicted : t.data, t.base, 0.75);
        painter->fillRect(QRectF(r.left() + numberWidth + 6, r.center().y() - 5,
                                 std::max(1.0, std::min(1.0, share) * room), 11),
                          fill);
    }
    painter->restore();
}

QSize ShareBarDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const {
    const QSize base = QStyledItemDelegate::sizeHint(option, index);
    return {option.fontMetrics.horizontalAdvance(QStringLiteral("100.0")) + 6 + 40 + 2 * kPadding,
            base.height()};
}

ProgressDelegate::ProgressDelegate(int fractionRole, int stateRole, QObject* parent)
    : QStyledItemDelegate(parent), m_fractionRole(fractionRole), m_stateRole(stateRole) {}

void ProgressDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                             const QModelIndex& index) const {
    QStyleOptionViewItem o = option;
    initStyleOption(&o, index);
    const QString text = o.text;
    paintBackground(painter, o);
    const Theme& t = theme();
    const State state = State(index.data(m_stateRole).toInt());
    const double fraction = index.data(m_fractionRole).toDouble();
    QRect r = option.rect.adjusted(kPadding, 0, -kPadding, 0);
    painter->save();
    painter->setClipRect(option.rect, Qt::IntersectClip);
    QColor color = t.accent;
    QString glyph;
    switch (state) {
    case Waiting:
        color = t.strongBorder, glyph = QStringLiteral("clock");
        break;
    case Running:
        break;
    case Paused:
        color = t.text3, glyph = QStringLiteral("pause");
        break;
    case Done:
        color = t.ok, glyph = QStringLiteral("tick");
        break;
    case Cancelled:
        color = t.text3, glyph = QStringLiteral("stop");
        break;
    case Failed:
        color = t.error, glyph = QStringLiteral("error");
        break;
    }
    const QRectF bar(r.left(), r.center().y() - 2.5, std::min(110.0, r.width() * 0.4), 7);
    painter->setRenderHint(QPainter::Antialiasing);
    painter->setPen(Qt::NoPen);
    painter->setBrush(t.border);
    painter->drawRoundedRect(bar, 3.5, 3.5);
    QRectF done = bar;
    if (fraction < 0 && state == Running)
        done = QRectF(bar.left() + bar.width() * 0.35, bar.top(), bar.width() * 0.3, bar.height());
    else
        done.setWidth(bar.width() * std::clamp(fraction, 0.0, 1.0));
    if (done.width() >= 1) {
        painter->setBrush(color);
        painter->drawRoundedRect(done, std::min(3.5, done.width() / 2), 3.5);
    }
    double x = bar.right() + 8;
    if (!glyph.isEmpty()) {
        paintIcon(*painter, QRectF(x, r.center().y() - 6, 14, 14), glyph, state == Waiting ? t.text3 : color);
        x += 18;
    }
    painter->setPen(state == Failed ? t.error : textColor(o));
    painter->setFont(o.font);
    const QRectF room(x, r.top(), r.right() - x, r.height());
    painter->drawText(room, Qt::AlignLeft | Qt::AlignVCenter,
                      QFontMetricsF(o.font).elidedText(text, Qt::ElideRight, room.width()));
    painter->restore();
}

QSize ProgressDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const {
    const QSize base = QStyledItemDelegate::sizeHint(option, index);
    return {base.width() + 140, base.height()};
}

} // namespace qs::ui
