// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/heatmaps/TokenMapPainter.h"

#include "widgets/models/Metric.h"
#include "widgets/theme/ColorLevels.h"

#include <QCoreApplication>
#include <QPainter>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

constexpr double kMarks = 18;     ///< marked channels above the cells
constexpr double kNumbers = 30;   ///< position numbers
constexpr double kBarsGap = 18;   ///< between cells and bars
constexpr double kLeastSpike = 6; ///< px: a spike is seen at any zoom
constexpr double kBarHeight = 9;  ///< of the colour bar
constexpr double kReadable = 11;  ///< px per row from which every token is written

QString tr(const char* text) {
    return QCoreApplication::translate("qs::ui::TokenMap", text);
}

double axisHeight() {
    const QFontMetricsF fm(chartFont());
    return std::ceil(4 + fm.height() + 4 + fm.height() + 2);
}

double labelWidth(const TokenMapData& data) {
    const QFontMetricsF fm(monoFont());
    double width = 24;
    for (const QString& t : data.tokens)
        width = std::max(width, fm.horizontalAdvance(t));
    return std::ceil(std::min(width, 96.0)) + 8;
}

/// Every n-th row number, so that they do not touch.
int numberStep(double rowHeight) {
    const double room = QFontMetricsF(chartFont()).height() + 2;
    for (const int step : {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000})
        if (rowHeight * step >= room) return step;
    return 5000;
}

QVector<bool> massiveTokens(const TokenMapData& data) {
    QVector<bool> massive(data.tokenCount(), false);
    for (const QPoint& s : data.spikes)
        massive[s.y()] = true;
    return massive;
}

void paintLabels(QPainter& p, const TokenMapData& data, const TokenMapLayout& l, const TokenMapView& v) {
    const QVector<bool> massive = massiveTokens(data);
    const QFontMetricsF mono(monoFont()), fm(chartFont());
    const int step = numberStep(l.rowHeight);
    const int first = std::max(0, int(l.top / l.rowHeight));
    const int end = std::min(l.tokens, int((l.top + l.plot.height()) / l.rowHeight) + 1);
    const auto write = [&](int t, bool text) {
        const QRectF row = l.rowRect(t);
        const bool current = v.interactive && t == v.cross.y();
        p.setPen(massive[t] ? theme().outlier : current ? theme().accent : theme().text2);
        if (text) {
            QFont font = monoFont();
            font.setBold(massive[t] || current);
            p.setFont(font);
            const QRectF r(l.labels.left(), row.center().y() - mono.height() / 2, l.labels.width() - 4,
                           mono.height());
            p.drawText(r, Qt::AlignRight | Qt::AlignVCenter,
                       mono.elidedText(data.tokens.value(t), Qt::ElideRight, r.width()));
        }
        if (t % step && !current) return;
        p.setFont(chartFont());
        if (!current) p.setPen(theme().text3);
        p.drawText(QRectF(l.labels.right(), row.center().y() - fm.height() / 2, l.numbers - 5, fm.height()),
                   Qt::AlignRight | Qt::AlignVCenter, QString::number(t));
    };
    p.save();
    p.setClipRect(
        QRectF(l.labels.left(), l.plot.top() - 2, l.plot.left() - l.labels.left(), l.plot.height() + 4));
    // Rows too low for a text each: the massive ones and the crosshair's, as far as they do not touch.
    double occupied = -1e9;
    if (v.interactive && v.cross.y() >= first && v.cross.y() < end && l.rowHeight < kReadable)
        write(v.cross.y(), true);
    for (int t = first; t < end; ++t) {
        const double y = l.rowRect(t).center().y();
        const bool near = v.cross.y() >= 0 && v.interactive && t != v.cross.y() && l.rowHeight < kReadable &&
                          std::abs(y - l.rowRect(v.cross.y()).center().y()) < kReadable;
        if (near) continue;
        const bool text = l.rowHeight >= kReadable - 0.01 || (massive[t] && y >= occupied + kReadable);
        if (text) occupied = y;
        if (text || t % step == 0) write(t, text);
    }
    p.restore();
}

