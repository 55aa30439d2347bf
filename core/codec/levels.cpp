// SPDX-License-Identifier: Apache-2.0
#include "core/codec/levels.h"

#include "core/linalg/elements.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

namespace qs {

namespace {

constexpr std::array<SmallFloat, 7> kFloats = {{{"e4m3", 4, 3, 7, 1},
                                                {"e5m2", 5, 2, 15, 4},
                                                {"e3m2", 3, 2, 3, 0},
                                                {"e2m3", 2, 3, 1, 0},
                                                {"e2m1", 2, 1, 1, 0},
                                                {"e3m0", 3, 0, 3, 0},
                                                {"e1m2", 1, 2, 1, 0}}};

float magnitude(const SmallFloat& f, int pattern) {
    const int e = pattern >> f.mantissaBits, m = pattern & ((1 << f.mantissaBits) - 1);
    return e == 0 ? std::ldexp(float(m), 1 - f.bias - f.mantissaBits)
                  : std::ldexp(float((1 << f.mantissaBits) + m), e - f.bias - f.mantissaBits);
}

int largestPattern(const SmallFloat& f) {
    return (1 << (f.bits() - 1)) - 1 - f.reserved;
}

/// Codes are magnitudes either side of the 0 in the middle, whose patterns count them.
bool evenPattern(size_t code, size_t count) {
    return (code > count / 2 ? code - count / 2 : count / 2 - code) % 2 == 0;
}

Levels makeLevels(const SmallFloat& f) {
    const int top = largestPattern(f);
    std::vector<float> values;
    for (int p = top; p > 0; --p)
        values.push_back(-magnitude(f, p));
    for (int p = 0; p <= top; ++p)
        values.push_back(magnitude(f, p));
    return Levels(std::move(values), evenPattern);
}

} // namespace

Levels::Levels(std::vector<float> ascending, bool (*evenCode)(size_t, size_t))
    : values_(std::move(ascending)) {
    assert(values_.size() >= 2 && values_.size() <= 256);
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (size_t c = 0; c + 1 < values_.size(); ++c) {
        // Exact for levels of few bits. A value at the bound belongs to the lower code unless the bound is
        // moved below it.
        const float middle = float((double(values_[c]) + double(values_[c + 1])) / 2);
        const bool up = evenCode && evenCode(c + 1, values_.size());
        bounds_.push_back(up ? std::nextafter(middle, -kInfinity) : middle);
    }
    bounds_.resize(std::bit_ceil(values_.size()) - 1, kInfinity);
    zeroCode_ = nearest(0);
}

float Levels::largest() const {
    return std::max(-values_.front(), values_.back());
}

uint8_t Levels::nearest(float v) const {
    return uint8_t(levelCode(bounds_.data(), bounds_.size(), v));
}

void Levels::round(const float* values, size_t n, float scale, uint8_t* codes) const {
    if (scale == 0) {
        std::fill_n(codes, n, zeroCode_);
        return;
    }
    for (size_t i = 0; i < n; ++i)
        codes[i] = nearest(values[i] / scale);
}

double Levels::position(double v) const {
    const auto next =
        std::upper_bound(values_.begin(), values_.end(), v, [](double a, float b) { return a < double(b); });
    const size_t below = size_t(std::clamp<ptrdiff_t>(next - values_.begin() - 1, 0, ptrdiff_t(count()) - 2));
    const double step = double(values_[below + 1]) - double(values_[below]);
    return double(below) + (v - double(values_[below])) / step;
}

double squaredError(const Levels& levels, std::span<const float> values, std::span<const float> importance,
                    float scale, std::span<uint8_t> codes) {
    levels.round(values.data(), values.size(), scale, codes.data());
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) {
        const double e = double(scale) * double(levels.value(codes[i])) - double(values[i]);
        sum += (importance.empty() ? 1.0 : double(importance[i])) * e * e;
    }
    return sum;
}

float bestScale(const Levels& levels, std::span<const float> values, std::span<const float> importance,
                std::span<const float> candidates) {
    std::vector<uint8_t> codes(values.size());
    float best = candidates.front();
    double least = std::numeric_limits<double>::infinity();
    for (const float s : candidates)
        if (const double e = squaredError(levels, values, importance, s, codes); e < least) {
            least = e;
            best = s;
        }
    return best;
}

int SmallFloat::topExponent() const {
    return std::ilogb(magnitude(*this, largestPattern(*this)));
}

std::span<const SmallFloat> smallFloats() {
    return kFloats;
}

const SmallFloat* smallFloat(std::string_view id) {
    const auto it = std::find_if(kFloats.begin(), kFloats.end(), [&](const auto& f) { return f.id == id; });
    return it == kFloats.end() ? nullptr : &*it;
}

const Levels& levelsOf(const SmallFloat& format) {
    static const std::array<Levels, kFloats.size()> all = [] {
        return []<size_t... i>(std::index_sequence<i...>) {
            return std::array<Levels, kFloats.size()>{makeLevels(kFloats[i])...};
        }
        (std::make_index_sequence<kFloats.size()>());
    }();
    return all[size_t(&format - kFloats.data())];
}

uint8_t patternOf(const SmallFloat& format, size_t code) {
    const int zero = largestPattern(format), p = int(code) - zero;
    return p >= 0 ? uint8_t(p) : uint8_t(-p | 1 << (format.bits() - 1));
}

} // namespace qs
