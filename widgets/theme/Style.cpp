// SPDX-License-Identifier: GPL-3.0-or-later
// Metrics, hints, sizes and geometry. Drawing is in StyleControls.cpp and StyleViews.cpp.
#include "widgets/theme/Style.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/StyleDetail.h"
#include "widgets/theme/Theme.h"

#include <QAbstractItemView>
#include <QAbstractSpinBox>
#include <QComboBox>
#include <QHeaderView>
#include <QLineEdit>
#include <QMenu>
#include <QPushButton>
#include <QScrollBar>
#include <QSlider>
#include <QStatusBar>
#include <QStyleFactory>
#include <QStyleOption>
#include <QTabBar>
#include <QTabWidget>
#include <QToolBar>
#include <QToolButton>

namespace qs::ui {

namespace {

constexpr int kControlHeight = 24;
constexpr int kRowHeight = 22;
constexpr int kScrollExtent = 11;

/// Fixed heights are for the 9 pt font; a larger desktop font makes them grow.
int heightFor(const QStyleOption* option, int base) {
    return option ? std::max(base, option->fontMetrics.height() + (base - 18)) : base;
}

bool wantsHover(const QWidget* w) {
    return qobject_cast<const QAbstractButton*>(w) || qobject_cast<const QComboBox*>(w) ||
           qobject_cast<const QAbstractSpinBox*>(w) || qobject_cast<const QScrollBar*>(w) ||
           qobject_cast<const QSlider*>(w) || qobject_cast<const QTabBar*>(w) ||
           qobject_cast<const QHeaderView*>(w) || w->inherits("QSplitterHandle");
}

/// Icon, gap and text side by side; the primary action is bold.
QSize pushButtonSize(const QStyleOption* option, const QWidget* widget) {
    const auto* button = qstyleoption_cast<const QStyleOptionButton*>(option);
    QFont font = widget ? widget->font() : QApplication::font();
    if (widget && widget->property("primary").toBool()) font.setBold(true);
    const QString text = button ? button->text : QString();
    int width = text.isEmpty() ? 0 : QFontMetrics(font).size(Qt::TextShowMnemonic, text).width();
    if (button && !button->icon.isNull()) width += button->iconSize.width() + (text.isEmpty() ? 0 : 6);
    if (button && button->features & QStyleOptionButton::HasMenu) width += 14;
    return {std::max(width + 22, text.isEmpty() ? 24 : 60), heightFor(option, kControlHeight)};
}

QSize toolButtonSize(const QStyleOption* option, const QSize& contents) {
    const auto* tool = qstyleoption_cast<const QStyleOptionToolButton*>(option);
    int width = contents.width() + 10, height = heightFor(option, kControlHeight);
    if (tool && tool->toolButtonStyle == Qt::ToolButtonTextBesideIcon && !tool->text.isEmpty()) {
        width = tool->fontMetrics.size(Qt::TextShowMnemonic, tool->text).width() + 20;
        if (!tool->icon.isNull()) width += tool->iconSize.width() + 6;
        if (tool->features & QStyleOptionToolButton::Arrow) width += kArrowRoom;
    }
    if (tool && tool->toolButtonStyle == Qt::ToolButtonTextUnderIcon) height = contents.height() + 8;
    if (tool && tool->features & (QStyleOptionToolButton::HasMenu | QStyleOptionToolButton::MenuButtonPopup))
        width += 14;
    return {width, height};
}

QSize tabSize(const QStyleOptionTab& tab, const QSize& size) {
    // The current tab is bold: reserve its width so that tabs do not move when the current one changes.
    QFont bold = QApplication::font();
    bold.setBold(true);
    const int extra =
        QFontMetrics(bold).horizontalAdvance(tab.text) - tab.fontMetrics.horizontalAdvance(tab.text);
    return {size.width() + std::max(0, extra), heightFor(&tab, 28)};
}

} // namespace

Style::Style() : QProxyStyle(QStyleFactory::create(QStringLiteral("Fusion"))) {}

void Style::polish(QWidget* widget) {
    QProxyStyle::polish(widget);
    if (wantsHover(widget)) widget->setAttribute(Qt::WA_Hover);
    if (auto* tabs = qobject_cast<QTabWidget*>(widget)) tabs->setDocumentMode(true);
    if (auto* bar = qobject_cast<QTabBar*>(widget)) {
        bar->setDrawBase(true);
        bar->setExpanding(false);
    }
    if (auto* bar = qobject_cast<QToolBar*>(widget)) bar->setIconSize(QSize(16, 16));
    if (auto* bar = qobject_cast<QStatusBar*>(widget)) bar->setContentsMargins(8, 0, 8, 0);
}

void Style::unpolish(QWidget* widget) {
    QProxyStyle::unpolish(widget);
}

int Style::pixelMetric(PixelMetric metric, const QStyleOption* option, const QWidget* widget) const {
    switch (metric) {
    case PM_ScrollBarExtent:
        return kScrollExtent;
    case PM_ScrollBarSliderMin:
        return 24;
    case PM_ScrollView_ScrollBarSpacing:
        return 0;
    case PM_ScrollView_ScrollBarOverlap:
        return 0;
    case PM_SplitterWidth:
        return 7;
    case PM_DockWidgetSeparatorExtent:
        return 5;
    case PM_DockWidgetTitleMargin:
        return 6;
    case PM_DockWidgetFrameWidth:
        return 0;
    case PM_DockWidgetTitleBarButtonMargin:
        return 2;
    case PM_ToolBarFrameWidth:
        return 0;
    case PM_ToolBarItemMargin:
        return 8;
    case PM_ToolBarItemSpacing:
        return 4;
    case PM_ToolBarSeparatorExtent:
        return 9;
    case PM_ToolBarHandleExtent:
        return 0;
    case PM_ToolBarIconSize:
    case PM_ButtonIconSize:
    case PM_SmallIconSize:
    case PM_TabBarIconSize:
    case PM_ListViewIconSize:
        return 16;
    case PM_MenuBarPanelWidth:
        return 0;
    case PM_MenuBarHMargin:
        return 6;
    case PM_MenuBarVMargin:
        return 0;
    case PM_MenuBarItemSpacing:
        return 0;
    case PM_MenuPanelWidth:
        return 1;
    case PM_MenuVMargin:
        return 4;
    case PM_TabBarTabHSpace:
        return 32;
    case PM_TabBarTabVSpace:
        return 10;
    case PM_TabBarTabOverlap:
        return 0;
    case PM_TabBarBaseHeight:
        return 0;
    case PM_TabBarBaseOverlap:
        return 0;
    case PM_TabBarTabShiftVertical:
    case PM_TabBarTabShiftHorizontal:
        return 0;
    case PM_HeaderMargin:
        return 8;
    case PM_HeaderMarkSize:
        return 8;
    case PM_HeaderDefaultSectionSizeVertical:
        return kRowHeight;
    case PM_HeaderGripMargin:
        return 5;
    case PM_FocusFrameHMargin:
        return qobject_cast<const QAbstractItemView*>(widget)
                   ? 7
                   : QProxyStyle::pixelMetric(metric, option, widget);
    case PM_TreeViewIndentation:
        return 14;
    case PM_IndicatorWidth:
    case PM_IndicatorHeight:
    case PM_ExclusiveIndicatorWidth:
    case PM_ExclusiveIndicatorHeight:
        return 14;
    case PM_CheckBoxLabelSpacing:
    case PM_RadioButtonLabelSpacing:
        return 7;
    case PM_SliderLength:
    case PM_SliderControlThickness:
    case PM_SliderThickness:
        return 16;
    case PM_ButtonShiftHorizontal:
    case PM_ButtonShiftVertical:
        return 0;
    case PM_MenuButtonIndicator:
        return 14;
    case PM_ToolTipLabelFrameWidth:
        return 5;
    default:
        return QProxyStyle::pixelMetric(metric, option, widget);
    }
}

int Style::styleHint(StyleHint hint, const QStyleOption* option, const QWidget* widget,
                     QStyleHintReturn* data) const {
    switch (hint) {
    case SH_ComboBox_Popup:
        return 0;
    case SH_DialogButtonBox_ButtonsHaveIcons:
        return 0;
    case SH_ItemView_ShowDecorationSelected:
        return 1;
    case SH_ItemView_ActivateItemOnSingleClick:
        return 0;
    case SH_Table_GridLineColor:
        return int(theme().grid.rgba());
    case SH_ToolTip_WakeUpDelay:
        return 400;
    case SH_EtchDisabledText:
    case SH_DitherDisabledText:
        return 0;
    case SH_TabBar_Alignment:
        return Qt::AlignLeft;
    case SH_TabBar_ElideMode:
        return Qt::ElideNone;
    case SH_Slider_AbsoluteSetButtons:
        return Qt::LeftButton;
    case SH_Slider_PageSetButtons:
        return Qt::NoButton;
    case SH_ScrollBar_LeftClickAbsolutePosition:
        return 0;
    case SH_GroupBox_TextLabelColor:
        return int(theme().text.rgba());
    case SH_Menu_SubMenuPopupDelay:
        return 120;
    default:
        return QProxyStyle::styleHint(hint, option, widget, data);
    }
}

QSize Style::sizeFromContents(ContentsType type, const QStyleOption* option, const QSize& size,
                              const QWidget* widget) const {
    QSize s = QProxyStyle::sizeFromContents(type, option, size, widget);
    switch (type) {
    case CT_PushButton:
        s = pushButtonSize(option, widget);
        break;
    case CT_ToolButton:
        s = toolButtonSize(option, size);
        break;
    case CT_ComboBox:
        s = QSize(size.width() + 36, heightFor(option, kControlHeight));
        break;
    case CT_LineEdit:
        s.setHeight(heightFor(option, kControlHeight));
        break;
    case CT_SpinBox:
        s.setHeight(heightFor(option, kControlHeight));
        break;
    case CT_HeaderSection:
        s.setHeight(heightFor(option, 24));
        break;
    case CT_ItemViewItem:
        s.setHeight(std::max(s.height(), heightFor(option, kRowHeight)));
        break;
    case CT_MenuBarItem:
        s = QSize(size.width() + 16, heightFor(option, 26));
        break;
    case CT_MenuItem:
        if (const auto* item = qstyleoption_cast<const QStyleOptionMenuItem*>(option);
            item && item->menuItemType != QStyleOptionMenuItem::Separator)
            s.setHeight(heightFor(option, 24));
        break;
    case CT_TabBarTab:
        if (const auto* tab = qstyleoption_cast<const QStyleOptionTab*>(option)) s = tabSize(*tab, size);
        break;
    case CT_Slider:
        break;
    default:
        break;
    }
    return s;
}

QRect Style::subControlRect(ComplexControl control, const QStyleOptionComplex* option, SubControl sub,
                            const QWidget* widget) const {
    if (control == CC_ScrollBar) {
        const auto* bar = qstyleoption_cast<const QStyleOptionSlider*>(option);
        if (!bar) return {};
        const bool horizontal = bar->orientation == Qt::Horizontal;
        const int length = horizontal ? bar->rect.width() : bar->rect.height();
        const qint64 range = qint64(bar->maximum) - bar->minimum;
        int handle = length;
        if (range > 0)
            handle = std::clamp(int(length * qint64(bar->pageStep) / (range + bar->pageStep)),
                                std::min(24, length), length);
        const int start = sliderPositionFromValue(bar->minimum, bar->maximum, bar->sliderPosition,
                                                  length - handle, bar->upsideDown);
        const auto part = [&](int from, int size) {
            return horizontal ? QRect(bar->rect.x() + from, bar->rect.y(), size, bar->rect.height())
                              : QRect(bar->rect.x(), bar->rect.y() + from, bar->rect.width(), size);
        };
        switch (sub) {
        case SC_ScrollBarSlider:
            return visualRect(bar->direction, bar->rect, part(start, handle));
        case SC_ScrollBarSubPage:
            return visualRect(bar->direction, bar->rect, part(0, start));
        case SC_ScrollBarAddPage:
            return visualRect(bar->direction, bar->rect, part(start + handle, length - start - handle));
        case SC_ScrollBarGroove:
            return bar->rect;
        default:
            return {};
        }
    }
    if (control == CC_ComboBox) {
        const QRect r = option->rect;
        if (sub == SC_ComboBoxArrow)
            return visualRect(option->direction, r, QRect(r.right() - 19, r.y(), 20, r.height()));
        if (sub == SC_ComboBoxEditField) return visualRect(option->direction, r, r.adjusted(8, 1, -20, -1));
    }
    if (control == CC_SpinBox) {
        const auto* spin = qstyleoption_cast<const QStyleOptionSpinBox*>(option);
        const QRect r = option->rect;
        const bool buttons = spin && spin->buttonSymbols != QAbstractSpinBox::NoButtons;
        const int w = buttons ? 18 : 0, half = r.height() / 2;
        switch (sub) {
        case SC_SpinBoxUp:
            return buttons ? visualRect(option->direction, r, QRect(r.right() - w + 1, r.y(), w, half))
                           : QRect();
        case SC_SpinBoxDown:
            return buttons ? visualRect(option->direction, r,
                                        QRect(r.right() - w + 1, r.y() + half, w, r.height() - half))
                           : QRect();
        case SC_SpinBoxEditField:
            return visualRect(option->direction, r, r.adjusted(4, 1, -w - 1, -1));
        default:
            break;
        }
    }
    return QProxyStyle::subControlRect(control, option, sub, widget);
}

QRect Style::subElementRect(SubElement element, const QStyleOption* option, const QWidget* widget) const {
    switch (element) {
    case SE_ProgressBarGroove:
    case SE_ProgressBarContents:
    case SE_ProgressBarLabel:
        return option->rect;
    case SE_HeaderLabel: {
        const auto* header = qstyleoption_cast<const QStyleOptionHeader*>(option);
        const bool sorted = header && header->sortIndicator != QStyleOptionHeader::None;
        // The sort mark stands beside the text; a right-aligned label shortens itself.
        const bool room = sorted && !(header->textAlignment & Qt::AlignRight);
        return option->rect.adjusted(8, 0, room ? -20 : -8, 0);
    }
    case SE_LineEditContents: {
        const auto* frame = qstyleoption_cast<const QStyleOptionFrame*>(option);
        const int pad = frame && frame->lineWidth > 0 ? 5 : 0;
        return QProxyStyle::subElementRect(element, option, widget).adjusted(pad, 0, -pad, 0);
    }
    default:
        return QProxyStyle::subElementRect(element, option, widget);
    }
}

QIcon Style::standardIcon(StandardPixmap pixmap, const QStyleOption* option, const QWidget* widget) const {
    switch (pixmap) {
    case SP_TitleBarCloseButton:
    case SP_DockWidgetCloseButton:
    case SP_TabCloseButton:
    case SP_LineEditClearButton:
        return icon(QStringLiteral("close"), IconRole::Muted);
    case SP_TitleBarNormalButton:
        return icon(QStringLiteral("restore"), IconRole::Muted);
    case SP_TitleBarMaxButton:
        return icon(QStringLiteral("maximize"), IconRole::Muted);
    case SP_MessageBoxWarning:
        return icon(QStringLiteral("warning"), IconRole::Warning);
    case SP_MessageBoxCritical:
        return icon(QStringLiteral("error"), IconRole::Error);
    case SP_MessageBoxInformation:
    case SP_MessageBoxQuestion:
        return icon(QStringLiteral("info"), IconRole::Accent);
    default:
        return QProxyStyle::standardIcon(pixmap, option, widget);
    }
}

void makePrimary(QPushButton* button) {
    button->setProperty("primary", true);
    button->update();
}

} // namespace qs::ui