void paintChannelMarks(QPainter& p, const TokenMapData& data, const TokenMapLayout& l) {
    const QFontMetricsF fm(chartFont());
    QFont bold = chartFont();
    bold.setBold(true);
    p.setFont(bold);
    QVector<QRectF> taken;
    for (const int c : data.outlierChannels) {
        const double x = l.cellRect({c, 0}).center().x();
        if (x < l.plot.left() || x > l.plot.right()) continue;
        p.setPen(Qt::NoPen);
        p.setBrush(theme().outlier);
        const double y = l.plot.top() - 1;
        p.drawPolygon(QPolygonF({{x - 3, y - 4}, {x + 3, y - 4}, {x, y}}));
        const QString text = QString::number(c);
        const double w = fm.horizontalAdvance(text) + 4;
        const QRectF r(std::clamp(x - w / 2, l.plot.left() - 10, l.plot.right() - w + 10),
                       l.plot.top() - kMarks, w, fm.height());
        const auto touches = [&](const QRectF& other) { return other.adjusted(-3, 0, 3, 0).intersects(r); };
        if (std::any_of(taken.begin(), taken.end(), touches)) continue;
        taken.push_back(r);
        p.setPen(theme().outlier);
        p.drawText(r, Qt::AlignCenter, text);
    }
    p.setBrush(Qt::NoBrush);
}

void paintSpikes(QPainter& p, const TokenMapData& data, const TokenMapLayout& l, const TokenScale& scale,
                 TokenMode mode) {
    if (l.pixelsPerChannel() >= kLeastSpike && l.rowHeight >= 3) return;
    const ColorTable& table = colorTable(scale.kind());
    p.save();
    p.setClipRect(l.plot);
    // The largest last: on top.
    for (qsizetype i = data.spikes.size() - 1; i >= 0; --i) {
        const QPoint s = data.spikes[i];
        const QRectF cell = l.cellRect(s);
        if (!cell.intersects(l.plot.adjusted(-kLeastSpike, -3, kLeastSpike, 3))) continue;
        const TokenPyramid& from = mode == TokenMode::ZScore && data.z ? *data.z : *data.values;
        const double at = scale.position(double(from.value(s.y(), s.x())));
        if (std::isnan(at)) continue;
        const double w = std::max(kLeastSpike, cell.width()), h = std::max(3.0, cell.height());
        p.fillRect(QRectF(std::round(cell.center().x() - w / 2), cell.center().y() - h / 2, w, h),
                   QColor::fromRgb(table[size_t(std::lround(at * 255))]));
    }
    p.restore();
}

void paintBars(QPainter& p, const TokenMapData& data, const TokenMapLayout& l) {
    if (l.bars.isEmpty()) return;
    const QFontMetricsF fm(chartFont());
    const TokenScale scale = TokenScale::of(data, TokenMode::Magnitude);
    const QVector<bool> massive = massiveTokens(data);
    p.setFont(chartFont());
    p.setPen(theme().text2);
    const QString title = tr("max |x| per token, log");
    p.drawText(QRectF(l.bars.left(), l.plot.top() - kMarks, l.bars.width(), fm.height()), Qt::AlignLeft,
               fm.horizontalAdvance(title) <= l.bars.width() ? title : tr("max |x|, log"));
    p.save();
    p.setClipRect(QRectF(l.bars.left(), l.plot.top(), l.bars.width(), l.plot.height()));
    const int first = std::max(0, int(l.top / l.rowHeight));
    const int end = std::min(l.tokens, int((l.top + l.plot.height()) / l.rowHeight) + 1);
    const auto bar = [&](int t) {
        const QRectF row = l.rowRect(t);
        const double width = scale.position(double(data.values->tokenMax(t))) * l.bars.width();
        const double h = std::max(1.0, l.rowHeight * 0.65);
        p.fillRect(QRectF(l.bars.left(), row.center().y() - h / 2, width, h),
                   massive[t] ? theme().outlier : theme().text3);
    };
    for (int t = first; t < end; ++t)
        if (!massive[t]) bar(t);
    for (int t = first; t < end; ++t)
        if (massive[t]) bar(t);
    p.restore();
    PlotAxes axes;
    axes.plot = QRectF(l.bars.left(), l.plot.top(), l.bars.width(), l.plot.height());
    axes.x = {scale.lo, scale.hi, l.bars.left(), l.bars.right(), true};
    axes.xTicks = logTicks(scale.lo, scale.hi, std::max(2, int(l.bars.width() / 44)));
    axes.showY = false;
    paintAxes(p, axes);
}

