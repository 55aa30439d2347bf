// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/heatmaps/HeatMapPainter.h"

#include "widgets/charts/ChartAxis.h"
#include "widgets/heatmaps/ColorBar.h"
#include "widgets/theme/Icons.h"

#include <QPaintEngine>
#include <QPainterPath>
#include <cmath>

namespace qs::ui {

namespace {

constexpr double kColorBarStrip = 32, kBarGap = 14, kBarLength = 76;

double widest(const QStringList& labels, const QFontMetricsF& fm) {
    double width = 0;
    for (const QString& label : labels)
        width = std::max(width, fm.horizontalAdvance(label));
    return width;
}

QFont boldChartFont() {
    QFont font = chartFont();
    font.setBold(true);
    return font;
}

/// How many columns share one label.
int labelStep(double cellWidth, double labelWidth) {
    for (const int step : {1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1000})
        if (step * cellWidth >= labelWidth + 6) return step;
    return 2000;
}

/// Edges between a selected cell and a neighbour that is not.
QPainterPath outline(const HeatMapLayout& l, const QVector<bool>& selected) {
    QPainterPath path;
    const auto on = [&](int r, int c) {
        return r >= 0 && c >= 0 && r < l.rows && c < l.columns && selected[r * l.columns + c];
    };
    const auto edge = [&](QPointF a, QPointF b) {
        path.moveTo(a);
        path.lineTo(b);
    };
    for (int r = 0; r < l.rows; ++r)
        for (int c = 0; c < l.columns; ++c) {
            if (!on(r, c)) continue;
            const QRectF cell = l.cellRect(r, c);
            if (!on(r - 1, c)) edge(cell.topLeft(), cell.topRight());
            if (!on(r + 1, c)) edge(cell.bottomLeft(), cell.bottomRight());
            if (!on(r, c - 1)) edge(cell.topLeft(), cell.bottomLeft());
            if (!on(r, c + 1)) edge(cell.topRight(), cell.bottomRight());
        }
    return path;
}

void paintPadlock(QPainter& p, const QRectF& r, const QColor& ink) {
    const QPointF c(r.center().x(), r.bottom());
    p.setPen(QPen(ink, 1.2));
    p.setBrush(Qt::NoBrush);
    p.drawRect(QRectF(c.x() - 3.5, c.y() - 5, 7, 5));
    QPainterPath shackle;
    shackle.moveTo(c.x() - 2, c.y() - 5);
    shackle.lineTo(c.x() - 2, c.y() - 7);
    shackle.arcTo(QRectF(c.x() - 2, c.y() - 9, 4, 4), 180, -180);
    shackle.lineTo(c.x() + 2, c.y() - 5);
    p.drawPath(shackle);
}

} // namespace

bool HeatMapData::isConsistent() const {
    const auto cells = qsizetype(rows()) * columns();
    const auto fits = [&](qsizetype size) { return size == 0 || size == cells; };
    return values.size() == cells && fits(cellTexts.size()) && fits(flags.size()) &&
           (rowBars.isEmpty() || rowBars.size() == rows());
}

Normalization HeatMapData::normalization() const {
    Normalization n = Normalization::fromValues(values, log, diverging);
    if (lo < hi && (!n.log || lo > 0)) {
        n.lo = lo;
        n.hi = hi;
        if (n.diverging) {
            n.hi = std::max(std::abs(lo), std::abs(hi));
            n.lo = -n.hi;
        }
    }
    return n;
}

QPoint HeatMapLayout::cellAt(const QPointF& at, bool clamp) const {
    if (rows == 0 || columns == 0) return {-1, -1};
    if (!clamp && !view.contains(at)) return {-1, -1};
    int column = int(std::floor((at.x() - view.left() + scroll.x()) / cellWidth));
    int row = int(std::floor((at.y() - view.top() + scroll.y()) / cellHeight));
    if (clamp) {
        column = std::clamp(column, 0, columns - 1);
        row = std::clamp(row, 0, rows - 1);
    }
    if (column < 0 || column >= columns || row < 0 || row >= rows) return {-1, -1};
    return {column, row};
}

HeatMapLayout HeatMapPainter::layout(const HeatMapData& data, const QSizeF& size, const QPointF& scroll,
                                     bool colorBar) const {
    HeatMapLayout l;
    l.rows = data.rows();
    l.columns = data.columns();
    if (l.rows == 0 || l.columns == 0) return l;
    const QFontMetricsF fm(boldChartFont());
    const double left =
        std::ceil(widest(data.rowLabels, fm)) + 20 + (data.rowTitle.isEmpty() ? 0 : fm.height() + 2);
    double right = 12;
    if (!data.rowBars.isEmpty())
        right = kBarGap + std::max(kBarLength + 52, std::ceil(fm.horizontalAdvance(data.rowBarTitle))) + 10;
    const double strip = colorBar ? kColorBarStrip : 0;
    const double top = strip + fm.height() + 10;
    const double bottom = data.columnTitle.isEmpty() ? 6 : fm.height() + 8;
    const double roomX = std::max(kMinCell, size.width() - left - right);
    const double roomY = std::max(kMinCell, size.height() - top - bottom);
    l.cellWidth = std::floor(std::clamp(roomX / l.columns, kMinCell, kMaxCellWidth));
    l.cellHeight = std::floor(std::clamp(roomY / l.rows, kMinCell, kMaxCellHeight));
    const QSizeF content = l.contentSize();
    l.view = QRectF(left, top, std::min(content.width(), std::floor(roomX)),
                    std::min(content.height(), std::floor(roomY)));
    l.scroll = {std::clamp(scroll.x(), 0.0, std::max(0.0, content.width() - l.view.width())),
                std::clamp(scroll.y(), 0.0, std::max(0.0, content.height() - l.view.height()))};
    l.rowLabelRight = left - 8;
    l.columnLabels = QRectF(left, strip + 4, l.view.width(), fm.height() + 4);
    if (!data.rowBars.isEmpty())
        l.bars = QRectF(l.view.right() + kBarGap, l.view.top(), right - kBarGap, l.view.height());
    l.hasColorBar = colorBar;
    if (colorBar) {
        const ColorBarSpec spec = ColorBarSpec::of(data, true);
        const double end = std::max(l.view.right(), l.bars.right() - 10);
        l.colorBar = {std::max(left, end - 120 - colorBarTitleWidth(spec)), 4};
    }
    l.titleTop = l.view.bottom() + 5;
    return l;
}

void HeatMapPainter::paint(QPainter& painter, const HeatMapData& data, const HeatMapLayout& layout,
                           const HeatMapMarks& marks) {
    if (layout.rows == 0 || layout.columns == 0) return;
    painter.save();
    painter.setFont(chartFont());
    paintLabels(painter, data, layout, marks.current);
    if (!data.rowBars.isEmpty()) paintBars(painter, data, layout);
    if (layout.hasColorBar) paintColorBar(painter, layout.colorBar, 120, ColorBarSpec::of(data, true));
    painter.save();
    painter.setClipRect(layout.view, Qt::IntersectClip);
    paintCells(painter, data, layout);
    painter.restore();
    // The outline's halo may stand out of the grid by 3 px.
    painter.setClipRect(layout.view.adjusted(-3, -3, 3, 3), Qt::IntersectClip);
    paintMarks(painter, data, layout, marks);
    painter.restore();
}

void HeatMapPainter::paintCells(QPainter& painter, const HeatMapData& data, const HeatMapLayout& l) {
    const Normalization n = data.normalization();
    const ColorTable& table = colorTable(n.diverging ? MapKind::Diverging : MapKind::Sequential);
    const QBrush hatch = notMeasuredBrush();
    const QColor paper = theme().text;
    QColor veil = theme().base;
    veil.setAlphaF(0.8F);
    std::array<QColor, 256> inks; // one luminance per table entry, not one per cell
    for (size_t i = 0; i < inks.size(); ++i)
        inks[i] = textOn(QColor::fromRgb(table[i]));
    const QFontMetricsF fm(painter.font());
    const bool texts =
        !data.cellTexts.isEmpty() && l.cellWidth >= kTextCell && l.cellHeight >= fm.height() - 2;
    const bool glyphs = !data.flags.isEmpty() && l.cellWidth >= 14 && l.cellHeight >= 12;
    const double gap = std::min(l.cellWidth, l.cellHeight) >= 10 ? 1 : 0;
    const QPoint first = l.cellAt(l.view.topLeft(), true),
                 last = l.cellAt(l.view.bottomRight() - QPointF(1, 1), true);
    for (int r = first.y(); r <= last.y(); ++r)
        for (int c = first.x(); c <= last.x(); ++c) {
            const QRectF cell = l.cellRect(r, c).adjusted(0, 0, -gap, -gap);
            const double position = n.position(data.value(r, c));
            const size_t at = std::isnan(position) ? 0 : size_t(std::lround(position * 255));
            if (std::isnan(position))
                painter.fillRect(cell, hatch);
            else
                painter.fillRect(cell, QColor::fromRgb(table[at]));
            const QColor& ink = std::isnan(position) ? paper : inks[at];
            if (texts) paintCellText(painter, cell, data.text(r, c), ink);
            if (!data.flags.isEmpty() && data.flag(r, c)) {
                if (data.flag(r, c) & kCellDimmed)
                    painter.fillRect(cell, veil);
                else if (glyphs)
                    paintFlags(painter, cell, data.flag(r, c), ink);
                else if (data.flag(r, c) & (kCellEdited | kCellFailed))
                    painter.fillRect(QRectF(cell.right() - 2, cell.top(), 2, 2), ink);
            }
        }
}

void HeatMapPainter::paintCellText(QPainter& painter, const QRectF& cell, const QString& text,
                                   const QColor& color) {
    if (text.isEmpty()) return;
    painter.setPen(color);
    const bool raster = painter.paintEngine() && painter.paintEngine()->type() == QPaintEngine::Raster;
    if (!raster) {
        painter.drawText(cell, Qt::AlignCenter, text);
        return;
    }
    // The same few texts stand in many cells: shape and rasterise each once per ink, then copy it.
    const double ratio = painter.paintEngine()->paintDevice()->devicePixelRatioF();
    if (ratio != m_ratio || m_stamps.size() > 4096) m_stamps.clear();
    m_ratio = ratio;
    const auto key = std::make_pair(text, color.rgba());
    auto found = m_stamps.constFind(key);
    if (found == m_stamps.constEnd()) {
        const QFontMetricsF fm(painter.font());
        const QSizeF size(std::ceil(fm.horizontalAdvance(text)) + 2, std::ceil(fm.height()));
        QPixmap stamp((size * ratio).toSize());
        stamp.setDevicePixelRatio(ratio);
        stamp.fill(Qt::transparent);
        QPainter p(&stamp);
        p.setFont(painter.font());
        p.setPen(color);
        p.drawText(QRectF(QPointF(0, 0), size), Qt::AlignCenter, text);
        p.end();
        found = m_stamps.insert(key, stamp);
    }
    const QSizeF size = found->deviceIndependentSize();
    if (size.width() > cell.width() + 2) return;
    painter.drawPixmap(QPointF(std::round(cell.center().x() - size.width() / 2),
                               std::round(cell.center().y() - size.height() / 2)),
                       *found);
}

void HeatMapPainter::paintFlags(QPainter& painter, const QRectF& cell, quint8 flags,
                                const QColor& ink) const {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    double right = cell.right();
    if (flags & kCellEdited) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(ink);
        painter.drawPolygon(
            QPolygonF({{right - 7, cell.top()}, {right, cell.top()}, {right, cell.top() + 7}}));
        right -= 7;
    }
    if (flags & kCellLocked) paintPadlock(painter, QRectF(right - 12, cell.top() + 3, 9, 10), ink);
    if (flags & kCellFailed) {
        const QRectF r(cell.left() + 2, cell.top() + 2, 13, 13);
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme().base);
        painter.drawEllipse(r);
        paintIcon(painter, r, QStringLiteral("error"), theme().error);
    } else if (flags & kCellStale) {
        paintIcon(painter, QRectF(cell.left() + 2, cell.top() + 2, 10, 10), QStringLiteral("clock"), ink);
    } else if (flags & kCellStandIn) {
        paintIcon(painter, QRectF(cell.left() + 2, cell.top() + 2, 10, 10), QStringLiteral("nearly"), ink);
    }
    painter.restore();
}

