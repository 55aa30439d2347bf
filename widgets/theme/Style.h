// SPDX-License-Identifier: GPL-3.0-or-later
// Style: Fusion with flat drawing and the metrics of the design (control height 24, table row 22, header row
// 24, tool bar 40, radius 3). It draws from theme(), so a theme change needs a repaint only. No style sheets:
// they would slow item views.
//
// Dynamic property it understands:
//   "primary"  (QPushButton)  accent fill, the one main action of a form
#pragma once

#include <QProxyStyle>

class QPushButton;
class QStyleOptionViewItem;
class QStyleOptionComboBox;
class QStyleOptionTab;

namespace qs::ui {

class Style : public QProxyStyle {
    Q_OBJECT
public:
    Style();

    void polish(QWidget* widget) override;
    void unpolish(QWidget* widget) override;
    int pixelMetric(PixelMetric metric, const QStyleOption* option, const QWidget* widget) const override;
    int styleHint(StyleHint hint, const QStyleOption* option, const QWidget* widget,
                  QStyleHintReturn* data) const override;
    QSize sizeFromContents(ContentsType type, const QStyleOption* option, const QSize& size,
                           const QWidget* widget) const override;
    QRect subControlRect(ComplexControl control, const QStyleOptionComplex* option, SubControl sub,
                         const QWidget* widget) const override;
    QRect subElementRect(SubElement element, const QStyleOption* option,
                         const QWidget* widget) const override;
    void drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                       const QWidget* widget) const override;
    void drawControl(ControlElement element, const QStyleOption* option, QPainter* painter,
                     const QWidget* widget) const override;
    void drawComplexControl(ComplexControl control, const QStyleOptionComplex* option, QPainter* painter,
                            const QWidget* widget) const override;
    QIcon standardIcon(StandardPixmap pixmap, const QStyleOption* option,
                       const QWidget* widget) const override;

    using QProxyStyle::polish;
    using QProxyStyle::unpolish;

private:
    bool drawButtonPrimitive(PrimitiveElement, const QStyleOption*, QPainter*, const QWidget*) const;
    bool drawButtonControl(ControlElement, const QStyleOption*, QPainter*, const QWidget*) const;
    bool drawButtonComplex(ComplexControl, const QStyleOptionComplex*, QPainter*, const QWidget*) const;
    bool drawFramePrimitive(PrimitiveElement, const QStyleOption*, QPainter*, const QWidget*) const;
    bool drawViewPrimitive(PrimitiveElement, const QStyleOption*, QPainter*, const QWidget*) const;
    bool drawBarControl(ControlElement, const QStyleOption*, QPainter*, const QWidget*) const;
    bool drawViewControl(ControlElement, const QStyleOption*, QPainter*, const QWidget*) const;
    void drawTabShape(const QStyleOptionTab&, QPainter*, const QWidget*) const;
    void drawTabLabel(const QStyleOptionTab&, QPainter*, const QWidget*) const;
    void drawComboLabel(const QStyleOptionComboBox&, QPainter*, const QWidget*) const;
    void drawViewItem(const QStyleOptionViewItem&, QPainter*, const QWidget*) const;
};

/// The one main action of a form: accent fill.
void makePrimary(QPushButton* button);

// Drawing pieces shared by the style and by custom widgets.
/// A control's frame: 1 px border of `edge` around `fill`, radius 3.
void paintControlFrame(QPainter& painter, const QRectF& rect, const QColor& fill, const QColor& edge);
enum class Arrow { Up, Down, Left, Right };
/// A filled triangle, `size` px wide, centred in `rect`.
void paintArrow(QPainter& painter, const QRectF& rect, Arrow arrow, const QColor& color, double size = 7);

} // namespace qs::ui