void paintColourBar(QPainter& p, const TokenMapLayout& l, const TokenScale& scale) {
    const QFontMetricsF fm(chartFont());
    const double y = l.plot.bottom() + 4 + fm.height() + 7, width = std::min(130.0, l.plot.width() / 3);
    const QVector<AxisTick> ticks = scale.ticks();
    const ColorTable& table = colorTable(scale.kind());
    const QString low = ticks.first().label, high = ticks.last().label;
    const double x = l.plot.left() + fm.horizontalAdvance(low) + 6;
    for (int i = 0; i < int(width); ++i)
        p.fillRect(QRectF(x + i, y, 1, kBarHeight), QColor::fromRgb(table[size_t(i * 255 / int(width))]));
    p.setPen(theme().border);
    p.drawRect(QRectF(x - 0.5, y - 0.5, int(width) + 1, kBarHeight + 1));
    p.setFont(chartFont());
    p.setPen(theme().text2);
    const double textY = y + kBarHeight / 2 - fm.height() / 2;
    p.drawText(QRectF(l.plot.left() - 60, textY, x - l.plot.left() + 56, fm.height()), Qt::AlignRight, low);
    p.drawText(QRectF(x + width + 5, textY, 300, fm.height()), Qt::AlignLeft,
               high + QStringLiteral("  ") + scale.title());
}

void paintChannelAxis(QPainter& p, const TokenMapLayout& l) {
    PlotAxes axes;
    axes.plot = l.plot;
    axes.x = {l.firstChannel, l.endChannel, l.plot.left(), l.plot.right(), false};
    axes.xTicks = indexTicks(l.firstChannel, l.endChannel, l.channels, std::max(2, int(l.plot.width() / 70)));
    axes.showY = false;
    paintAxes(p, axes);
    // At the end of the axis: its middle belongs to the colour bar.
    const QFontMetricsF fm(chartFont());
    p.setFont(chartFont());
    p.setPen(theme().text2);
    p.drawText(QRectF(l.plot.right() - 120, l.plot.bottom() + 5 + fm.height(), 120, fm.height()),
               Qt::AlignRight, tr("channel"));
    p.setPen(theme().strongBorder);
    p.drawRect(l.plot.adjusted(-0.5, -0.5, 0.5, 0.5));
}

void paintPanel(QPainter& p, const TokenMapData& data, const TokenMapLayout& l, const QPoint& cell) {
    const QFontMetricsF fm(chartFont());
    const QString title = tokenCellTitle(data, cell);
    const auto facts = tokenCellFacts(data, l, cell);
    QFont bold = chartFont();
    bold.setBold(true);
    double keys = 0, values = 0;
    for (const auto& [k, value] : facts) {
        keys = std::max(keys, fm.horizontalAdvance(k));
        values = std::max(values, fm.horizontalAdvance(value));
    }
    const double width = std::max(keys + values + 24, QFontMetricsF(bold).horizontalAdvance(title)) + 16;
    const double line = fm.height() + 1, height = line * double(facts.size() + 1) + 14;
    const QRectF at = l.cellRect(cell);
    QRectF r(at.center().x() + 34, at.bottom() + 10, width, height);
    if (r.right() > l.plot.right()) r.moveRight(at.center().x() - 34);
    if (r.bottom() > l.plot.bottom()) r.moveBottom(at.top() - 10);
    r.moveLeft(std::max(r.left(), l.plot.left() + 2));
    r.moveTop(std::max(r.top(), l.plot.top() + 2));
    p.setRenderHint(QPainter::Antialiasing);
    p.setPen(QPen(theme().strongBorder, 1));
    p.setBrush(theme().base);
    p.drawRoundedRect(QRectF(r.toAlignedRect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4);
    p.setFont(bold);
    p.setPen(theme().text);
    p.drawText(QRectF(r.left() + 8, r.top() + 6, r.width(), line), Qt::AlignLeft, title);
    p.setFont(chartFont());
    double y = r.top() + 8 + line;
    for (const auto& [k, value] : facts) {
        p.setPen(theme().text2);
        p.drawText(QRectF(r.left() + 8, y, r.width(), line), Qt::AlignLeft, k);
        p.setPen(theme().text);
        p.drawText(QRectF(r.left(), y, r.width() - 8, line), Qt::AlignRight, value);
        y += line;
    }
}

void paintCrosshair(QPainter& p, const TokenMapData& data, const TokenMapLayout& l, const QPoint& cell) {
    const QRectF r = l.cellRect(cell);
    p.save();
    p.setClipRect(l.plot.adjusted(-1, -1, 1, 1));
    const double left = std::min(r.left(), r.center().x() - 4), right = std::max(r.right(), left + 8);
    const double top = std::min(r.top(), r.center().y() - 4), bottom = std::max(r.bottom(), top + 8);
    p.setPen(QPen(theme().accent, 1));
    const double x = std::round(r.center().x()) + 0.5;
    p.drawLine(QPointF(x, l.plot.top()), QPointF(x, top));
    p.drawLine(QPointF(x, bottom), QPointF(x, l.plot.bottom()));
    for (const double y : {top, bottom}) {
        p.drawLine(QPointF(l.plot.left(), y), QPointF(left, y));
        p.drawLine(QPointF(right, y), QPointF(l.plot.right(), y));
    }
    p.setPen(QPen(theme().accent, 1.5));
    p.drawRect(QRectF(QPointF(left, top), QPointF(right, bottom)));
    p.restore();
    if (r.intersects(l.plot)) paintPanel(p, data, l, cell);
}

} // namespace

