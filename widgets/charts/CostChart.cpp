// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/charts/CostChart.h"

#include "widgets/charts/ExportMenu.h"
#include "widgets/theme/Theme.h"

#include <QAccessible>
#include <QKeyEvent>
#include <QMouseEvent>
#include <algorithm>
#include <cmath>
#include <numeric>

namespace qs::ui {

namespace {

constexpr double kNear = 14, kLegendHeight = 20, kMargin = 10;

bool isShown(const CostMark& mark) {
    return mark.y > 0 && std::isfinite(mark.y) && std::isfinite(mark.x);
}

QColor colorOf(CostMark::Kind kind) {
    switch (kind) {
    case CostMark::Preset:
        return theme().text2;
    case CostMark::Option:
        return theme().predicted;
    case CostMark::Measured:
        return theme().ok;
    case CostMark::Run:
        return theme().data;
    case CostMark::Current:
        return theme().accent;
    }
    return theme().text;
}

/// Diamonds for presets, hollow circles for options, discs for what was measured, squares for runs among
/// them, a disc in a ring for the place where one is: told apart without colour.
void paintMark(QPainter& p, CostMark::Kind kind, const QPointF& at) {
    const QColor color = colorOf(kind);
    p.setPen(QPen(color, 1.6));
    p.setBrush(theme().base);
    switch (kind) {
    case CostMark::Preset:
        p.drawPolygon(
            QPolygonF({at + QPointF(0, -5), at + QPointF(5, 0), at + QPointF(0, 5), at + QPointF(-5, 0)}));
        break;
    case CostMark::Option:
        p.drawEllipse(at, 4, 4);
        break;
    case CostMark::Measured:
        p.setBrush(color);
        p.drawEllipse(at, 3.6, 3.6);
        break;
    case CostMark::Run:
        p.setBrush(color);
        p.drawRect(QRectF(at.x() - 4, at.y() - 4, 8, 8));
        break;
    case CostMark::Current:
        p.drawEllipse(at, 7.5, 7.5);
        p.setBrush(color);
        p.drawEllipse(at, 3.6, 3.6);
        break;
    }
    p.setBrush(Qt::NoBrush);
}

void paintWhisker(QPainter& p, const PlotAxes& axes, const CostMark& mark) {
    const double x = axes.x.toPixel(mark.x), low = axes.y.toPixel(mark.low), high = axes.y.toPixel(mark.high);
    p.setPen(QPen(colorOf(mark.kind), 1.4));
    p.drawLine(QPointF(x, low), QPointF(x, high));
    for (const double y : {low, high})
        p.drawLine(QPointF(x - 5, y), QPointF(x + 5, y));
}

/// Labels beside marks, moved where they would cover each other; one without room is left out: the pointer
/// reads it.
class Labels {
public:
    Labels(QPainter& p, const PlotAxes& axes) : m_p(p), m_plot(axes.plot), m_fm(chartFont()) {}

