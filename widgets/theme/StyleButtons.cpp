// SPDX-License-Identifier: GPL-3.0-or-later
// Push buttons, tool buttons, check boxes, radio buttons, group boxes.
#include "widgets/theme/Style.h"
#include "widgets/theme/StyleDetail.h"

#include <QPainter>
#include <QPainterPath>
#include <QPushButton>

namespace qs::ui {

namespace {

constexpr double kRadius = 3;

void drawPushButton(const QStyleOption* option, QPainter& p, const QWidget* widget) {
    const Theme& t = theme();
    const bool primary = widget && widget->property("primary").toBool();
    const bool filled = primary || isOn(option, QStyle::State_On);
    QColor fill = filled ? t.accent : t.base;
    if (isOn(option, QStyle::State_Sunken))
        fill = filled ? blend(t.text, t.accent, 0.18) : t.header;
    else if (isOn(option, QStyle::State_MouseOver) && isOn(option, QStyle::State_Enabled))
        fill = filled ? blend(t.text, t.accent, 0.08) : t.window;
    if (!isOn(option, QStyle::State_Enabled)) fill = filled ? blend(t.accent, t.window, 0.45) : t.window;
    QColor edge = filled ? fill : edgeColor(option);
    paintControlFrame(p, option->rect, fill, edge);
    if (isOn(option, QStyle::State_HasFocus) && filled) {
        p.setPen(QPen(t.onAccent, 1));
        p.setBrush(Qt::NoBrush);
        p.drawRoundedRect(QRectF(option->rect).adjusted(2.5, 2.5, -2.5, -2.5), 2, 2);
    }
}

/// Icon, 6 px, text, centred together.
void drawIconAndText(QPainter& p, const QRect& rect, const QIcon& icon, const QSize& iconSize,
                     const QString& text, const QColor& color, bool enabled) {
    const int gap = icon.isNull() || text.isEmpty() ? 0 : 6;
    const int iconWidth = icon.isNull() ? 0 : iconSize.width();
    const int textWidth = p.fontMetrics().size(Qt::TextShowMnemonic, text).width();
    int x = rect.left() + std::max(2, (rect.width() - iconWidth - gap - textWidth) / 2);
    if (!icon.isNull())
        icon.paint(&p, QRect(QPoint(x, rect.center().y() - iconSize.height() / 2 + 1), iconSize),
                   Qt::AlignCenter, enabled ? QIcon::Normal : QIcon::Disabled);
    x += iconWidth + gap;
    p.setPen(color);
    p.drawText(QRect(x, rect.top(), rect.right() - x + 1, rect.height()),
               Qt::AlignLeft | Qt::AlignVCenter | Qt::TextShowMnemonic, text);
}

void drawPushButtonLabel(const QStyleOptionButton& o, QPainter& p, const QWidget* widget) {
    const Theme& t = theme();
    const bool primary = widget && widget->property("primary").toBool();
    const bool filled = primary || isOn(&o, QStyle::State_On);
    QRect r = o.rect;
    if (o.features & QStyleOptionButton::HasMenu) {
        paintArrow(p, QRectF(r.right() - 16, r.top(), 12, r.height()), Arrow::Down,
                   faded(filled ? t.onAccent : t.text2, &o));
        r.setRight(r.right() - 14);
    }
    if (primary) {
        QFont bold = p.font();
        bold.setBold(true);
        p.setFont(bold);
    }
    const bool enabled = isOn(&o, QStyle::State_Enabled);
    const QColor ink = filled ? (enabled ? t.onAccent : t.base) : faded(t.text, &o);
    drawIconAndText(p, r, o.icon, o.iconSize, o.text, ink, enabled);
}

void drawToolPanel(const QStyleOption* option, QPainter& p) {
    const Theme& t = theme();
    QColor fill;
    if (isOn(option, QStyle::State_Sunken) || isOn(option, QStyle::State_On))
        fill = t.selection;
    else if (isOn(option, QStyle::State_MouseOver) && isOn(option, QStyle::State_Enabled))
        fill = t.dark ? t.border : t.header;
    const bool focus =
        isOn(option, QStyle::State_HasFocus) && isOn(option, QStyle::State_KeyboardFocusChange);
    if (fill.isValid() || focus)
        paintControlFrame(p, option->rect, fill.isValid() ? fill : QColor(Qt::transparent),
                          focus ? t.accent : (fill.isValid() ? fill : QColor(Qt::transparent)));
}

Arrow arrowOf(Qt::ArrowType type) {
    switch (type) {
    case Qt::UpArrow:
        return Arrow::Up;
    case Qt::LeftArrow:
        return Arrow::Left;
    case Qt::RightArrow:
        return Arrow::Right;
    default:
        return Arrow::Down;
    }
}

/// Panel, label and, for a menu, an arrow in the last 16 px (behind a line when the two halves act apart).
void drawToolButton(const QStyleOptionToolButton& o, QPainter& p, const QWidget* widget,
                    const QStyle& style) {
    QStyleOptionToolButton label = o;
    style.drawPrimitive(QStyle::PE_PanelButtonTool, &o, &p, widget);
    const bool split = o.features & QStyleOptionToolButton::MenuButtonPopup;
    const bool menu = split || o.features & QStyleOptionToolButton::HasMenu;
    if (menu) {
        label.rect.setRight(label.rect.right() - 14);
        const QRectF arrow(o.rect.right() - 15, o.rect.top(), 12, o.rect.height());
        paintArrow(p, arrow, Arrow::Down, faded(theme().text2, &o));
        if (split && isOn(&o, QStyle::State_MouseOver))
            p.fillRect(QRectF(arrow.left() - 2, o.rect.top() + 5, 1, o.rect.height() - 10),
                       theme().strongBorder);
    }
    label.features &= ~QStyleOptionToolButton::ToolButtonFeatures(QStyleOptionToolButton::HasMenu);
    style.drawControl(QStyle::CE_ToolButtonLabel, &label, &p, widget);
}

void drawGroupBox(const QStyleOptionGroupBox& o, QPainter& p) {
    const Theme& t = theme();
    p.fillRect(QRect(o.rect.left(), o.rect.top(), o.rect.width(), 1), t.border);
    if (o.text.isEmpty()) return;
    p.setFont(boldFont());
    p.setPen(faded(t.text, &o));
    p.drawText(QRect(o.rect.left(), o.rect.top() + 4, o.rect.width(), o.fontMetrics.height() + 2),
               Qt::AlignLeft | Qt::AlignVCenter | Qt::TextShowMnemonic, o.text);
}

void drawCheck(const QStyleOption* option, QPainter& p, bool radio) {
    const Theme& t = theme();
    p.setRenderHint(QPainter::Antialiasing);
    QRectF r = QRectF(option->rect);
    r = QRectF(r.center() - QPointF(6.5, 6.5), QSizeF(13, 13));
    const bool on = isOn(option, QStyle::State_On), partial = isOn(option, QStyle::State_NoChange);
    const QColor fill = on || partial ? faded(t.accent, option) : fieldFill(option);
    p.setPen(QPen(on || partial ? fill : (isOn(option, QStyle::State_Enabled) ? t.text3 : t.border), 1));
    p.setBrush(fill);
    if (radio)
        p.drawEllipse(r);
    else
        p.drawRoundedRect(r, kRadius, kRadius);
    if (radio && on) {
        p.setPen(Qt::NoPen);
        p.setBrush(t.onAccent);
        p.drawEllipse(r.center(), 2.5, 2.5);
    } else if (partial) {
        p.fillRect(QRectF(r.center().x() - 3.5, r.center().y() - 1, 7, 2), t.onAccent);
    } else if (on) {
        QPainterPath tick;
        tick.moveTo(r.left() + 3, r.center().y() + 0.3);
        tick.lineTo(r.left() + 5.4, r.bottom() - 3.6);
        tick.lineTo(r.right() - 2.8, r.top() + 3.6);
        p.setPen(QPen(t.onAccent, 1.6, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
        p.setBrush(Qt::NoBrush);
        p.drawPath(tick);
    }
}

} // namespace

bool Style::drawButtonPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                                const QWidget* widget) const {
    switch (element) {
    case PE_PanelButtonCommand:
    case PE_PanelButtonBevel:
        drawPushButton(option, *painter, widget);
        return true;
    case PE_FrameDefaultButton:
        return true;
    case PE_PanelButtonTool:
    case PE_FrameButtonTool:
        drawToolPanel(option, *painter);
        return true;
    case PE_IndicatorButtonDropDown:
        return true;
    case PE_IndicatorCheckBox:
    case PE_IndicatorItemViewItemCheck:
        drawCheck(option, *painter, false);
        return true;
    case PE_IndicatorRadioButton:
        drawCheck(option, *painter, true);
        return true;
    case PE_IndicatorArrowUp:
        paintArrow(*painter, option->rect, Arrow::Up, faded(theme().text2, option));
        return true;
    case PE_IndicatorArrowDown:
        paintArrow(*painter, option->rect, Arrow::Down, faded(theme().text2, option));
        return true;
    case PE_IndicatorArrowLeft:
        paintArrow(*painter, option->rect, Arrow::Left, faded(theme().text2, option));
        return true;
    case PE_IndicatorArrowRight:
        paintArrow(*painter, option->rect, Arrow::Right, faded(theme().text2, option));
        return true;
    default:
        return false;
    }
}

bool Style::drawButtonControl(ControlElement element, const QStyleOption* option, QPainter* painter,
                              const QWidget* widget) const {
    switch (element) {
    case CE_PushButtonLabel:
        if (const auto* button = qstyleoption_cast<const QStyleOptionButton*>(option))
            drawPushButtonLabel(*button, *painter, widget);
        return true;
    case CE_ToolButtonLabel: {
        const auto* tool = qstyleoption_cast<const QStyleOptionToolButton*>(option);
        if (!tool || tool->toolButtonStyle != Qt::ToolButtonTextBesideIcon || tool->text.isEmpty())
            return false;
        QRect area = tool->rect;
        if (tool->features & QStyleOptionToolButton::Arrow && tool->arrowType != Qt::NoArrow) {
            paintArrow(*painter, QRectF(area.left() + 4, area.top(), 12, area.height()),
                       arrowOf(tool->arrowType), faded(theme().text2, option));
            area.setLeft(area.left() + kArrowRoom);
        }
        drawIconAndText(*painter, area, tool->icon, tool->iconSize, tool->text, faded(theme().text, option),
                        isOn(option, State_Enabled));
        return true;
    }
    default:
        return false;
    }
}

bool Style::drawButtonComplex(ComplexControl control, const QStyleOptionComplex* option, QPainter* painter,
                              const QWidget* widget) const {
    if (const auto* tool = qstyleoption_cast<const QStyleOptionToolButton*>(option);
        control == CC_ToolButton && tool) {
        drawToolButton(*tool, *painter, widget, *this);
        return true;
    }
    const auto* box = qstyleoption_cast<const QStyleOptionGroupBox*>(option);
    if (control != CC_GroupBox || !box || box->subControls & SC_GroupBoxCheckBox) return false;
    drawGroupBox(*box, *painter);
    return true;
}

} // namespace qs::ui