double tokenMapChrome() {
    return kMarks + axisHeight() + 4;
}

std::pair<int, int> TokenMapLayout::channelsAt(double x) const {
    const double perPixel = 1 / pixelsPerChannel(),
                 at = firstChannel + (std::floor(x) - plot.left()) * perPixel;
    const int first = std::clamp(int(std::floor(at)), 0, channels - 1);
    const int end = std::clamp(int(std::floor(at + perPixel)), first + 1, channels);
    return {first, end};
}

double TokenMapLayout::columnOf(int channel) const {
    const double near = plot.left() + std::floor((channel + 0.5 - firstChannel) * pixelsPerChannel()) + 0.5;
    // A pixel begins inside a channel, so that the channel may be its neighbour's.
    for (const double x : {near, near + 1, near - 1}) {
        const auto [first, end] = channelsAt(x);
        if (first <= channel && channel < end) return x;
    }
    return near;
}

QPoint TokenMapLayout::cellAt(const QPointF& at, bool clamp) const {
    if (!clamp && !plot.contains(at)) return {-1, -1};
    const int channel = int(std::floor(firstChannel + (at.x() - plot.left()) / pixelsPerChannel()));
    const int token = int(std::floor((at.y() - plot.top() + top) / rowHeight));
    if (!clamp && token >= tokens) return {-1, -1};
    return {std::clamp(channel, 0, channels - 1), std::clamp(token, 0, tokens - 1)};
}

QRectF TokenMapLayout::rowRect(int token) const {
    return {plot.left(), plot.top() + token * rowHeight - top, plot.width(), rowHeight};
}

QRectF TokenMapLayout::cellRect(const QPoint& cell) const {
    const QRectF row = rowRect(cell.y());
    const double w = pixelsPerChannel();
    return {plot.left() + (cell.x() - firstChannel) * w, row.top(), w, row.height()};
}

TokenMapLayout tokenMapLayout(const TokenMapData& data, const TokenMapView& view, const QSizeF& size) {
    TokenMapLayout l;
    l.tokens = data.tokenCount();
    l.channels = data.channelCount();
    l.firstChannel = view.firstChannel;
    l.endChannel = view.endChannel;
    l.rowHeight = view.rowHeight;
    l.top = view.top;
    l.numbers = kNumbers;
    const double label = labelWidth(data), left = label + kNumbers;
    const double bars = size.width() >= 560 ? std::clamp(size.width() * 0.15, 90.0, 150.0) : 0;
    const double right = bars > 0 ? bars + kBarsGap + 14 : 14;
    const double height = std::max(10.0, size.height() - kMarks - axisHeight());
    l.plot = QRectF(left, kMarks, std::max(20.0, std::floor(size.width() - left - right)),
                    std::min(height, std::ceil(l.tokens * l.rowHeight - l.top)));
    l.labels = QRectF(0, kMarks, label, l.plot.height());
    if (bars > 0) l.bars = QRectF(l.plot.right() + kBarsGap, kMarks, bars, l.plot.height());
    return l;
}