    void keepClear(const QPointF& at, double radius = 6) {
        m_taken.push_back(QRectF(at - QPointF(radius, radius), QSizeF(2 * radius, 2 * radius)));
    }
    void write(const QPointF& at, const QString& text, bool bold) {
        if (text.isEmpty()) return;
        QFont font = chartFont();
        font.setBold(bold);
        const QSizeF size(QFontMetricsF(font).horizontalAdvance(text) + 2, m_fm.height());
        const QPointF offsets[] = {{10, -size.height() - 2},
                                   {10, 2},
                                   {-10 - size.width(), 2},
                                   {-10 - size.width(), -size.height() - 2},
                                   {-size.width() / 2, 10}};
        for (const QPointF& offset : offsets) {
            const QRectF r(at + offset, size);
            if (!m_plot.contains(r)) continue;
            if (std::any_of(m_taken.begin(), m_taken.end(), [&](const QRectF& o) { return o.intersects(r); }))
                continue;
            m_taken.push_back(r);
            m_p.setFont(font);
            m_p.setPen(bold ? theme().text : theme().text2);
            m_p.drawText(r, Qt::AlignCenter, text);
            return;
        }
    }

private:
    QPainter& m_p;
    QRectF m_plot;
    QFontMetricsF m_fm;
    QVector<QRectF> m_taken;
};

void paintTarget(QPainter& p, const CostChartData& data, const PlotAxes& axes) {
    if (!data.targetX || !axes.x.contains(*data.targetX)) return;
    const double x = axes.x.toPixel(*data.targetX);
    QColor beyond = theme().warningFill;
    beyond.setAlphaF(0.5);
    p.fillRect(QRectF(QPointF(x, axes.plot.top()), axes.plot.bottomRight()), beyond);
    p.setPen(QPen(theme().outlier, 1.4, Qt::DashLine));
    p.drawLine(QPointF(x, axes.plot.top()), QPointF(x, axes.plot.bottom()));
    p.setFont(chartFont());
    const QFontMetricsF fm(chartFont());
    const double width = fm.horizontalAdvance(data.targetLabel) + 6;
    const bool left = x + width > axes.plot.right();
    p.drawText(QRectF(left ? x - width : x + 4, axes.plot.bottom() - fm.height() - 3, width, fm.height()),
               left ? Qt::AlignRight : Qt::AlignLeft, data.targetLabel);
}

QPen diagonalPen() {
    return QPen(theme().text3, 1.4, Qt::DashLine);
}

/// y = x, as far as both axes show it.
void paintDiagonal(QPainter& p, const PlotAxes& axes) {
    const double low = std::max(axes.x.lo, axes.y.lo), high = std::min(axes.x.hi, axes.y.hi);
    if (!(low < high)) return;
    p.setPen(diagonalPen());
    p.drawLine(QPointF(axes.x.toPixel(low), axes.y.toPixel(low)),
               QPointF(axes.x.toPixel(high), axes.y.toPixel(high)));
}

void paintLegendRow(QPainter& p, const CostChartData& data, const QRectF& row) {
    const QFontMetricsF fm(chartFont());
    p.setFont(chartFont());
    double x = row.right();
    const auto entry = [&](const QString& text, auto mark) {
        const double width = fm.horizontalAdvance(text);
        if (text.isEmpty() || x - width - 26 < row.left()) return;
        x -= width;
        p.setPen(theme().text2);
        p.drawText(QRectF(x, row.top(), width + 1, row.height()), Qt::AlignVCenter, text);
        x -= 16;
        mark(QPointF(x + 6, row.center().y()));
        x -= 14;
    };
    if (!data.diagonalLabel.isEmpty())
        entry(data.diagonalLabel, [&](const QPointF& at) {
            p.setPen(diagonalPen());
            p.drawLine(at - QPointF(8, 0), at + QPointF(6, 0));
        });
    for (const auto kind : {CostMark::Run, CostMark::Measured, CostMark::Option, CostMark::Preset})
        if (std::any_of(data.marks.begin(), data.marks.end(),
                        [&](const CostMark& m) { return m.kind == kind && isShown(m); }))
            entry(data.markLabels[kind], [&](const QPointF& at) { paintMark(p, kind, at); });
    if (!data.band.isEmpty())
        entry(data.bandLabel, [&](const QPointF& at) {
            p.fillRect(QRectF(at - QPointF(8, 5), QSizeF(14, 10)), theme().predictedFill);
        });
    if (!data.line.isEmpty())
        entry(data.lineLabel, [&](const QPointF& at) {
            p.setPen(QPen(theme().predicted, 2));
            p.drawLine(at - QPointF(8, 0), at + QPointF(6, 0));
        });
}

void paintBand(QPainter& p, const CostChartData& data, const PlotAxes& axes) {
    QPolygonF outline;
    for (const CostBandPoint& b : data.band)
        outline << QPointF(axes.x.toPixel(b.x), axes.y.toPixel(b.high));
    for (auto b = data.band.crbegin(); b != data.band.crend(); ++b)
        outline << QPointF(axes.x.toPixel(b->x), axes.y.toPixel(b->low));
    p.setPen(Qt::NoPen);
    p.setBrush(theme().predictedFill);
    p.drawPolygon(outline);
    p.setBrush(Qt::NoBrush);
}

void paintCost(QPainter& p, const CostChartData& data, const PlotAxes& axes) {
    p.save();
    paintGrid(p, axes);
    p.setRenderHint(QPainter::Antialiasing);
    paintTarget(p, data, axes);
    p.setClipRect(axes.plot.adjusted(-9, -9, 9, 9));
    if (!data.diagonalLabel.isEmpty()) paintDiagonal(p, axes);
    paintBand(p, data, axes);
    QPolygonF line;
    for (const QPointF& at : data.line)
        if (at.y() > 0) line << QPointF(axes.x.toPixel(at.x()), axes.y.toPixel(at.y()));
    p.setPen(QPen(theme().predicted, 2));
    p.drawPolyline(line);
    Labels labels(p, axes);
    const auto at = [&](const CostMark& m) { return QPointF(axes.x.toPixel(m.x), axes.y.toPixel(m.y)); };
    for (const CostMark& m : data.marks)
        if (isShown(m)) labels.keepClear(at(m));
    for (int i = 1; i < line.size(); ++i) { // labels beside the line, not across it
        const QPointF step = line[i] - line[i - 1];
        const int parts = std::max(1, int(std::hypot(step.x(), step.y()) / 8));
        for (int k = 0; k <= parts; ++k)
            labels.keepClear(line[i - 1] + step * (double(k) / parts), 2);
    }
    for (const auto kind :
         {CostMark::Option, CostMark::Preset, CostMark::Measured, CostMark::Run, CostMark::Current})
        for (const CostMark& m : data.marks) {
            if (m.kind != kind || !isShown(m)) continue;
            if (m.high > m.low && m.low > 0) paintWhisker(p, axes, m);
            paintMark(p, kind, at(m));
        }
    for (const auto kind :
         {CostMark::Current, CostMark::Run, CostMark::Measured, CostMark::Preset, CostMark::Option})
        for (const CostMark& m : data.marks)
            if (m.kind == kind && isShown(m)) labels.write(at(m), m.label, kind == CostMark::Current);
    p.setClipping(false);
    paintLegendRow(
        p, data, QRectF(axes.plot.left(), axes.plot.top() - kLegendHeight, axes.plot.width(), kLegendHeight));
    p.restore();
    paintAxes(p, axes);
}

} // namespace

CostChart::CostChart(const QString& name, const QString& accessibleName, QWidget* parent)
    : QWidget(parent), m_name(name) {
    setAccessibleName(accessibleName);
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    installExportMenu(this, this);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

void CostChart::setData(CostChartDataPtr data) {
    m_data = std::move(data);
    m_hover = -1;
    if (isEmpty() || m_current >= m_data->marks.size()) m_current = -1;
    update();
}

PlotAxes CostChart::axesFor(const QSizeF& size) const {
    double left = INFINITY, right = -INFINITY, low = INFINITY, high = 0;
    const auto widen = [&](double x, double y) {
        if (!(y > 0) || !std::isfinite(y)) return;
        left = std::min(left, x);
        right = std::max(right, x);
        low = std::min(low, y);
        high = std::max(high, y);
    };
    for (const QPointF& at : m_data->line)
        widen(at.x(), at.y());
    for (const CostBandPoint& b : m_data->band) {
        widen(b.x, b.low);
        widen(b.x, b.high);
    }
    for (const CostMark& m : m_data->marks) {
        widen(m.x, m.y);
        if (m.high > m.low) widen(m.x, m.high);
        if (m.high > m.low) widen(m.x, m.low);
    }
    if (!(left <= right)) {
        left = low = 0.1;
        right = high = 1;
    }
    if (m_data->xLog) {
        const double room = std::max(1.1, std::pow(right / left, 0.04));
        left /= room;
        right *= room;
    } else {
        const double room = right > left ? 0.04 * (right - left) : std::max(1e-6, 0.1 * std::fabs(left));
        left -= room;
        right += room;
    }
    low /= 2.2; // room for labels
    high *= 2.4;
    PlotAxes axes;
    axes.yTicks = logTicks(low, high, std::max(2, int(size.height() / 42)));
    const int xTicks = std::max(4, int(size.width() / 80));
    axes.xTicks = m_data->xLog ? logTicks(left, right, xTicks) : linearTicks(left, right, xTicks);
    axes.xTitle = m_data->xTitle;
    axes.yTitle = m_data->yTitle;
    const double axis = leftAxisWidth(axes.yTicks, true), top = kLegendHeight + 6;
    axes.plot = QRectF(axis, top, std::max(40.0, size.width() - axis - kMargin),
                       std::max(30.0, size.height() - top - bottomAxisHeight(true)));
    axes.x = {left, right, axes.plot.left(), axes.plot.right(), m_data->xLog};
    axes.y = {low, high, axes.plot.bottom(), axes.plot.top(), true};
    return axes;
}

QPointF CostChart::markPosition(int mark) const {
    const PlotAxes axes = axesFor(size());
    const CostMark& m = m_data->marks[mark];
    return {axes.x.toPixel(m.x), axes.y.toPixel(m.y)};
}

int CostChart::nearest(const QPointF& at) const {
    if (isEmpty()) return -1;
    int best = -1;
    double distance = kNear;
    for (int i = 0; i < m_data->marks.size(); ++i) {
        if (!isShown(m_data->marks[i])) continue;
        const QPointF d = markPosition(i) - at;
        if (std::hypot(d.x(), d.y()) >= distance) continue;
        distance = std::hypot(d.x(), d.y());
        best = i;
    }
    return best;
}

void CostChart::setCurrent(int mark) {
    m_current = mark;
    if (mark >= 0) {
        setAccessibleDescription(m_data->marks[mark].readout.join(QStringLiteral(". ")));
        QAccessibleEvent event(this, QAccessible::DescriptionChanged);
        QAccessible::updateAccessibility(&event);
    }
    update();
}

void CostChart::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.fillRect(rect(), theme().base);
    if (isEmpty()) {
        p.setPen(theme().text3);
        p.drawText(rect().adjusted(24, 12, -24, -12), Qt::AlignCenter | Qt::TextWordWrap,
                   m_data ? m_data->emptyText : QString());
        return;
    }
    const PlotAxes axes = axesFor(size());
    paintCost(p, *m_data, axes);
    const int mark = m_hover >= 0 ? m_hover : hasFocus() ? m_current : -1;
    if (mark >= 0 && isShown(m_data->marks[mark])) {
        p.setRenderHint(QPainter::Antialiasing);
        p.setPen(QPen(theme().accent, 1.6));
        p.drawEllipse(markPosition(mark), 9, 9);
        paintReadout(p, markPosition(mark), axes.plot, m_data->marks[mark].readout);
    }
    if (!hasFocus()) return;
    p.setRenderHint(QPainter::Antialiasing, false);
    p.setPen(QPen(theme().accent, 1));
    p.drawRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5));
}

