// SPDX-License-Identifier: GPL-3.0-or-later
// Fields, sliders, scroll bars, progress, menus, bars, frames; and the three entry points of drawing.
#include "widgets/theme/Style.h"

#include "widgets/theme/StyleDetail.h"

#include <QAbstractItemView>
#include <QComboBox>
#include <QLineEdit>
#include <QMenu>
#include <QPainter>
#include <QPainterPath>
#include <QPushButton>
#include <QStyleOption>
#include <QToolBar>

namespace qs::ui {

namespace {

void drawSlider(const QStyleOptionSlider& o, QPainter& p, const QRect& groove, const QRect& handle) {
    const Theme& t = theme();
    p.setRenderHint(QPainter::Antialiasing);
    const bool horizontal = o.orientation == Qt::Horizontal;
    const QPointF c = QRectF(handle).center();
    const QRectF line = horizontal ? QRectF(groove.left() + 4, c.y() - 1.5, groove.width() - 8, 3)
                                   : QRectF(c.x() - 1.5, groove.top() + 4, 3, groove.height() - 8);
    p.setPen(Qt::NoPen);
    p.setBrush(t.strongBorder);
    p.drawRoundedRect(line, 1.5, 1.5);
    QRectF filled = line;
    if (horizontal)
        o.upsideDown ? filled.setLeft(c.x()) : filled.setRight(c.x());
    else
        o.upsideDown ? filled.setTop(c.y()) : filled.setBottom(c.y());
    p.setBrush(faded(t.accent, &o));
    p.drawRoundedRect(filled, 1.5, 1.5);
    if (isOn(&o, QStyle::State_HasFocus)) {
        p.setBrush(t.selection);
        p.setPen(QPen(t.accent, 1));
        p.drawEllipse(c, 8, 8);
    }
    p.setPen(QPen(t.base, 1.5));
    p.setBrush(faded(t.accent, &o));
    p.drawEllipse(c, 6, 6);
}

void drawScrollBar(const QStyleOptionSlider& o, QPainter& p, const QRect& handle) {
    const Theme& t = theme();
    p.fillRect(o.rect, t.window);
    if (o.maximum <= o.minimum) return;
    const bool active = isOn(&o, QStyle::State_MouseOver) || isOn(&o, QStyle::State_Sunken);
    p.setRenderHint(QPainter::Antialiasing);
    p.setPen(Qt::NoPen);
    p.setBrush(active ? t.text3 : t.strongBorder);
    const QRectF r = o.orientation == Qt::Horizontal ? QRectF(handle).adjusted(1, 3, -1, -2)
                                                     : QRectF(handle).adjusted(3, 1, -2, -1);
    p.drawRoundedRect(r, 3, 3);
}

void drawProgress(const QStyleOptionProgressBar& o, QPainter& p) {
    const Theme& t = theme();
    p.setRenderHint(QPainter::Antialiasing);
    const QRectF full = QRectF(o.rect);
    const double height = std::min(8.0, full.height());
    const double labelWidth =
        o.textVisible && !o.text.isEmpty() ? o.fontMetrics.horizontalAdvance(o.text) + 8 : 0;
    const QRectF r(full.left(), full.center().y() - height / 2, std::max(8.0, full.width() - labelWidth),
                   height);
    p.setPen(Qt::NoPen);
    p.setBrush(t.dark ? t.border : t.border);
    p.drawRoundedRect(r, height / 2, height / 2);
    const double range = double(o.maximum) - o.minimum;
    QRectF done = r;
    if (range > 0)
        done.setWidth(r.width() * std::clamp((double(o.progress) - o.minimum) / range, 0.0, 1.0));
    else
        done = QRectF(r.left() + r.width() * 0.3, r.top(), r.width() * 0.4, r.height());
    if (done.width() > 0.5) {
        p.setBrush(faded(t.accent, &o));
        p.drawRoundedRect(done, std::min(height, done.width()) / 2, height / 2);
    }
    if (labelWidth > 0) {
        p.setPen(faded(t.text2, &o));
        p.drawText(full, Qt::AlignRight | Qt::AlignVCenter, o.text);
    }
}

void drawCombo(const QStyleOptionComboBox& o, QPainter& p, const QRect& arrow) {
    const Theme& t = theme();
    QColor fill = fieldFill(&o);
    if (isOn(&o, QStyle::State_MouseOver) && isOn(&o, QStyle::State_Enabled) && !o.editable) fill = t.window;
    if (o.frame) paintControlFrame(p, o.rect, fill, edgeColor(&o));
    paintArrow(p, arrow, Arrow::Down, faded(t.text2, &o));
}

void drawSpin(const QStyleOptionSpinBox& o, QPainter& p, const QRect& up, const QRect& down) {
    const Theme& t = theme();
    if (o.frame) paintControlFrame(p, o.rect, fieldFill(&o), edgeColor(&o));
    if (o.buttonSymbols == QAbstractSpinBox::NoButtons) return;
    const auto color = [&](QAbstractSpinBox::StepEnabledFlag flag) {
        return o.stepEnabled & flag ? faded(t.text2, &o) : t.strongBorder;
    };
    paintArrow(p, QRectF(up).translated(0, 1), Arrow::Up, color(QAbstractSpinBox::StepUpEnabled));
    paintArrow(p, QRectF(down).translated(0, -1), Arrow::Down, color(QAbstractSpinBox::StepDownEnabled));
}

} // namespace

void paintControlFrame(QPainter& painter, const QRectF& rect, const QColor& fill, const QColor& edge) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(edge, 1));
    painter.setBrush(fill);
    painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3);
    painter.restore();
}