const QImage& TokenMapPainter::cells(const TokenMapData& data, const TokenMapLayout& l, TokenMode mode,
                                     double dpr) {
    const Key key{data.values.get(), l.firstChannel,  l.endChannel, l.rowHeight, l.top,
                  l.plot.width(),    l.plot.height(), dpr,          mode,        theme().dark};
    if (key == m_key && !m_image.isNull()) return m_image;
    m_key = key;
    const TokenPyramid& from = mode == TokenMode::ZScore && data.z ? *data.z : *data.values;
    const TokenScale scale = TokenScale::of(data, mode);
    const ColorTable& table = colorTable(scale.kind());
    const ColorLevels levels([&](double position) { return scale.valueAt(position); });
    const bool magnitude = mode == TokenMode::Magnitude;
    const QRgb none = theme().strongBorder.rgb();
    const int w = std::max(1, int(l.plot.width() * dpr)), h = std::max(1, int(l.plot.height() * dpr));
    m_image = QImage(w, h, QImage::Format_RGB32);
    m_image.setDevicePixelRatio(dpr);
    std::vector<std::pair<int, int>> columns(static_cast<size_t>(w));
    const double perPixel = (l.endChannel - l.firstChannel) / w;
    for (int x = 0; x < w; ++x) {
        const double at = l.firstChannel + x * perPixel;
        const int first = std::clamp(int(std::floor(at)), 0, l.channels - 1);
        columns[size_t(x)] = {first, std::clamp(int(std::floor(at + perPixel)), first + 1, l.channels)};
    }
    int lastFirst = -1, lastEnd = -1;
    for (int y = 0; y < h; ++y) {
        const double at = (l.top + y / dpr) / l.rowHeight, next = (l.top + (y + 1) / dpr) / l.rowHeight;
        const int first = std::clamp(int(std::floor(at)), 0, l.tokens - 1);
        const int end = std::clamp(int(std::floor(next)), first + 1, l.tokens);
        auto* line = reinterpret_cast<QRgb*>(m_image.scanLine(y));
        if (first == lastFirst && end == lastEnd) {
            std::copy_n(reinterpret_cast<const QRgb*>(m_image.constScanLine(y - 1)), w, line);
            continue;
        }
        lastFirst = first;
        lastEnd = end;
        for (int x = 0; x < w; ++x) {
            const auto [a, b] = columns[size_t(x)];
            const float v = from.strongest(first, end, a, b);
            line[x] = std::isnan(v) ? none : table[levels.at(magnitude ? std::fabs(v) : v)];
        }
    }
    return m_image;
}

void TokenMapPainter::paint(QPainter& painter, const TokenMapData& data, const TokenMapView& view,
                            const QSizeF& size) {
    const TokenMapLayout l = tokenMapLayout(data, view, size);
    const TokenScale scale = TokenScale::of(data, view.mode);
    painter.save();
    painter.drawImage(l.plot.topLeft(), cells(data, l, view.mode, painter.device()->devicePixelRatioF()));
    paintSpikes(painter, data, l, scale, view.mode);
    painter.setRenderHint(QPainter::Antialiasing);
    paintChannelMarks(painter, data, l);
    painter.setRenderHint(QPainter::Antialiasing, false);
    paintLabels(painter, data, l, view);
    paintBars(painter, data, l);
    paintChannelAxis(painter, l);
    paintColourBar(painter, l, scale);
    if (view.interactive && view.cross.x() >= 0) paintCrosshair(painter, data, l, view.cross);
    painter.restore();
}

QString tokenCellTitle(const TokenMapData& data, const QPoint& cell) {
    return tr("“%1” token %2 × channel %3").arg(data.tokens.value(cell.y())).arg(cell.y()).arg(cell.x());
}

QVector<QPair<QString, QString>> tokenCellFacts(const TokenMapData& data, const TokenMapLayout& l,
                                                const QPoint& cell) {
    const double value = double(data.values->value(cell.y(), cell.x()));
    const RobustScale scale =
        size_t(cell.y()) < data.scales.size() ? data.scales[size_t(cell.y())] : RobustScale();
    QVector<QPair<QString, QString>> out;
    out.push_back({tr("value"), formatNumber(value, 4)});
    if (data.median > 0) out.push_back({tr("÷ median"), formatNumber(std::fabs(value) / data.median, 3)});
    out.push_back({tr("z in the token"), formatNumber(scale.z(value), 3)});
    out.push_back({tr("token median |x|"), formatNumber(scale.magnitude, 3)});
    const auto [first, end] = l.channelsAt(l.columnOf(cell.x()));
    if (end - first > 1) out.push_back({tr("pixel holds"), QStringLiteral("%1–%2").arg(first).arg(end - 1)});
    return out;
}

} // namespace qs::ui
