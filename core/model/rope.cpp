// SPDX-License-Identifier: Apache-2.0
#include "core/model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace qs {

namespace {

std::vector<double> plain(double theta, size_t dims) {
    std::vector<double> f(dims / 2);
    for (size_t i = 0; i < f.size(); ++i)
        f[i] = std::pow(theta, -2.0 * double(i) / double(dims));
    return f;
}

void scaleLlama3(const RopeSpec& r, std::vector<double>& f) {
    const double longest = r.originalContext / r.lowFrequencyFactor,
                 shortest = r.originalContext / r.highFrequencyFactor;
    for (double& v : f) {
        const double wavelength = 2.0 * std::numbers::pi / v;
        if (wavelength > longest) {
            v /= r.factor;
        } else if (wavelength >= shortest) {
            const double s = (r.originalContext / wavelength - r.lowFrequencyFactor) /
                             (r.highFrequencyFactor - r.lowFrequencyFactor);
            v = (1.0 - s) * v / r.factor + s * v;
        }
    }
}

void scaleYarn(const RopeSpec& r, std::vector<double>& f) {
    // The pair that turns `rotations` times within the original context.
    const auto pairOf = [&](double rotations) {
        return double(r.dims) * std::log(r.originalContext / (2.0 * std::numbers::pi * rotations)) /
               (2.0 * std::log(r.theta));
    };
    double low = pairOf(r.betaFast), high = pairOf(r.betaSlow);
    if (r.truncate) {
        low = std::floor(low);
        high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, double(r.dims) - 1.0);
    if (low == high) high += 0.001;
    for (size_t i = 0; i < f.size(); ++i) {
        const double ramp = std::clamp((double(i) - low) / (high - low), 0.0, 1.0);
        f[i] = f[i] / r.factor * ramp + f[i] * (1.0 - ramp);
    }
}

} // namespace

std::vector<double> RopeSpec::inverseFrequencies(size_t windowLength) const {
    double base = theta;
    if (scaling == Scaling::Dynamic && dims > 2) {
        const double length = std::max(double(windowLength), originalContext);
        base *= std::pow(factor * length / originalContext - (factor - 1.0), double(dims) / double(dims - 2));
    }
    std::vector<double> f = plain(base, dims);
    if (scaling == Scaling::Linear)
        for (double& v : f)
            v /= factor;
    if (scaling == Scaling::Llama3) scaleLlama3(*this, f);
    if (scaling == Scaling::Yarn) scaleYarn(*this, f);
    if (scaling == Scaling::LongRope) {
        const std::vector<double>& by = double(windowLength) <= originalContext ? shortFactors : longFactors;
        for (size_t i = 0; i < f.size(); ++i)
            f[i] /= by[i];
    }
    return f;
}

} // namespace qs