void HeatMapPainter::paintLabels(QPainter& painter, const HeatMapData& data, const HeatMapLayout& l,
                                 const QPoint& current) const {
    const Theme& t = theme();
    const QFont plain = chartFont(), bold = boldChartFont();
    const QFontMetricsF fm(bold);
    painter.save();
    painter.setClipRect(QRectF(0, l.view.top() - 4, l.view.left(), l.view.height() + 8), Qt::IntersectClip);
    const int rowStep = std::max(1, int(std::ceil((fm.height() - 3) / l.cellHeight)));
    for (int r = 0; r < l.rows; r += 1) {
        const bool here = r == current.y();
        const QRectF cell = l.cellRect(r, 0);
        if ((r % rowStep != 0 && !here) || cell.bottom() < l.view.top() || cell.top() > l.view.bottom())
            continue;
        // Around the current row the regular labels step aside.
        if (!here && current.y() >= 0 && rowStep > 1 && std::abs(r - current.y()) < rowStep) continue;
        painter.setFont(here ? bold : plain);
        painter.setPen(t.text);
        painter.drawText(QRectF(4, cell.center().y() - fm.height() / 2, l.rowLabelRight - 4, fm.height()),
                         Qt::AlignRight | Qt::AlignVCenter, data.rowLabels[r]);
    }
    if (!data.rowTitle.isEmpty()) {
        QFont upright = plain;
        upright.setHintingPreference(QFont::PreferNoHinting);
        painter.setFont(upright);
        painter.setPen(t.text2);
        painter.translate(4 + fm.height() / 2, l.view.center().y());
        painter.rotate(-90);
        painter.drawText(QRectF(-150, -fm.height() / 2, 300, fm.height()), Qt::AlignCenter, data.rowTitle);
    }
    painter.restore();

    painter.save();
    painter.setClipRect(l.columnLabels.adjusted(-8, 0, 8, 0), Qt::IntersectClip);
    const int step = labelStep(l.cellWidth, widest(data.columnLabels, fm));
    for (int c = 0; c < l.columns; ++c) {
        const bool here = c == current.x();
        const QRectF cell = l.cellRect(0, c);
        if ((c % step != 0 && !here) || cell.right() < l.view.left() || cell.left() > l.view.right())
            continue;
        if (!here && current.x() >= 0 && step > 1 && std::abs(c - current.x()) < step) continue;
        painter.setFont(here ? bold : plain);
        painter.setPen(here ? t.text : t.text2);
        painter.drawText(QRectF(cell.center().x() - 60, l.columnLabels.top(), 120, l.columnLabels.height()),
                         Qt::AlignCenter, data.columnLabels[c]);
    }
    painter.restore();
    if (data.columnTitle.isEmpty()) return;
    painter.setFont(plain);
    painter.setPen(t.text2);
    painter.drawText(QRectF(l.view.left(), l.titleTop, l.view.width(), fm.height()), Qt::AlignCenter,
                     data.columnTitle);
}

