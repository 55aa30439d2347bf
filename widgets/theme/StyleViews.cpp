// SPDX-License-Identifier: GPL-3.0-or-later
// Item views, headers and tabs: selection fill, an accent line above and below the current table row, an
// accent bar at the left of the current tree row, one accent line on the current tab.
#include "widgets/theme/Style.h"

#include "widgets/theme/Theme.h"

#include <QHeaderView>
#include <QPainter>
#include <QStyleOption>
#include <QTabBar>
#include <QTableView>
#include <QTreeView>

namespace qs::ui {

namespace {

bool isCurrentRow(const QAbstractItemView& view, const QModelIndex& index) {
    const QModelIndex current = view.currentIndex();
    return current.isValid() && index.isValid() && current.row() == index.row() &&
           current.parent() == index.parent();
}

/// The grid line under a row and the accent lines around the current one.
void drawTableLines(const QTableView& table, const QStyleOptionViewItem& o, QPainter& p) {
    const Theme& t = theme();
    const QRect r = o.rect;
    const int bottom = r.bottom();
    if (!table.showGrid()) p.fillRect(QRect(r.left(), bottom, r.width(), 1), t.grid);
    if (!isCurrentRow(table, o.index) || !(o.state & QStyle::State_Selected)) return;
    p.fillRect(QRect(r.left(), r.top(), r.width(), 1), t.accent);
    p.fillRect(QRect(r.left(), bottom, r.width(), 1), t.accent);
    const bool cellMode = table.selectionBehavior() == QAbstractItemView::SelectItems;
    if (cellMode && table.currentIndex() == o.index && (o.state & QStyle::State_HasFocus)) {
        p.setPen(QPen(t.accent, 1, Qt::DotLine));
        p.setBrush(Qt::NoBrush);
        p.drawRect(r.adjusted(1, 2, -2, -3));
    }
}

} // namespace

bool Style::drawViewPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                              const QWidget* widget) const {
    const Theme& t = theme();
    switch (element) {
    case PE_PanelItemViewRow: {
        // QTableView asks per cell and the cell paints itself; a tree needs the row for its indentation.
        if (option->state & State_Selected && qobject_cast<const QTreeView*>(widget))
            painter->fillRect(option->rect, t.selection);
        return true;
    }
    case PE_PanelItemViewItem: {
        const auto* item = qstyleoption_cast<const QStyleOptionViewItem*>(option);
        if (!item) return false;
        if (option->state & State_Selected)
            painter->fillRect(option->rect, t.selection);
        else if (item->backgroundBrush.style() != Qt::NoBrush)
            painter->fillRect(option->rect, item->backgroundBrush);
        return true;
    }
    case PE_IndicatorBranch:
        if (option->state & State_Children) {
            const bool open = option->state & State_Open;
            const bool rtl = option->direction == Qt::RightToLeft;
            paintArrow(*painter, option->rect, open ? Arrow::Down : (rtl ? Arrow::Left : Arrow::Right),
                       t.text2, 6);
        }
        return true;
    case PE_IndicatorItemViewItemDrop:
        painter->fillRect(option->rect, t.accent);
        return true;
    case PE_FrameTabBarBase: {
        const QRect r = widget ? widget->rect() : option->rect;
        painter->fillRect(r, t.header);
        painter->fillRect(QRect(r.left(), r.bottom(), r.width(), 1), t.border);
        return true;
    }
    case PE_FrameTabWidget:
        return true;
    case PE_IndicatorHeaderArrow:
        return true; // drawn beside the text by CE_HeaderLabel
    case PE_IndicatorColumnViewArrow:
        return false;
    default:
        return false;
    }
}

void Style::drawTabShape(const QStyleOptionTab& tab, QPainter* painter, const QWidget* widget) const {
    const Theme& t = theme();
    const QRect r = tab.rect;
    if (!(tab.state & State_Selected)) {
        if (tab.state & State_MouseOver && tab.state & State_Enabled)
            painter->fillRect(r.adjusted(0, 2, 0, -1), blend(t.base, t.header, 0.5));
        return;
    }
    painter->fillRect(r, t.base);
    painter->fillRect(QRect(r.left(), r.top(), 1, r.height()), t.border);
    painter->fillRect(QRect(r.right(), r.top(), 1, r.height()), t.border);
    painter->fillRect(QRect(r.left(), r.top(), r.width(), 2), t.accent);
    if (tab.state & State_HasFocus && tab.state & State_KeyboardFocusChange)
        paintControlFrame(*painter, QRectF(r).adjusted(3, 4, -3, -2), Qt::transparent, t.accent);
    Q_UNUSED(widget);
}

