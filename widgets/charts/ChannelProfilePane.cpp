// SPDX-License-Identifier: GPL-3.0-or-later
// Data, geometry and the mouse; ChannelProfilePaint.cpp draws, ChannelProfileKeys.cpp has the keys.
#include "widgets/charts/ChannelProfilePane.h"

#include "widgets/charts/ExportMenu.h"
#include "widgets/theme/Theme.h"

#include <QMouseEvent>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>
#include <numeric>

namespace qs::ui {

namespace {
constexpr double kMinSpan = 8; // channels
} // namespace

ChannelProfilePane::ChannelProfilePane(QWidget* parent) : QWidget(parent) {
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Channel profile"));
    installExportMenu(this, this);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

void ChannelProfilePane::setData(ChannelProfileDataPtr data) {
    const int before = m_data ? m_data->channels() : -1;
    m_data = std::move(data);
    if (m_data && !m_data->consistent()) m_data.reset();
    const int n = m_data ? m_data->channels() : 0;
    if (n != before) {
        m_lo = 0;
        m_hi = std::max(1, n);
        m_selected = m_hover = -1;
        m_listed = false;
    }
    m_outliersBySize.clear();
    if (m_data) {
        for (const int c : m_data->outliers)
            if (c >= 0 && c < n && m_data->absmax[c] > 0) m_outliersBySize.push_back(c);
        std::stable_sort(m_outliersBySize.begin(), m_outliersBySize.end(),
                         [&](int a, int b) { return m_data->absmax[a] > m_data->absmax[b]; });
        setAccessibleName(m_data->title);
    }
    rescale();
    rebuildOrder();
    tellList();
    update();
}

void ChannelProfilePane::setSeries(const QVector<ChannelSeries>& series) {
    m_series = series;
    rescale();
    update();
}

bool ChannelProfilePane::shows(ChannelSeries series) const {
    return m_series.contains(series) && m_data && !m_data->values(series).isEmpty();
}

void ChannelProfilePane::rescale() {
    double lo = std::numeric_limits<double>::infinity(), hi = 0;
    const auto extend = [&](double v) {
        if (!(v > 0) || !std::isfinite(v)) return;
        lo = std::min(lo, v);
        hi = std::max(hi, v);
    };
    if (m_data) {
        for (const float v : m_data->absmax)
            extend(v);
        if (hi > 0 && m_data->ruleThreshold > 0) extend(std::min(m_data->ruleThreshold, hi * 20));
        for (const ChannelSeries s : kChannelSeries) {
            if (!shows(s)) continue;
            for (const float v : m_data->values(s))
                if (std::isfinite(v)) extend(std::max(std::fabs(double(v)), hi * 1e-4));
        }
    }
    if (!(lo <= hi)) lo = 0.1, hi = 1;
    // Room for the triangles above the largest value and for dead channels not to stretch the axis over ten
    // decades.
    m_yHi = hi * std::pow(std::max(hi / lo, 4.0), 0.16);
    m_yLo = std::max(lo * 0.7, hi * 1e-6);
}

void ChannelProfilePane::rebuildOrder() {
    m_rank.clear();
    m_channelAtRank.clear();
    if (m_order == ChannelOrder::Natural || empty()) return;
    const int n = m_data->channels();
    m_channelAtRank.resize(n);
    std::iota(m_channelAtRank.begin(), m_channelAtRank.end(), 0);
    const auto key = [&](int c) { return std::isnan(m_data->absmax[c]) ? -1.0f : m_data->absmax[c]; };
    std::stable_sort(m_channelAtRank.begin(), m_channelAtRank.end(),
                     [&](int a, int b) { return key(a) > key(b); });
    m_rank.resize(n);
    for (int i = 0; i < n; ++i)
        m_rank[m_channelAtRank[i]] = i;
}

void ChannelProfilePane::setOrder(ChannelOrder order) {
    if (order == m_order) return;
    m_order = order;
    rebuildOrder();
    update();
}

void ChannelProfilePane::setRange(double lo, double hi) {
    if (empty()) return;
    const double n = m_data->channels();
    const double span = std::clamp(hi - lo, std::min(kMinSpan, n), n);
    lo = std::clamp(lo, 0.0, n - span);
    if (lo == m_lo && lo + span == m_hi) return;
    m_lo = lo;
    m_hi = lo + span;
    update();
}

void ChannelProfilePane::applyRange(double lo, double hi) {
    const double beforeLo = m_lo, beforeHi = m_hi;
    setRange(lo, hi);
    if (m_lo != beforeLo || m_hi != beforeHi) emit rangeChanged(m_lo, m_hi);
}

void ChannelProfilePane::setHoverChannel(int channel) {
    if (empty() || channel >= m_data->channels()) channel = -1;
    if (channel == m_hover) return;
    m_hover = channel;
    update();
}

void ChannelProfilePane::setSelectedChannel(int channel) {
    if (empty() || channel >= m_data->channels()) channel = -1;
    if (channel == m_selected) return;
    m_selected = channel;
    tellList();
    if (channel >= 0 && (rankOf(channel) < m_lo || rankOf(channel) >= m_hi)) {
        const double span = m_hi - m_lo;
        applyRange(rankOf(channel) - span / 2, rankOf(channel) + span / 2);
    }
    update();
}

PlotAxes ChannelProfilePane::axesFor(const QSizeF& size) const {
    PlotAxes a;
    const QFontMetricsF fm(chartFont());
    const double top = fm.height() * double(1 + legendBelowTitle(size.width() - kBesidePlot).size()) + 12,
                 bottom = bottomAxisHeight(true) + 4;
    const double plotHeight = std::max(20.0, size.height() - top - bottom);
    a.yTicks = logTicks(m_yLo, m_yHi, std::clamp(int(plotHeight / 26), 2, 8));
    const double left = 8 + leftAxisWidth(a.yTicks, true);
    a.plot = QRectF(std::round(left), std::round(top), std::floor(std::max(20.0, size.width() - left - 20)),
                    std::floor(plotHeight));
    a.x = {m_lo, m_hi, a.plot.left(), a.plot.right(), false};
    a.y = {m_yLo, m_yHi, a.plot.bottom(), a.plot.top(), true};
    a.xTicks =
        indexTicks(m_lo, m_hi, empty() ? 0 : m_data->channels(), std::clamp(int(a.plot.width() / 46), 2, 9));
    if (!empty()) {
        a.xTitle = m_order == ChannelOrder::Sorted ? tr("%1, by size").arg(m_data->xTitle) : m_data->xTitle;
        a.yTitle = tr("%1 (log)").arg(m_data->yTitle);
    }
    return a;
}

QVector<ChannelProfilePane::Column> ChannelProfilePane::pooled(const AxisMap& x) const {
    const int width = std::max(1, int(std::ceil(x.to - x.from)));
    constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
    QVector<Column> columns(width, Column{kNone, kNone, -1});
    const int first = std::max(0, int(std::floor(m_lo))),
              last = std::min(m_data->channels(), int(std::ceil(m_hi)));
    for (int rank = first; rank < last; ++rank) {
        const float v = valueAtRank(rank);
        if (std::isnan(v)) continue;
        const int at = std::clamp(int(x.toPixel(rank + 0.5) - x.from), 0, width - 1);
        Column& c = columns[at];
        if (c.peak < 0 || v > c.hi) c.hi = v, c.peak = rank;
        if (std::isnan(c.lo) || v < c.lo) c.lo = v;
    }
    return columns;
}

int ChannelProfilePane::channelAt(const QPointF& at) const {
    if (empty()) return -1;
    const PlotAxes a = axesFor(QSizeF(size()));
    if (!a.plot.adjusted(-2, -12, 2, 2).contains(at)) return -1;
    // Within a few pixels the largest value wins: nobody can hit one channel of four thousand.
    const double reach = 3;
    const int n = m_data->channels();
    const int lo = std::clamp(int(a.x.toValue(at.x() - reach)), 0, n - 1);
    const int hi = std::clamp(int(a.x.toValue(at.x() + reach)), 0, n - 1);
    int best = std::clamp(int(a.x.toValue(at.x())), 0, n - 1);
    if ((m_hi - m_lo) * 2 * reach < a.plot.width()) return channelOf(best);
    for (int rank = lo; rank <= hi; ++rank)
        if (valueAtRank(rank) > valueAtRank(best)) best = rank;
    return channelOf(best);
}

void ChannelProfilePane::zoomAround(double at, double factor) {
    const double span = std::clamp((m_hi - m_lo) * factor, std::min(kMinSpan, double(m_data->channels())),
                                   double(m_data->channels()));
    const double t = (at - m_lo) / (m_hi - m_lo);
    applyRange(at - t * span, at + (1 - t) * span);
}

void ChannelProfilePane::selectChannel(int channel) {
    if (channel < 0 || channel == m_selected) return;
    setSelectedChannel(channel);
    emit channelSelected(channel);
}

void ChannelProfilePane::wheelEvent(QWheelEvent* event) {
    if (empty()) return;
    const PlotAxes a = axesFor(QSizeF(size()));
    const QPoint delta = event->angleDelta();
    const double span = m_hi - m_lo;
    if (event->modifiers() & Qt::ShiftModifier || std::abs(delta.x()) > std::abs(delta.y())) {
        const double by = -(delta.x() != 0 ? delta.x() : delta.y()) / 120.0 * span * 0.1;
        applyRange(m_lo + by, m_hi + by);
    } else {
        const double x = std::clamp(event->position().x(), a.plot.left(), a.plot.right());
        zoomAround(a.x.toValue(x), std::pow(0.8, delta.y() / 120.0));
    }
    event->accept();
}

void ChannelProfilePane::mousePressEvent(QMouseEvent* event) {
    if (empty()) return;
    m_pressAt = m_pointer = event->position();
    m_panLo = m_lo;
    m_panHi = m_hi;
    const bool pan = event->button() == Qt::MiddleButton ||
                     (event->button() == Qt::LeftButton && event->modifiers() & Qt::ShiftModifier);
    m_drag = pan ? Drag::Pan : event->button() == Qt::LeftButton ? Drag::Zoom : Drag::None;
}

void ChannelProfilePane::mouseMoveEvent(QMouseEvent* event) {
    if (empty()) return;
    m_pointer = event->position();
    if (m_drag == Drag::Pan) {
        const double perPixel = (m_panHi - m_panLo) / axesFor(QSizeF(size())).plot.width();
        const double by = (m_pressAt.x() - m_pointer.x()) * perPixel;
        applyRange(m_panLo + by, m_panHi + by);
        return;
    }
    const int channel = channelAt(m_pointer);
    if (channel != m_hover) {
        setHoverChannel(channel);
        emit channelHovered(channel);
    }
    update();
}

void ChannelProfilePane::mouseReleaseEvent(QMouseEvent* event) {
    const Drag was = std::exchange(m_drag, Drag::None);
    if (empty() || was != Drag::Zoom) return;
    const double distance = std::abs(event->position().x() - m_pressAt.x());
    if (distance < 5) {
        selectChannel(channelAt(event->position()));
    } else {
        const PlotAxes a = axesFor(QSizeF(size()));
        const double x0 = a.x.toValue(std::clamp(m_pressAt.x(), a.plot.left(), a.plot.right()));
        const double x1 = a.x.toValue(std::clamp(event->position().x(), a.plot.left(), a.plot.right()));
        applyRange(std::min(x0, x1), std::max(x0, x1));
    }
    update();
}

void ChannelProfilePane::mouseDoubleClickEvent(QMouseEvent* event) {
    if (m_listed)
        goBack();
    else if (event->button() == Qt::LeftButton)
        zoomToChannel(channelAt(event->position()));
}

void ChannelProfilePane::leaveEvent(QEvent*) {
    if (m_hover < 0) return;
    setHoverChannel(-1);
    emit channelHovered(-1);
}

QString ChannelProfilePane::pictureName() const {
    return m_data ? m_data->title : tr("Channel profile");
}

} // namespace qs::ui
