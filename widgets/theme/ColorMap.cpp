// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/theme/ColorMap.h"

#include <QPainter>
#include <QPixmap>
#include <QPixmapCache>
#include <cmath>
#include <limits>

namespace qs::ui {

namespace {

// ColorBrewer YlGnBu, 9 classes.
const std::array<quint32, 9> kYlGnBu = {0xFFFFD9, 0xEDF8B1, 0xC7E9B4, 0x7FCDBB, 0x41B6C4,
                                        0x1D91C0, 0x225EA8, 0x253494, 0x081D58};
// ColorBrewer PuOr, 11 classes; the middle one is replaced by the header grey.
const std::array<quint32, 5> kOrange = {0xFEE0B6, 0xFDB863, 0xE08214, 0xB35806, 0x7F3B08};
const std::array<quint32, 5> kPurple = {0xD8DAEB, 0xB2ABD2, 0x8073AC, 0x542788, 0x2D004B};

ColorTable interpolate(const QVector<QColor>& stops) {
    ColorTable table;
    for (int i = 0; i < 256; ++i) {
        const double at = double(i) / 255.0 * (stops.size() - 1);
        const int k = std::min(int(at), int(stops.size()) - 2);
        table[size_t(i)] = blend(stops[k + 1], stops[k], at - k).rgb();
    }
    return table;
}

QColor opaque(quint32 value) {
    return QColor::fromRgb(QRgb(0xff000000u | value));
}

ColorTable makeSequential(bool dark) {
    QVector<QColor> stops;
    for (const quint32 c : kYlGnBu)
        stops.push_back(opaque(c));
    if (dark) std::reverse(stops.begin(), stops.end());
    return interpolate(stops);
}

ColorTable makeDiverging(bool dark) {
    // From the extreme orange to the middle to the extreme purple. On a light page strong is dark; on a dark
    // page strong is pale, and the darkest class is left out because it would lie below the middle's own
    // luminance.
    const int classes = dark ? 4 : 5;
    QVector<QColor> stops;
    for (int i = 0; i < classes; ++i)
        stops.push_back(opaque(kOrange[size_t(dark ? i : 4 - i)]));
    stops.push_back((dark ? Theme::darkTheme() : Theme::light()).header);
    for (int i = 0; i < classes; ++i)
        stops.push_back(opaque(kPurple[size_t(dark ? 3 - i : i)]));
    return interpolate(stops);
}

} // namespace

const ColorTable& colorTable(MapKind kind, bool dark) {
    static const ColorTable sequential[2] = {makeSequential(false), makeSequential(true)};
    static const ColorTable diverging[2] = {makeDiverging(false), makeDiverging(true)};
    return kind == MapKind::Sequential ? sequential[dark] : diverging[dark];
}

QColor textOn(const QColor& fill) {
    return relativeLuminance(fill) > 0.18 ? Qt::black : Qt::white;
}

QBrush notMeasuredBrush() {
    const Theme& t = theme();
    const QString key = QStringLiteral("qs-hatch-%1").arg(t.dark);
    QPixmap tile;
    if (!QPixmapCache::find(key, &tile)) {
        tile = QPixmap(6, 6);
        tile.fill(t.base);
        QPainter p(&tile);
        p.setRenderHint(QPainter::Antialiasing);
        p.setPen(QPen(t.strongBorder, 1));
        for (int offset : {-6, 0, 6})
            p.drawLine(QPointF(offset, 6), QPointF(offset + 6, 0));
        p.end();
        QPixmapCache::insert(key, tile);
    }
    return QBrush(tile);
}

double Normalization::position(double value) const {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    if (std::isnan(value)) return kNone;
    double t = 0;
    if (log) {
        if (!(value > 0)) return kNone;
        t = std::log(value / lo) / std::log(hi / lo);
    } else {
        t = (value - lo) / (hi - lo);
    }
    return std::clamp(t, 0.0, 1.0);
}

double Normalization::valueAt(double position) const {
    return log ? lo * std::pow(hi / lo, position) : lo + (hi - lo) * position;
}

Normalization Normalization::fromValues(const QVector<double>& values, bool log, bool diverging) {
    double lo = std::numeric_limits<double>::infinity(), hi = -lo;
    for (const double v : values) {
        if (!std::isfinite(v) || (log && v <= 0)) continue;
        lo = std::min(lo, v);
        hi = std::max(hi, v);
    }
    Normalization n;
    n.log = log && !diverging;
    n.diverging = diverging;
    if (!(lo <= hi)) {
        lo = n.log ? 0.1 : (diverging ? -1 : 0);
        hi = 1;
    }
    if (diverging) {
        hi = std::max(std::abs(lo), std::abs(hi));
        if (!(hi > 0)) hi = 1;
        lo = -hi;
    } else if (!(lo < hi)) {
        const double pad = n.log ? 0 : (lo == 0 ? 1 : std::abs(lo) * 0.1);
        lo = n.log ? lo / 2 : lo - pad;
        hi = n.log ? hi * 2 : hi + pad;
    }
    n.lo = lo;
    n.hi = hi;
    return n;
}

QColor mapColor(const Normalization& normalization, const ColorTable& table, double value) {
    const double t = normalization.position(value);
    if (std::isnan(t)) return {};
    return QColor::fromRgb(table[size_t(std::lround(t * 255))]);
}

} // namespace qs::ui
