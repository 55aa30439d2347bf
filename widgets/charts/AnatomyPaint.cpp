// SPDX-License-Identifier: GPL-3.0-or-later
// The drawing half of AnatomyWidget.
#include "widgets/charts/AnatomyWidget.h"
#include "widgets/theme/Theme.h"

#include <QScrollBar>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

constexpr double kRow = 22, kHeader = 22, kNumber = 68, kMinCell = 20, kMaxCell = 30, kMinChart = 60;

QFont bold(QFont font) {
    font.setBold(true);
    return font;
}

} // namespace

AnatomyWidget::Layout AnatomyWidget::layoutFor(const QSizeF& size, double scroll) const {
    Layout l;
    const QFontMetricsF fm(bold(bodyFont()));
    double label = fm.horizontalAdvance(tr("method"));
    for (const AnatomyMethod& m : m_data->methods)
        label = std::max(label, fm.horizontalAdvance(m.label));
    l.label = std::min(label + 20, size.width() * 0.3);
    l.left = l.label;
    l.right = std::max(l.left + kMinCell, size.width() - 3 * kNumber - 8);
    const double n = double(m_data->columns.size());
    l.cell = std::clamp((l.right - l.left) / n, kMinCell, kMaxCell);
    l.right = std::min(l.right, l.left + l.cell * n);
    for (int i = 0; i < 3; ++i)
        l.numbers.push_back(l.right + i * kNumber);
    const double table = kHeader + kRow * double(m_data->methods.size());
    l.tableTop = std::max(kMinChart, size.height() - table);
    l.chart = QRectF(l.left, 16, l.right - l.left, std::max(20.0, l.tableTop - 26));
    l.scroll = std::clamp(scroll, 0.0, std::max(0.0, l.cell * n - (l.right - l.left)));
    return l;
}

QRectF AnatomyWidget::codeRect(int method, int index) const {
    if (empty()) return {};
    const Layout l = layoutFor(QSizeF(viewport()->size()), horizontalScrollBar()->value());
    return {l.centre(index) - l.cell / 2, l.tableTop + kHeader + method * kRow, l.cell, kRow};
}

AxisMap AnatomyWidget::levelAxis(const Layout& l) const {
    double lo = 0, hi = std::max(1, m_data->levels - 1);
    if (m_method >= 0 && m_method < m_data->methods.size()) {
        const AnatomyMethod& m = m_data->methods[m_method];
        for (qsizetype i = 0; i < m.levels.size(); ++i)
            for (const double u : {m.levels[i], m_data->weights[i] / m.scale + m.zero}) {
                lo = std::min(lo, u);
                hi = std::max(hi, u);
            }
    }
    return {lo - 0.5, hi + 0.5, l.chart.bottom(), l.chart.top(), false};
}

void AnatomyWidget::paintLevels(QPainter& painter, const Layout& l) const {
    const Theme& t = theme();
    const AxisMap y = levelAxis(l);
    const QFontMetricsF fm(chartFont());
    painter.setFont(chartFont());
    // Lines for all levels while they stay apart; numbers at every fifth or so.
    const double apart = std::abs(y.toPixel(1) - y.toPixel(0));
    if (apart >= 4)
        for (int level = 0; level < m_data->levels; ++level)
            painter.fillRect(QRectF(l.chart.left(), std::round(y.toPixel(level)), l.chart.width(), 1),
                             t.grid);
    for (const AxisTick& tick :
         linearTicks(0, m_data->levels - 1, std::clamp(int(l.chart.height() / 22), 2, 6))) {
        const double at = y.toPixel(tick.value);
        painter.fillRect(QRectF(l.chart.left(), std::round(at), l.chart.width(), 1), t.border);
        painter.setPen(t.text2);
        painter.drawText(QRectF(l.chart.left() - 46, at - fm.height() / 2, 40, fm.height()),
                         Qt::AlignRight | Qt::AlignVCenter, tick.label);
    }
    painter.save();
    painter.translate(l.chart.left() - 52, l.chart.center().y());
    painter.rotate(-90);
    painter.drawText(QRectF(-80, -fm.height() / 2, 160, fm.height()), Qt::AlignCenter, tr("level"));
    painter.restore();
}