void CostChart::mouseMoveEvent(QMouseEvent* event) {
    const int mark = nearest(event->position());
    if (mark == m_hover) return;
    m_hover = mark;
    update();
}

void CostChart::leaveEvent(QEvent* event) {
    QWidget::leaveEvent(event);
    m_hover = -1;
    update();
}

void CostChart::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return QWidget::mousePressEvent(event);
    const int mark = nearest(event->position());
    if (mark < 0) return;
    setCurrent(mark);
    emit markActivated(mark);
}

void CostChart::keyPressEvent(QKeyEvent* event) {
    const int key = event->key();
    if (!isEmpty() && (key == Qt::Key_Left || key == Qt::Key_Right)) {
        std::vector<int> order;
        for (int i = 0; i < m_data->marks.size(); ++i)
            if (isShown(m_data->marks[i])) order.push_back(i);
        if (order.empty()) return;
        std::stable_sort(order.begin(), order.end(),
                         [&](int a, int b) { return m_data->marks[a].x < m_data->marks[b].x; });
        const auto now = std::find(order.begin(), order.end(), m_current);
        const int last = int(order.size()) - 1;
        const int place =
            now == order.end()
                ? (key == Qt::Key_Right ? 0 : last)
                : std::clamp(int(now - order.begin()) + (key == Qt::Key_Right ? 1 : -1), 0, last);
        setCurrent(order[size_t(place)]);
    } else if ((key == Qt::Key_Return || key == Qt::Key_Enter) && m_current >= 0) {
        emit markActivated(m_current);
    } else {
        QWidget::keyPressEvent(event);
    }
}

