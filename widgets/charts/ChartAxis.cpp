// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/charts/ChartAxis.h"

#include "widgets/theme/Theme.h"

#include <QLocale>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

const QChar kThinSpace(0x202F);
const QChar kMinus(0x2212);

QString localized(QString ascii) {
    ascii.replace(QLatin1Char('-'), kMinus);
    const QString mark = QLocale().decimalPoint();
    if (mark != QLatin1String(".")) ascii.replace(QLatin1Char('.'), mark);
    return ascii;
}

/// Groups the integer part of a plain ASCII number of five or more digits (or four, to match "8 192").
QString grouped(const QString& ascii) {
    int dot = int(ascii.indexOf(QLatin1Char('.')));
    if (dot < 0) dot = int(ascii.size());
    const int first = ascii.startsWith(QLatin1Char('-')) ? 1 : 0;
    QString out = ascii;
    for (int at = dot - 3; at > first; at -= 3)
        out.insert(at, kThinSpace);
    return out;
}

/// 1, 2 or 5 x 10^k, the smallest not below `raw`.
double niceStep(double raw) {
    const double base = std::pow(10.0, std::floor(std::log10(raw)));
    for (const double m : {1.0, 2.0, 5.0})
        if (m * base >= raw * (1 - 1e-9)) return m * base;
    return 10 * base;
}

QString stepLabel(double value, double step) {
    const int decimals = std::clamp(int(std::ceil(-std::log10(step) - 1e-9)), 0, 12);
    if (std::abs(value) >= 1e7 || decimals > 6) return formatNumber(value, 3);
    if (std::abs(value) < step * 1e-6) value = 0;
    return localized(grouped(QString::number(value, 'f', decimals)));
}

QString powerLabel(double value) {
    const int exponent = int(std::lround(std::log10(value)));
    if (exponent >= -3 && exponent <= 4) return formatNumber(value, 3);
    static const QString digits = QString::fromUtf8("⁰¹²³⁴⁵⁶⁷⁸⁹");
    QString text = QStringLiteral("10");
    if (exponent < 0) text += QChar(0x207B);
    for (const QChar c : QString::number(std::abs(exponent)))
        text += digits[c.digitValue()];
    return text;
}

QVector<AxisTick> ticksOf(double lo, double hi, double step) {
    QVector<AxisTick> ticks;
    const double first = std::ceil(lo / step - 1e-9);
    for (double k = first; k * step <= hi + step * 1e-9 && ticks.size() < 1000; ++k)
        ticks.push_back({k * step, stepLabel(k * step, step)});
    return ticks;
}

QVector<AxisTick> decadeTicks(double lo, double hi, std::initializer_list<int> multiples, int every) {
    QVector<AxisTick> ticks;
    const int last = int(std::floor(std::log10(hi) + 1e-9));
    for (int e = int(std::floor(std::log10(lo) - 1e-9)); e <= last; ++e) {
        if (every > 1 && ((e % every) + every) % every != 0) continue;
        for (const int m : multiples) {
            const double v = m * std::pow(10.0, e);
            if (v < lo * (1 - 1e-9) || v > hi * (1 + 1e-9)) continue;
            ticks.push_back({v, m == 1 ? powerLabel(v) : formatNumber(v, 1)});
        }
    }
    return ticks;
}

} // namespace

QString groupedInteger(qint64 value) {
    return localized(grouped(QString::number(value)));
}

QString formatNumber(double value, int significant) {
    if (std::isnan(value)) return QStringLiteral("n/a");
    if (std::isinf(value)) return value > 0 ? QString(QChar(0x221E)) : QString(kMinus) + QChar(0x221E);
    if (value == 0) return QStringLiteral("0");
    const double size = std::abs(value);
    if (size < 1e-4 || size >= 1e7)
        return localized(QString::number(value, 'e', std::max(0, significant - 1)));
    const int exponent = int(std::floor(std::log10(size)));
    const int decimals = std::clamp(significant - 1 - exponent, 0, 10);
    QString text = QString::number(value, 'f', decimals);
    if (text.contains(QLatin1Char('.'))) {
        while (text.endsWith(QLatin1Char('0')))
            text.chop(1);
        if (text.endsWith(QLatin1Char('.'))) text.chop(1);
    }
    return localized(grouped(text));
}

QString formatFixed(double value, int decimals) {
    if (!std::isfinite(value)) return formatNumber(value);
    QString text = QString::number(value, 'f', decimals);
    // "-0.0" says less than "0.0"
    if (text.startsWith(QLatin1Char('-')) && text.toDouble() == 0) text.remove(0, 1);
    return localized(grouped(text));
}

QString formatCount(double value) {
    const std::pair<double, const char*> units[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    for (const auto& [scale, unit] : units)
        if (std::abs(value) >= scale * (1 - 1e-9))
            return formatNumber(value / scale, 3) + kThinSpace + QLatin1String(unit);
    return formatNumber(value, 3);
}

QString csvNumber(double value) {
    if (std::isnan(value)) return {};
    return QString::number(value, 'g', QLocale::FloatingPointShortest);
}

QString csvField(const QString& text) {
    if (!text.contains(QLatin1Char(',')) && !text.contains(QLatin1Char('"')) &&
        !text.contains(QLatin1Char('\n')))
        return text;
    QString quoted = text;
    quoted.replace(QLatin1Char('"'), QLatin1String("\"\""));
    return QLatin1Char('"') + quoted + QLatin1Char('"');
}

QVector<AxisTick> linearTicks(double lo, double hi, int maxTicks) {
    if (!(hi > lo) || !std::isfinite(hi - lo)) return {};
    double step = niceStep((hi - lo) / std::max(1, maxTicks));
    QVector<AxisTick> ticks = ticksOf(lo, hi, step);
    while (ticks.size() > std::max(2, maxTicks)) {
        step = niceStep(step * 1.5);
        ticks = ticksOf(lo, hi, step);
    }
    return ticks;
}

QVector<AxisTick> indexTicks(double lo, double hi, int count, int maxTicks) {
    if (!(hi > lo)) return {};
    const double raw = std::max(1.0, (hi - lo) / std::max(1, maxTicks));
    double step = niceStep(raw);
    if (count % 64 == 0 && count > 0) step = std::pow(2.0, std::ceil(std::log2(raw) - 1e-9));
    QVector<AxisTick> ticks = ticksOf(lo, hi, step);
    return ticks;
}

QVector<AxisTick> logTicks(double lo, double hi, int maxTicks) {
    if (!(lo > 0) || !(hi > lo) || !std::isfinite(hi)) return {};
    const int limit = std::max(2, maxTicks);
    if (std::log10(hi / lo) < 0.75) return linearTicks(lo, hi, limit);
    QVector<AxisTick> ticks = decadeTicks(lo, hi, {1, 2, 5}, 1);
    if (ticks.size() > limit) ticks = decadeTicks(lo, hi, {1, 3}, 1);
    for (int every = 1; ticks.size() > limit && every < 64; ++every)
        ticks = decadeTicks(lo, hi, {1}, every);
    return ticks;
}

double AxisMap::toPixel(double value) const {
    if (log) {
        if (!(value > 0)) return from;
        return from + (to - from) * std::log(value / lo) / std::log(hi / lo);
    }
    return from + (to - from) * (value - lo) / (hi - lo);
}

double AxisMap::toValue(double pixel) const {
    const double t = (pixel - from) / (to - from);
    return log ? lo * std::pow(hi / lo, t) : lo + (hi - lo) * t;
}

} // namespace qs::ui