void AnatomyWidget::paintValues(QPainter& painter, const Layout& l) const {
    if (m_method < 0 || m_method >= m_data->methods.size()) return;
    const Theme& t = theme();
    const AnatomyMethod& m = m_data->methods[m_method];
    if (m.codes.isEmpty()) return;
    const AxisMap y = levelAxis(l);
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    for (int i = 0; i < m_data->columns.size(); ++i) {
        const double x = l.centre(i);
        if (x < l.left - l.cell || x > l.right + l.cell) continue;
        const QPointF weight(x, y.toPixel(m_data->weights[i] / m.scale + m.zero));
        const double level = y.toPixel(m.levels[i]);
        const QColor ink = m.nearest[i] ? t.data : t.predicted;
        painter.fillRect(QRectF(x - 5, level - 1.5, 10, 3), ink);
        const double length = std::abs(level - weight.y());
        if (length > 6) { // the way from the weight to its level
            const double sign = level > weight.y() ? 1 : -1;
            painter.setPen(QPen(ink, 1));
            painter.drawLine(weight + QPointF(0, 3 * sign), QPointF(x, level - 3 * sign));
            painter.setBrush(ink);
            painter.drawPolygon(
                QPolygonF({{x, level - 1 * sign}, {x - 2.5, level - 5 * sign}, {x + 2.5, level - 5 * sign}}));
        }
        const bool largest = i == m_data->largest;
        painter.setPen(QPen(largest ? t.outlier : t.text2, 1.2));
        painter.setBrush(largest ? t.outlier : t.base);
        painter.drawEllipse(weight, 3, 3);
    }
    painter.restore();
}

void AnatomyWidget::paintHeader(QPainter& painter, const Layout& l, double width) const {
    const Theme& t = theme();
    painter.fillRect(QRectF(0, l.tableTop, width, kHeader), t.header);
    painter.fillRect(QRectF(0, l.tableTop, width, 1), t.border);
    painter.setFont(chartFont());
    painter.setPen(t.text2);
    painter.drawText(QRectF(8, l.tableTop, l.label - 8, kHeader), Qt::AlignVCenter, tr("method"));
    const QString titles[3] = {tr("scale"), tr("weight, %"), tr("output, %")};
    for (int i = 0; i < 3; ++i)
        painter.drawText(QRectF(l.numbers[i], l.tableTop, kNumber - 6, kHeader),
                         Qt::AlignVCenter | Qt::AlignRight, titles[i]);
    painter.save();
    painter.setClipRect(QRectF(l.left, l.tableTop, l.right - l.left, kHeader), Qt::IntersectClip);
    const QFontMetricsF fm(chartFont());
    double occupied = -1e9;
    for (int i = 0; i < m_data->columns.size(); ++i) {
        const QString text = QString::number(m_data->columns[i]);
        const double w = fm.horizontalAdvance(text), x = l.centre(i);
        if (x - w / 2 < occupied) continue;
        painter.drawText(QRectF(x - w / 2 - 1, l.tableTop, w + 2, kHeader), Qt::AlignCenter, text);
        occupied = x + w / 2 + 10;
    }
    painter.restore();
}