bool CostChart::event(QEvent* event) {
    if (event->type() == QEvent::FocusIn || event->type() == QEvent::FocusOut) update();
    return QWidget::event(event);
}

void CostChart::renderTo(QPainter& painter, const QSize& size) const {
    painter.fillRect(QRect(QPoint(0, 0), size), theme().base);
    if (!isEmpty()) paintCost(painter, *m_data, axesFor(size));
}

QString CostChart::toCsv() const {
    if (isEmpty()) return {};
    static const char* const kinds[] = {"preset", "option", "measured", "run", "current"};
    QString csv =
        QStringLiteral("kind,label,%1,%2\n").arg(csvField(m_data->xTitle), csvField(m_data->yTitle));
    const auto row = [&](const char* kind, const QString& label, double x, double y) {
        csv += QStringLiteral("%1,%2,%3,%4\n")
                   .arg(QLatin1String(kind), csvField(label), csvNumber(x), csvNumber(y));
    };
    for (const QPointF& at : m_data->line)
        row("line", {}, at.x(), at.y());
    for (const CostMark& m : m_data->marks)
        row(kinds[m.kind], m.label, m.x, m.y);
    for (const CostBandPoint& b : m_data->band) {
        row("band_low", {}, b.x, b.low);
        row("band_high", {}, b.x, b.high);
    }
    return csv;
}

} // namespace qs::ui