void paintArrow(QPainter& painter, const QRectF& rect, Arrow arrow, const QColor& color, double size) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(color);
    painter.translate(rect.center());
    switch (arrow) {
    case Arrow::Up:
        painter.rotate(180);
        break;
    case Arrow::Left:
        painter.rotate(90);
        break;
    case Arrow::Right:
        painter.rotate(-90);
        break;
    case Arrow::Down:
        break;
    }
    painter.scale(size / 7, size / 7);
    painter.drawPolygon(QPolygonF({{-3.5, -2.0}, {3.5, -2.0}, {0, 2.5}}));
    painter.restore();
}

bool Style::drawFramePrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                               const QWidget* widget) const {
    const Theme& t = theme();
    switch (element) {
    case PE_PanelLineEdit:
        if (const auto* frame = qstyleoption_cast<const QStyleOptionFrame*>(option)) {
            // Editors inside spin and combo boxes have no frame of their own.
            if (frame->lineWidth > 0)
                paintControlFrame(*painter, option->rect, fieldFill(option), edgeColor(option));
        }
        return true;
    case PE_FrameLineEdit:
        return true;
    case PE_FrameFocusRect:
        if (!qobject_cast<const QAbstractItemView*>(widget) && isOn(option, State_KeyboardFocusChange))
            paintControlFrame(*painter, option->rect, Qt::transparent, t.accent);
        return true;
    case PE_FrameMenu:
    case PE_PanelTipLabel: {
        painter->save();
        painter->setPen(t.dark ? t.strongBorder : t.border);
        painter->setBrush(element == PE_PanelTipLabel ? QBrush(t.base) : Qt::NoBrush);
        painter->drawRect(option->rect.adjusted(0, 0, -1, -1));
        painter->restore();
        return true;
    }
    case PE_PanelMenu:
        painter->fillRect(option->rect, t.base);
        return true;
    case PE_Frame:
    case PE_FrameWindow: {
        painter->save();
        painter->setPen(t.border);
        painter->setBrush(Qt::NoBrush);
        painter->drawRect(option->rect.adjusted(0, 0, -1, -1));
        painter->restore();
        return true;
    }
    case PE_FrameGroupBox: {
        painter->save();
        painter->setPen(t.border);
        painter->drawLine(option->rect.topLeft(), option->rect.topRight());
        painter->restore();
        return true;
    }
    case PE_FrameStatusBarItem:
        painter->fillRect(QRect(option->rect.right() + 2, option->rect.center().y() - 7, 1, 15), t.border);
        return true;
    case PE_PanelStatusBar:
        painter->fillRect(option->rect, t.window);
        painter->fillRect(QRect(option->rect.topLeft(), QSize(option->rect.width(), 1)), t.border);
        return true;
    case PE_PanelMenuBar:
        return true;
    case PE_IndicatorToolBarSeparator: {
        const QPoint c = option->rect.center();
        if (isOn(option, State_Horizontal))
            painter->fillRect(QRect(c.x(), c.y() - 11, 1, 22), t.border);
        else
            painter->fillRect(QRect(c.x() - 11, c.y(), 22, 1), t.border);
        return true;
    }
    case PE_IndicatorToolBarHandle:
        return true;
    case PE_IndicatorDockWidgetResizeHandle:
        painter->fillRect(option->rect, t.window);
        if (option->rect.width() < option->rect.height())
            painter->fillRect(QRect(option->rect.center().x(), option->rect.y(), 1, option->rect.height()),
                              t.border);
        else
            painter->fillRect(QRect(option->rect.x(), option->rect.center().y(), option->rect.width(), 1),
                              t.border);
        return true;
    default:
        return false;
    }
}