void HeatMapPainter::paintBars(QPainter& painter, const HeatMapData& data, const HeatMapLayout& l) const {
    const Theme& t = theme();
    const QFontMetricsF fm(painter.font());
    painter.setPen(t.text2);
    painter.drawText(QRectF(l.bars.left(), l.columnLabels.top(), l.bars.width(), l.columnLabels.height()),
                     Qt::AlignLeft | Qt::AlignVCenter, data.rowBarTitle);
    double most = 0;
    for (const double v : data.rowBars)
        if (std::isfinite(v)) most = std::max(most, v);
    if (l.cellHeight < 8) return;
    const QColor fill = blend(data.rowBarsPredicted ? t.predicted : t.data, t.base, 0.75);
    painter.save();
    painter.setClipRect(l.bars, Qt::IntersectClip);
    for (int r = 0; r < l.rows; ++r) {
        const QRectF cell = l.cellRect(r, 0);
        if (cell.bottom() < l.view.top() || cell.top() > l.view.bottom()) continue;
        const double v = data.rowBars[r];
        const double length =
            std::isfinite(v) && most > 0 ? std::max(v > 0 ? 1.0 : 0.0, v / most * kBarLength) : 0;
        const double height = std::round(std::min(14.0, l.cellHeight * 0.5));
        painter.fillRect(QRectF(l.bars.left(), std::round(cell.center().y() - height / 2), length, height),
                         fill);
        if (l.cellHeight < fm.height() - 3) continue;
        painter.setPen(t.text);
        painter.drawText(
            QRectF(l.bars.left() + length + 6, cell.center().y() - fm.height() / 2, 70, fm.height()),
            Qt::AlignLeft | Qt::AlignVCenter, formatFixed(v, 1));
    }
    painter.restore();
}