void Style::drawTabLabel(const QStyleOptionTab& tab, QPainter* painter, const QWidget* widget) const {
    const Theme& t = theme();
    const bool selected = tab.state & State_Selected;
    QColor color = selected ? t.text : t.text2;
    if (!(tab.state & State_Enabled)) color = blend(color, t.header, 0.55);
    painter->setPen(color);
    painter->setFont(selected ? boldFont() : bodyFont());
    const bool sides = !tab.leftButtonSize.isEmpty() || !tab.rightButtonSize.isEmpty();
    QRect r = sides ? subElementRect(SE_TabBarTabText, &tab, widget) : tab.rect;
    if (!tab.icon.isNull()) {
        const QRect ir(r.left() + 10, r.center().y() - 7, 16, 16);
        tab.icon.paint(painter, ir, Qt::AlignCenter,
                       tab.state & State_Enabled ? QIcon::Normal : QIcon::Disabled);
        r.setLeft(ir.right());
    }
    painter->drawText(r.translated(0, 1), Qt::AlignCenter | Qt::TextHideMnemonic, tab.text);
}

void Style::drawViewItem(const QStyleOptionViewItem& item, QPainter* painter, const QWidget* widget) const {
    const Theme& t = theme();
    QStyleOptionViewItem o = item;
    // Selected text keeps its colour; a foreground role reaches us through the palette and must survive
    // selection too.
    o.palette.setColor(QPalette::HighlightedText, o.palette.color(QPalette::Text));
    o.state &= ~State_HasFocus;
    painter->save();
    QProxyStyle::drawControl(CE_ItemViewItem, &o, painter, widget);
    painter->restore();
    if (const auto* table = qobject_cast<const QTableView*>(widget)) {
        drawTableLines(*table, item, *painter);
    } else if (const auto* tree = qobject_cast<const QTreeView*>(widget)) {
        const bool first = tree->header()->logicalIndexAt(0) == item.index.column();
        if (first && item.state & State_Selected && isCurrentRow(*tree, item.index))
            painter->fillRect(QRect(0, item.rect.top(), 3, item.rect.height()), t.accent);
    }
}

bool Style::drawViewControl(ControlElement element, const QStyleOption* option, QPainter* painter,
                            const QWidget* widget) const {
    const Theme& t = theme();
    switch (element) {
    case CE_ItemViewItem:
        if (const auto* item = qstyleoption_cast<const QStyleOptionViewItem*>(option)) {
            drawViewItem(*item, painter, widget);
            return true;
        }
        return false;
    case CE_TabBarTabShape:
        if (const auto* tab = qstyleoption_cast<const QStyleOptionTab*>(option))
            drawTabShape(*tab, painter, widget);
        return true;
    case CE_TabBarTabLabel:
        if (const auto* tab = qstyleoption_cast<const QStyleOptionTab*>(option))
            drawTabLabel(*tab, painter, widget);
        return true;
    case CE_Header: {
        // Qt's own version takes the label's place from the base style, which leaves 8 px for the text.
        const auto* header = qstyleoption_cast<const QStyleOptionHeader*>(option);
        if (!header) return false;
        painter->setClipRect(option->rect, Qt::IntersectClip);
        drawControl(CE_HeaderSection, header, painter, widget);
        QStyleOptionHeader label = *header;
        label.rect = subElementRect(SE_HeaderLabel, header, widget);
        drawControl(CE_HeaderLabel, &label, painter, widget);
        return true;
    }
    case CE_HeaderSection: {
        const QRect r = option->rect;
        painter->fillRect(r, t.header);
        painter->fillRect(QRect(r.left(), r.bottom(), r.width(), 1), t.border);
        const auto* header = qstyleoption_cast<const QStyleOptionHeader*>(option);
        const bool last = header && (header->position == QStyleOptionHeader::End ||
                                     header->position == QStyleOptionHeader::OnlyOneSection);
        if (!last && header && header->orientation == Qt::Horizontal)
            painter->fillRect(QRect(r.right(), r.top(), 1, r.height()), t.border);
        return true;
    }
    case CE_HeaderEmptyArea:
        painter->fillRect(option->rect, t.header);
        painter->fillRect(QRect(option->rect.left(), option->rect.bottom(), option->rect.width(), 1),
                          t.border);
        return true;
    case CE_HeaderLabel: {
        const auto* header = qstyleoption_cast<const QStyleOptionHeader*>(option);
        if (!header) return false;
        QRect r = header->rect;
        const bool sorted = header->sortIndicator != QStyleOptionHeader::None;
        const bool right = header->textAlignment & Qt::AlignRight;
        if (sorted && right) r.setRight(r.right() - 11);
        painter->setPen(t.text2);
        const QString text = header->fontMetrics.elidedText(header->text, Qt::ElideRight, r.width());
        painter->drawText(r, int(header->textAlignment & Qt::AlignHorizontal_Mask) | Qt::AlignVCenter, text);
        if (sorted) {
            const int w = header->fontMetrics.horizontalAdvance(text);
            const int x = right ? r.right() + 2 : std::min(r.left() + w + 4, r.right() + 2);
            // Qt's SortDown means ascending: the small values are on top.
            paintArrow(*painter, QRectF(x, r.center().y() - 5, 9, 10),
                       header->sortIndicator == QStyleOptionHeader::SortDown ? Arrow::Up : Arrow::Down,
                       t.text2, 6);
        }
        return true;
    }
    default:
        return false;
    }
}

} // namespace qs::ui
