// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/heatmaps/TokenMapData.h"

#include <QCoreApplication>
#include <algorithm>
#include <cmath>

namespace qs::ui {

TokenScale TokenScale::of(const TokenMapData& data, TokenMode mode) {
    TokenScale s;
    s.mode = mode;
    if (mode == TokenMode::ZScore) {
        s.hi = std::max(1.0, double(data.zMax));
        return s;
    }
    s.hi = data.absmax > 0 ? double(data.absmax) : 1;
    s.unit = data.median > 0 ? data.median : s.hi;
    s.lo = std::min(s.unit / 5, s.hi / 10);
    return s;
}

double TokenScale::position(double value) const {
    if (std::isnan(value)) return value;
    if (mode == TokenMode::Magnitude) {
        const double x = std::fabs(value);
        return x <= lo ? 0 : std::min(1.0, std::log(x / lo) / std::log(hi / lo));
    }
    return std::clamp(0.5 + 0.5 * std::asinh(value / unit) / std::asinh(hi / unit), 0.0, 1.0);
}

double TokenScale::valueAt(double position) const {
    if (mode == TokenMode::Magnitude) return lo * std::pow(hi / lo, position);
    return unit * std::sinh((2 * position - 1) * std::asinh(hi / unit));
}

QVector<AxisTick> TokenScale::ticks() const {
    QVector<AxisTick> out;
    const auto add = [&](double v) { out.push_back({v, formatNumber(v, 2), true}); };
    if (mode == TokenMode::Magnitude) {
        add(lo);
        add(std::sqrt(lo * hi));
        add(hi);
        return out;
    }
    // The largest power of ten on each side that stands clear of the end.
    const double inner = std::pow(10.0, std::floor(std::log10(hi / 4)));
    const bool room = inner > unit;
    add(-hi);
    if (room) add(-inner);
    add(0);
    if (room) add(inner);
    add(hi);
    return out;
}

QString TokenScale::title() const {
    const auto tr = [](const char* text) { return QCoreApplication::translate("qs::ui::TokenMap", text); };
    switch (mode) {
    case TokenMode::Magnitude:
        return tr("|x|, log");
    case TokenMode::Signed:
        return tr("x, sinh⁻¹");
    case TokenMode::ZScore:
        return tr("z in the token, sinh⁻¹");
    }
    return {};
}

} // namespace qs::ui