void HeatMapPainter::paintMarks(QPainter& painter, const HeatMapData& data, const HeatMapLayout& l,
                                const HeatMapMarks& marks) const {
    const Theme& t = theme();
    const auto inside = [&](const QPoint& p) {
        return p.x() >= 0 && p.y() >= 0 && p.x() < l.columns && p.y() < l.rows;
    };
    painter.setBrush(Qt::NoBrush);
    if (inside(marks.hover)) {
        painter.setPen(QPen(t.accent, 1));
        painter.drawRect(l.cellRect(marks.hover.y(), marks.hover.x()).adjusted(0.5, 0.5, -1.5, -1.5));
    }
    if (marks.showBrush && marks.selected.size() == qsizetype(l.rows) * l.columns) {
        const QPainterPath path = outline(l, marks.selected).translated(-0.5, -0.5);
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(t.base, 5, Qt::SolidLine, Qt::SquareCap));
        painter.drawPath(path);
        painter.setPen(QPen(t.accent, 2, Qt::SolidLine, Qt::SquareCap));
        painter.drawPath(path);
        painter.setRenderHint(QPainter::Antialiasing, false);
    }
    if (!inside(marks.current)) return;
    const Normalization n = data.normalization();
    const QColor fill = mapColor(n, colorTable(n.diverging ? MapKind::Diverging : MapKind::Sequential),
                                 data.value(marks.current.y(), marks.current.x()));
    const QRectF cell = l.cellRect(marks.current.y(), marks.current.x());
    if (l.cellWidth < 12 || l.cellHeight < 12) {
        painter.setPen(QPen(t.base, 4)); // a halo: among pale and dark cells one line alone would get lost
        painter.drawRect(cell.adjusted(-0.5, -0.5, -0.5, -0.5));
        painter.setPen(QPen(t.text, 2));
        painter.drawRect(cell.adjusted(-0.5, -0.5, -0.5, -0.5));
        return;
    }
    QPen pen(fill.isValid() ? textOn(fill) : t.text, 2, Qt::CustomDashLine, Qt::FlatCap, Qt::MiterJoin);
    pen.setDashPattern({2, 1});
    painter.setPen(pen);
    const double inset = l.cellHeight < 22 ? 1 : 3; // clear of the cell's text
    painter.drawRect(cell.adjusted(inset, inset, -inset - 1, -inset - 1));
}

} // namespace qs::ui
