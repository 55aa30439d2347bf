// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/massive_activations.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace qs {

namespace {

/// The mean of the two middle values when there is an even number; destroys the order.
double medianOf(std::vector<float>& values) {
    if (values.empty()) return 0;
    const auto middle = values.begin() + ptrdiff_t(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2) return *middle;
    return (double(*std::max_element(values.begin(), middle)) + double(*middle)) / 2;
}

void appendMagnitudes(std::span<const float> values, std::vector<float>& out) {
    for (const float v : values)
        if (std::isfinite(v) && v != 0) out.push_back(std::fabs(v));
}

bool larger(const MassiveActivation& a, const MassiveActivation& b) {
    if (a.ratio != b.ratio) return a.ratio > b.ratio;
    return a.token != b.token ? a.token < b.token : a.channel < b.channel;
}

RobustScale scaleOf(std::span<const float> row, std::vector<float>& scratch) {
    RobustScale s;
    s.magnitude = medianMagnitude(row);
    scratch.clear();
    for (const float v : row)
        if (std::isfinite(v)) scratch.push_back(v);
    s.centre = medianOf(scratch);
    for (float& v : scratch)
        v = float(std::fabs(double(v) - s.centre));
    s.spread = 1.4826 * medianOf(scratch);
    return s;
}

} // namespace

std::string massiveRuleText(const MassiveRule& rule) {
    return rule.floor > 0 ? fmt::format("{:g} x median and {:g}", rule.ratio, rule.floor)
                          : fmt::format("{:g} x median", rule.ratio);
}

double medianMagnitude(std::span<const float> values) {
    std::vector<float> magnitudes;
    magnitudes.reserve(values.size());
    appendMagnitudes(values, magnitudes);
    return medianOf(magnitudes);
}

MassiveActivations massiveActivations(ConstMatrixView x, const MassiveRule& rule, size_t limit) {
    MassiveActivations out;
    std::vector<float> magnitudes;
    magnitudes.reserve(x.size());
    for (size_t t = 0; t < x.rows; ++t)
        appendMagnitudes(x.rowSpan(t), magnitudes);
    out.median = medianOf(magnitudes);
    double all = 0, massive = 0;
    for (size_t t = 0; t < x.rows; ++t)
        for (size_t c = 0; c < x.cols; ++c) {
            const double v = x(t, c);
            if (!std::isfinite(v)) continue;
            ++out.values;
            all += v * v;
            if (!rule.passes(std::fabs(v), out.median)) continue;
            ++out.count;
            massive += v * v;
            out.largest.push_back({t, c, float(v), std::fabs(v) / out.median});
            // Bounded, whatever the rule: the better half is kept whenever twice the limit has come.
            if (out.largest.size() < 2 * limit + 64) continue;
            std::nth_element(out.largest.begin(), out.largest.begin() + ptrdiff_t(limit), out.largest.end(),
                             larger);
            out.largest.resize(limit);
        }
    std::sort(out.largest.begin(), out.largest.end(), larger);
    if (out.largest.size() > limit) out.largest.resize(limit);
    out.energy = all > 0 ? massive / all : 0;
    return out;
}

double RobustScale::z(double x) const {
    return spread > 0 ? (x - centre) / spread : std::numeric_limits<double>::quiet_NaN();
}

std::vector<RobustScale> tokenScales(ConstMatrixView x) {
    std::vector<RobustScale> out(x.rows);
    std::vector<float> scratch;
    scratch.reserve(x.cols);
    for (size_t t = 0; t < x.rows; ++t)
        out[t] = scaleOf(x.rowSpan(t), scratch);
    return out;
}

} // namespace qs
