// SPDX-License-Identifier: GPL-3.0-or-later
// AnatomyWidget: one group of weights taken apart. Above, the levels of the grid, each weight as a circle and
// the level it was given as a bar, with an arrow between them; below, a table of methods with the code under
// its weight. Codes that are not the nearest level are set in the colour of predictions. Up and Down choose
// the method, Left and Right walk through the weights, Home and End go to the ends; the middle scrolls when
// the group is wider than the window.
#pragma once

#include "widgets/charts/ChartAxis.h"
#include "widgets/charts/Picture.h"

#include <QAbstractScrollArea>
#include <memory>

namespace qs::ui {

struct AnatomyMethod {
    QString label;
    QString note; ///< instead of codes: why there are none
    double scale = 0, zero = 0;
    QVector<int> codes;
    QVector<double> levels; ///< of the codes, in code units: value / scale + zero
    QVector<bool> nearest;  ///< false: another level is nearer
    double weightError = 0; ///< relative, of the group, in %
    double outputError = 0; ///< of the row, in %; NaN = not known
};

struct AnatomyData {
    int row = 0, group = 0;
    QVector<int> columns;
    QVector<double> weights;
    int largest = -1; ///< index of the largest |w|
    int levels = 0;   ///< of the codec
    QVector<AnatomyMethod> methods;
    QString emptyText;
};
using AnatomyDataPtr = std::shared_ptr<const AnatomyData>;

class AnatomyWidget : public QAbstractScrollArea, public Picture {
    Q_OBJECT
public:
    explicit AnatomyWidget(QWidget* parent = nullptr);

    /// The chosen method survives by its label.
    void setData(AnatomyDataPtr data);
    AnatomyDataPtr data() const { return m_data; }
    int currentMethod() const { return m_method; }
    void setCurrentMethod(int method);
    /// The marked input channel; -1 for none. Does not emit.
    void setCurrentColumn(int column);
    /// Where the code of a weight under a method is painted, viewport coordinates.
    QRectF codeRect(int method, int index) const;

    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override;
    QString pictureName() const override;
    QSize sizeHint() const override { return {700, 260}; }
    QSize minimumSizeHint() const override { return {320, 150}; }

signals:
    void methodSelected(int method);
    void columnSelected(int column);

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    bool viewportEvent(QEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void scrollContentsBy(int dx, int dy) override;

private:
    struct Layout {
        QRectF chart;               ///< of the levels, in view
        double tableTop = 0;        ///< of the header row
        double left = 0, right = 0; ///< of the part that scrolls
        double cell = 0;            ///< width of a weight
        double scroll = 0;
        double label = 0;        ///< width of the method column
        QVector<double> numbers; ///< left edges of scale, weight and output error
        double centre(int index) const { return left - scroll + (index + 0.5) * cell; }
    };
    bool empty() const { return !m_data || m_data->columns.isEmpty(); }
    Layout layoutFor(const QSizeF& size, double scroll) const;
    AxisMap levelAxis(const Layout& l) const;
    void paintContent(QPainter& painter, const QSizeF& size, double scroll, bool interactive) const;
    void paintLevels(QPainter& painter, const Layout& l) const;
    void paintValues(QPainter& painter, const Layout& l) const;
    void paintHeader(QPainter& painter, const Layout& l, double width) const;
    void paintMethods(QPainter& painter, const Layout& l, double width) const;
    QString describe(int index) const;
    void updateScrollBar();
    int indexAt(const QPointF& at) const;
    void reveal(int index); ///< scrolls as far as needed
    void select(int index);

    AnatomyDataPtr m_data;
    int m_method = 0;
    int m_column = -1;   ///< input channel
    int m_toReveal = -1; ///< until the user scrolls: the width is known only once the widget is shown
};

} // namespace qs::ui
