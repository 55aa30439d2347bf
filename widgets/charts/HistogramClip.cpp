// SPDX-License-Identifier: GPL-3.0-or-later
// The clip handles of a histogram: what lies outside is clipped when the tensor is quantized.
#include "widgets/charts/HistogramWidget.h"
#include "widgets/theme/Theme.h"

#include <QKeyEvent>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {
constexpr double kFlag = 9; // width of a handle's flag

void paintFlag(QPainter& p, double x, double y, const QColor& color) {
    p.setRenderHint(QPainter::Antialiasing);
    p.setPen(Qt::NoPen);
    p.setBrush(color);
    p.drawPolygon(QPolygonF({{x - kFlag / 2, y - 12},
                             {x + kFlag / 2, y - 12},
                             {x + kFlag / 2, y - 4},
                             {x, y},
                             {x - kFlag / 2, y - 4}}));
    p.setRenderHint(QPainter::Antialiasing, false);
}
} // namespace

void HistogramWidget::setClip(double lo, double hi) {
    if (!(lo < hi)) return;
    setClip(lo, hi, lo, hi);
}

void HistogramWidget::setClip(double lo, double hi, double homeLo, double homeHi) {
    if (!(lo < hi) || !(homeLo < homeHi)) return;
    m_clip.shown = true;
    m_clip.lo = lo;
    m_clip.hi = hi;
    m_clip.homeLo = homeLo;
    m_clip.homeHi = homeHi;
    m_clip.dragged = -1;
    update();
}

void HistogramWidget::setClipCentre(double centre) {
    m_clip.centre = centre;
}

void HistogramWidget::setClipLimits(double lo, double hi) {
    m_clip.limits = {lo, hi};
}

void HistogramWidget::removeClip() {
    m_clip = {};
    update();
}

int HistogramWidget::clipHandleAt(const QPointF& at) const {
    if (!m_clip.shown || empty()) return -1;
    const PlotAxes a = axesFor(QSizeF(size()));
    if (at.y() < a.plot.top() - 16 || at.y() > a.plot.bottom() + 2) return -1;
    const double low = std::abs(at.x() - a.x.toPixel(m_clip.lo)),
                 high = std::abs(at.x() - a.x.toPixel(m_clip.hi));
    if (std::min(low, high) > 5) return -1;
    return low < high ? 0 : 1;
}

void HistogramWidget::moveClip(int handle, double value) {
    // The handles keep a bin between them and stay within the limits.
    const double gap = m_data->binWidth();
    const auto [lo, hi] = m_clip.limits.value_or(std::pair(m_data->lo, m_data->hi));
    if (m_clip.centre) {
        const double c = *m_clip.centre;
        double& moved = handle == 0 ? m_clip.lo : m_clip.hi;
        double& other = handle == 0 ? m_clip.hi : m_clip.lo;
        if (moved == c) return;
        // Neither passes its limit, and the moved one stays on its side.
        double factor = (value - c) / (moved - c);
        const double most = std::min(m_clip.hi > c ? (hi - c) / (m_clip.hi - c) : 1e9,
                                     m_clip.lo < c ? (lo - c) / (m_clip.lo - c) : 1e9);
        factor = std::clamp(factor, std::min(most, gap / std::abs(moved - c)), most);
        moved = c + factor * (moved - c);
        other = c + factor * (other - c);
    } else if (handle == 0) {
        m_clip.lo = std::clamp(value, lo, std::max(lo, m_clip.hi - gap));
    } else {
        m_clip.hi = std::clamp(value, std::min(hi, m_clip.lo + gap), hi);
    }
    update();
    emit clipMoved(m_clip.lo, m_clip.hi);
}

bool HistogramWidget::clipKey(QKeyEvent* event) {
    const int key = event->key();
    const bool moved = m_clip.lo != m_clip.homeLo || m_clip.hi != m_clip.homeHi;
    if ((key == Qt::Key_Return || key == Qt::Key_Enter) && moved) {
        m_clip.homeLo = m_clip.lo;
        m_clip.homeHi = m_clip.hi;
        emit clipKept(m_clip.lo, m_clip.hi);
        return true;
    }
    if (key == Qt::Key_Escape && moved) {
        setClip(m_clip.homeLo, m_clip.homeHi);
        emit clipRestored();
        return true;
    }
    const bool low = event->modifiers() & Qt::ControlModifier, high = event->modifiers() & Qt::ShiftModifier;
    if ((key != Qt::Key_Left && key != Qt::Key_Right) || low == high) return false;
    const double step = (key == Qt::Key_Right ? 1 : -1) * m_data->binWidth();
    moveClip(low ? 0 : 1, (low ? m_clip.lo : m_clip.hi) + step);
    return true;
}

void HistogramWidget::paintClip(QPainter& painter, const PlotAxes& axes) const {
    if (!m_clip.shown) return;
    const QColor fill = theme().warningFill;
    const QRectF& r = axes.plot;
    const double lo = std::clamp(axes.x.toPixel(m_clip.lo), r.left(), r.right());
    const double hi = std::clamp(axes.x.toPixel(m_clip.hi), r.left(), r.right());
    painter.fillRect(QRectF(r.left(), r.top(), lo - r.left(), r.height()), fill);
    painter.fillRect(QRectF(hi, r.top(), r.right() - hi, r.height()), fill);
}

void HistogramWidget::paintClipHandles(QPainter& painter, const PlotAxes& axes) const {
    if (!m_clip.shown) return;
    const Theme& t = theme();
    painter.save();
    QFont bold = chartFont();
    bold.setBold(true);
    painter.setFont(bold);
    const QFontMetricsF fm(bold);
    const double values[2] = {m_clip.lo, m_clip.hi};
    QString texts[2];
    double xs[2], widths[2];
    for (int i = 0; i < 2; ++i) {
        texts[i] = tr("clip %1").arg(formatNumber(values[i], 3));
        xs[i] = axes.x.toPixel(values[i]);
        widths[i] = fm.horizontalAdvance(texts[i]);
    }
    const double y = axes.plot.top() - 2;
    // Both labels stand between the handles; without room for two, only the handle in use is labelled.
    const bool crowded = xs[1] - xs[0] < widths[0] + widths[1] + 3 * kFlag;
    for (int i = 0; i < 2; ++i) {
        if (xs[i] < axes.plot.left() - 1 || xs[i] > axes.plot.right() + 1) continue;
        const double x = std::round(xs[i]);
        painter.fillRect(QRectF(x - 1, y, 2, axes.plot.bottom() - y), t.outlier);
        paintFlag(painter, x, y, t.outlier);
        if (crowded && i != std::max(0, m_clip.dragged)) continue;
        painter.setPen(t.outlier);
        const double left = i == 0 ? x + kFlag / 2 + 4 : x - kFlag / 2 - 4 - widths[i];
        painter.drawText(QRectF(left, y - 14, widths[i] + 2, fm.height()), Qt::AlignLeft | Qt::AlignVCenter,
                         texts[i]);
    }
    painter.restore();
}

} // namespace qs::ui