bool Style::drawBarControl(ControlElement element, const QStyleOption* option, QPainter* painter,
                           const QWidget* widget) const {
    const Theme& t = theme();
    switch (element) {
    case CE_MenuItem: {
        const auto* item = qstyleoption_cast<const QStyleOptionMenuItem*>(option);
        if (!item || !isOn(option, State_Selected) || item->menuItemType == QStyleOptionMenuItem::Separator)
            return false;
        if (isOn(option, State_Enabled)) painter->fillRect(option->rect, t.selection);
        QStyleOptionMenuItem flat = *item; // Fusion would frame the highlight
        flat.state &= ~State_Selected;
        QProxyStyle::drawControl(element, &flat, painter, widget);
        return true;
    }
    case CE_MenuBarEmptyArea:
        painter->fillRect(option->rect, t.window);
        return true;
    case CE_MenuBarItem: {
        const auto* item = qstyleoption_cast<const QStyleOptionMenuItem*>(option);
        if (!item) return false;
        painter->fillRect(option->rect, t.window);
        if (isOn(option, State_Selected) || isOn(option, State_Sunken))
            painter->fillRect(option->rect.adjusted(0, 2, 0, -2), t.selection);
        painter->setPen(faded(t.text, option));
        const int flags = Qt::AlignCenter |
                          (styleHint(SH_UnderlineShortcut, option, widget, nullptr) ? Qt::TextShowMnemonic
                                                                                    : Qt::TextHideMnemonic);
        painter->drawText(option->rect, flags, item->text);
        return true;
    }
    case CE_ToolBar:
        painter->fillRect(option->rect, t.window);
        painter->fillRect(QRect(option->rect.left(), option->rect.bottom(), option->rect.width(), 1),
                          t.border);
        return true;
    case CE_ProgressBar:
        if (const auto* bar = qstyleoption_cast<const QStyleOptionProgressBar*>(option)) {
            painter->save();
            drawProgress(*bar, *painter);
            painter->restore();
        }
        return true;
    case CE_DockWidgetTitle: {
        const auto* dock = qstyleoption_cast<const QStyleOptionDockWidget*>(option);
        if (!dock) return false;
        painter->fillRect(option->rect, t.header);
        painter->setFont(boldFont());
        painter->setPen(t.text);
        painter->drawText(option->rect.adjusted(8, 0, -40, 0), Qt::AlignVCenter | Qt::AlignLeft, dock->title);
        return true;
    }
    case CE_Splitter: {
        painter->fillRect(option->rect, t.window);
        const bool vertical = option->rect.width() > option->rect.height();
        const bool hot = isOn(option, State_MouseOver) || isOn(option, State_Sunken);
        const QRect r = option->rect;
        const QPoint c = r.center();
        if (vertical) {
            painter->fillRect(QRect(r.left(), r.top(), r.width(), 1), t.border);
            painter->fillRect(QRect(r.left(), r.bottom(), r.width(), 1), t.border);
            painter->fillRect(QRect(c.x() - 13, c.y(), 26, 1), hot ? t.accent : t.strongBorder);
        } else {
            painter->fillRect(QRect(r.left(), r.top(), 1, r.height()), t.border);
            painter->fillRect(QRect(r.right(), r.top(), 1, r.height()), t.border);
            painter->fillRect(QRect(c.x(), c.y() - 13, 1, 26), hot ? t.accent : t.strongBorder);
        }
        return true;
    }
    default:
        return false;
    }
}