void AnatomyWidget::paintMethods(QPainter& painter, const Layout& l, double width) const {
    const Theme& t = theme();
    for (int r = 0; r < m_data->methods.size(); ++r) {
        const AnatomyMethod& m = m_data->methods[r];
        const QRectF row(0, l.tableTop + kHeader + r * kRow, width, kRow);
        const bool current = r == m_method;
        if (current) painter.fillRect(row, t.selection);
        painter.fillRect(QRectF(0, row.bottom() - 1, width, 1), current ? t.accent : t.grid);
        const QFont font = current ? bold(bodyFont()) : bodyFont();
        painter.setFont(font);
        painter.setPen(t.text);
        painter.drawText(row.adjusted(8, 0, 0, 0).intersected(QRectF(0, row.top(), l.label - 4, kRow)),
                         Qt::AlignVCenter,
                         QFontMetricsF(font).elidedText(m.label, Qt::ElideRight, l.label - 14));
        painter.save();
        painter.setClipRect(QRectF(l.left, row.top(), l.right - l.left, kRow), Qt::IntersectClip);
        if (m.codes.isEmpty()) {
            painter.setPen(t.text3);
            painter.drawText(QRectF(l.left + 4, row.top(), l.right - l.left, kRow), Qt::AlignVCenter, m.note);
        }
        for (int i = 0; i < m.codes.size(); ++i) {
            const QRectF cell(l.centre(i) - l.cell / 2, row.top(), l.cell, kRow);
            if (cell.right() < l.left || cell.left() > l.right) continue;
            painter.setFont(m.nearest[i] ? monoFont() : bold(monoFont()));
            painter.setPen(m.nearest[i] ? t.text : t.predicted);
            painter.drawText(cell, Qt::AlignCenter, QString::number(m.codes[i]));
        }
        painter.restore();
        if (m.codes.isEmpty()) continue;
        painter.setFont(font);
        painter.setPen(t.text);
        const QString numbers[3] = {formatNumber(m.scale, 3), formatFixed(m.weightError, 2),
                                    formatNumber(m.outputError, 3)};
        for (int i = 0; i < 3; ++i)
            painter.drawText(QRectF(l.numbers[i], row.top(), kNumber - 6, kRow),
                             Qt::AlignVCenter | Qt::AlignRight, numbers[i]);
    }
}

void AnatomyWidget::paintContent(QPainter& painter, const QSizeF& size, double scroll,
                                 bool interactive) const {
    const Theme& t = theme();
    painter.save();
    if (empty()) {
        painter.setFont(bodyFont());
        painter.setPen(t.text3);
        painter.drawText(
            QRectF(8, 8, size.width() - 16, size.height() - 16), Qt::AlignCenter | Qt::TextWordWrap,
            m_data && !m_data->emptyText.isEmpty() ? m_data->emptyText : tr("Nothing to show yet."));
        painter.restore();
        return;
    }
    const Layout l = layoutFor(size, scroll);
    painter.save();
    painter.setClipRect(QRectF(l.left, 0, l.right - l.left, size.height()), Qt::IntersectClip);
    const auto band = [&](int index, const QColor& color) {
        painter.fillRect(QRectF(l.centre(index) - l.cell / 2, 0, l.cell, l.tableTop), color);
    };
    if (m_data->largest >= 0) band(m_data->largest, t.warningFill);
    if (const int at = int(m_data->columns.indexOf(m_column));
        interactive && at >= 0 && at != m_data->largest)
        band(at, t.selection);
    painter.restore();
    paintLevels(painter, l);
    painter.save();
    painter.setClipRect(QRectF(l.left, 0, l.right - l.left, l.tableTop), Qt::IntersectClip);
    paintValues(painter, l);
    if (m_data->largest >= 0) {
        painter.setFont(chartFont());
        painter.setPen(t.outlier);
        const QString text = tr("w[%1] is the largest").arg(m_data->columns[m_data->largest]);
        const double w = QFontMetricsF(chartFont()).horizontalAdvance(text), x = l.centre(m_data->largest);
        const bool fits = x + l.cell / 2 + 6 + w < l.right;
        painter.drawText(QRectF(fits ? x + l.cell / 2 + 4 : x - l.cell / 2 - 6 - w, 1, w + 2, 14),
                         Qt::AlignVCenter, text);
    }
    painter.restore();
    paintHeader(painter, l, size.width());
    paintMethods(painter, l, size.width());
    if (interactive && hasFocus()) {
        painter.setPen(QPen(t.accent, 1));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(QRectF(0.5, 0.5, size.width() - 1, size.height() - 1));
    }
    painter.restore();
}

} // namespace qs::ui
