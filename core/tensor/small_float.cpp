// SPDX-License-Identifier: Apache-2.0
#include "core/tensor/small_float.h"

#include "core/tensor/dtype.h"

#include <bit>
#include <cmath>
#include <limits>

namespace qs {

namespace {

std::array<float, 256> valuesOf(float (*decode)(uint8_t)) {
    std::array<float, 256> values;
    for (int code = 0; code < 256; ++code)
        values[size_t(code)] = decode(uint8_t(code));
    return values;
}

} // namespace

float e4m3ToFloat(uint8_t code) {
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    float magnitude =
        exponent == 0 ? std::ldexp(float(mantissa), -9) : std::ldexp(float(8 + mantissa), exponent - 10);
    if ((code & 0x7f) == 0x7f) magnitude = std::numeric_limits<float>::quiet_NaN();
    return code & 0x80 ? -magnitude : magnitude;
}

float e5m2ToFloat(uint8_t code) {
    return halfToFloat(uint16_t(code << 8));
}

float e8m0ToFloat(uint8_t code) {
    if (code == 255) return std::numeric_limits<float>::quiet_NaN();
    // 2^-127 is below the normal range: its only mantissa bit is 2^22.
    return std::bit_cast<float>(code == 0 ? 1u << 22 : uint32_t(code) << 23);
}

std::span<const float, 256> e4m3Values() {
    static const std::array<float, 256> values = valuesOf(e4m3ToFloat);
    return values;
}

std::span<const float, 256> e5m2Values() {
    static const std::array<float, 256> values = valuesOf(e5m2ToFloat);
    return values;
}

} // namespace qs