/// A text too long for the box ends in an ellipsis, not in half a letter.
void Style::drawComboLabel(const QStyleOptionComboBox& combo, QPainter* painter,
                           const QWidget* widget) const {
    QStyleOptionComboBox o = combo;
    int room = subControlRect(CC_ComboBox, &o, SC_ComboBoxEditField, widget).width() - 2;
    if (!o.currentIcon.isNull()) room -= o.iconSize.width() + 4;
    o.currentText = o.fontMetrics.elidedText(o.currentText, Qt::ElideRight, room);
    QProxyStyle::drawControl(CE_ComboBoxLabel, &o, painter, widget);
}

void Style::drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                          const QWidget* widget) const {
    painter->save();
    const bool done = drawButtonPrimitive(element, option, painter, widget) ||
                      drawFramePrimitive(element, option, painter, widget) ||
                      drawViewPrimitive(element, option, painter, widget);
    painter->restore();
    if (!done) QProxyStyle::drawPrimitive(element, option, painter, widget);
}

void Style::drawControl(ControlElement element, const QStyleOption* option, QPainter* painter,
                        const QWidget* widget) const {
    painter->save();
    const bool done = drawButtonControl(element, option, painter, widget) ||
                      drawBarControl(element, option, painter, widget) ||
                      drawViewControl(element, option, painter, widget);
    painter->restore();
    const auto* combo = qstyleoption_cast<const QStyleOptionComboBox*>(option);
    if (element == CE_ComboBoxLabel && combo)
        drawComboLabel(*combo, painter, widget);
    else if (!done)
        QProxyStyle::drawControl(element, option, painter, widget);
}

void Style::drawComplexControl(ComplexControl control, const QStyleOptionComplex* option, QPainter* painter,
                               const QWidget* widget) const {
    painter->save();
    bool done = true;
    if (control == CC_ScrollBar) {
        if (const auto* o = qstyleoption_cast<const QStyleOptionSlider*>(option))
            drawScrollBar(*o, *painter, subControlRect(control, option, SC_ScrollBarSlider, widget));
    } else if (control == CC_Slider) {
        if (const auto* o = qstyleoption_cast<const QStyleOptionSlider*>(option))
            drawSlider(*o, *painter, o->rect, subControlRect(control, option, SC_SliderHandle, widget));
    } else if (control == CC_ComboBox) {
        if (const auto* o = qstyleoption_cast<const QStyleOptionComboBox*>(option))
            drawCombo(*o, *painter, subControlRect(control, option, SC_ComboBoxArrow, widget));
    } else if (control == CC_SpinBox) {
        if (const auto* o = qstyleoption_cast<const QStyleOptionSpinBox*>(option))
            drawSpin(*o, *painter, subControlRect(control, option, SC_SpinBoxUp, widget),
                     subControlRect(control, option, SC_SpinBoxDown, widget));
    } else if (!drawButtonComplex(control, option, painter, widget)) {
        done = false;
    }
    painter->restore();
    if (!done) QProxyStyle::drawComplexControl(control, option, painter, widget);
}

} // namespace qs::ui
