// SPDX-License-Identifier: Apache-2.0
// The values that the codes of a format stand for on a scale of 1, where they are no even steps: floats of
// few bits, quantiles. Codes count them in ascending order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace qs {

/// Immutable and thread-safe.
class Levels {
public:
    /// 2 to 256 values, strictly ascending. `evenCode(code)`: of the two codes that are
    /// equally near to a value the one for which it is true is taken; without it the lower one.
    explicit Levels(std::vector<float> ascending, bool (*evenCode)(size_t code, size_t count) = nullptr);

    size_t count() const { return values_.size(); }
    float value(size_t code) const { return values_[code]; }
    std::span<const float> values() const { return values_; }
    /// [2^k - 1]: a code is how many of these are below its value; those behind the last code are infinite.
    std::span<const float> bounds() const { return bounds_; }
    /// What round() gives on a scale of 0.
    uint8_t zeroCode() const { return zeroCode_; }
    /// Largest magnitude.
    float largest() const;
    /// The code whose value is nearest. About 8 comparisons.
    uint8_t nearest(float v) const;
    /// Nearest codes of values / scale; the code nearest to 0 for scale 0.
    void round(const float* values, size_t n, float scale, uint8_t* codes) const;
    /// The code of `v` with its share of the step to the next: 2.5 is midway between codes 2 and 3. Goes on
    /// beyond the ends in the steps there.
    double position(double v) const;

private:
    std::vector<float> values_;
    std::vector<float> bounds_;
    uint8_t zeroCode_ = 0;
};

/// Weighted sum of the squared errors of nearest levels on a scale; `importance` empty: all 1. `codes` is
/// scratch of the same size as `values`.
double squaredError(const Levels& levels, std::span<const float> values, std::span<const float> importance,
                    float scale, std::span<uint8_t> codes);

/// Of `candidates` (at least one) the scale with the least squaredError; the first of equals.
float bestScale(const Levels& levels, std::span<const float> values, std::span<const float> importance,
                std::span<const float> candidates);

/// A float of at most 8 bits: sign, exponent, mantissa. Exponent 0: m 2^(1 - bias - M); else
/// (1 + m / 2^M) 2^(e - bias).
struct SmallFloat {
    std::string_view id; ///< "e4m3": value of codecs' parameters, stored on disk
    int exponentBits = 0, mantissaBits = 0, bias = 0;
    int reserved = 0; ///< largest patterns of either sign that are infinities or NaN
    int bits() const { return 1 + exponentBits + mantissaBits; }
    /// Exponent of the largest value, emax of OCP MX 1.0.
    int topExponent() const;
};

/// E4M3 (OCP: no infinity, largest 448), E5M2 (IEEE: largest 57344), E3M2, E2M3, E2M1 (OCP MX), E3M0, E1M2.
std::span<const SmallFloat> smallFloats();
/// nullptr when there is none.
const SmallFloat* smallFloat(std::string_view id);
/// All finite values, one 0; made once per format. Ties go to even patterns, as in IEEE arithmetic.
const Levels& levelsOf(const SmallFloat& format);
/// The bit pattern that files store for a code of levelsOf(format).
uint8_t patternOf(const SmallFloat& format, size_t code);

} // namespace qs
