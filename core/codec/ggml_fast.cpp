// SPDX-License-Identifier: Apache-2.0
#include "core/codec/ggml_fast.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/codec/ggml_fast.cpp"
#include <hwy/foreach_target.h> // compiles this file once per instruction set

#include "core/tensor/dtype.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace qs {
namespace HWY_NAMESPACE {

constexpr size_t kGroup = 32;
constexpr float kRound = 12582912.0f; ///< 1.5 * 2^23: sums near it have no place for a fraction

/// Writes the nearest finite value of float16, 0 without a sign, and returns it.
inline float putHalf(std::byte* out, float value) {
    const float stored = halfToFloat(floatToHalf(std::clamp(value, -65504.0f, 65504.0f))) + 0.0f;
    const uint16_t bits = floatToHalf(stored);
    std::memcpy(out, &bits, sizeof bits);
    return stored;
}

struct Ends {
    float low, high;
};

/// Smallest and largest of a group; eight at a time, so that no step waits for the one before.
inline Ends endsOf(const float* x) {
    float low[8], high[8];
    for (size_t i = 0; i < 8; ++i)
        low[i] = high[i] = x[i];
    for (size_t first = 8; first < kGroup; first += 8)
        for (size_t i = 0; i < 8; ++i) {
            const float v = x[first + i];
            low[i] = v < low[i] ? v : low[i];
            high[i] = v > high[i] ? v : high[i];
        }
    Ends e{low[0], high[0]};
    for (size_t i = 1; i < 8; ++i) {
        e.low = std::min(e.low, low[i]);
        e.high = std::max(e.high, high[i]);
    }
    return e;
}

/// The value of largest magnitude, the first where two have it.
inline float extremeOf(const float* x) {
    const Ends e = endsOf(x);
    if (-e.low != e.high) return -e.low > e.high ? e.low : e.high;
    return *std::find_if(x, x + kGroup, [&](float v) { return std::fabs(v) == e.high; });
}

/// roundToGrid for a group on a uniform grid.
inline void roundGroup(const float* x, float scale, float offset, float centre, float last, uint8_t* codes) {
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    if (!std::isfinite(inverse)) { // a subnormal scale
        for (size_t i = 0; i < kGroup; ++i)
            codes[i] = uint8_t(std::clamp(std::nearbyint((x[i] + offset) / scale) + centre, 0.0f, last));
        return;
    }
    int32_t wide[kGroup];
    for (size_t i = 0; i < kGroup; ++i) {
        const float v = (x[i] + offset) * inverse + centre, up = v > 0 ? v : 0.0f,
                    code = up < last ? up : last;
        wide[i] = int32_t(code + kRound - kRound);
    }
    for (size_t i = 0; i < kGroup; ++i)
        codes[i] = uint8_t(wide[i]);
}

void EncodeQ80(const float* x, size_t blocks, std::byte* out) {
    for (size_t b = 0; b < blocks; ++b, x += kGroup, out += 34) {
        const Ends e = endsOf(x);
        const float scale = putHalf(out, std::max(std::fabs(e.low), std::fabs(e.high)) / 127.0f);
        uint8_t codes[kGroup];
        roundGroup(x, scale, 0, 128, 255, codes);
        for (size_t i = 0; i < kGroup; ++i)
            out[2 + i] = std::byte(uint8_t(codes[i] ^ 0x80));
    }
}

void EncodeQ40(const float* x, size_t blocks, std::byte* out) {
    for (size_t b = 0; b < blocks; ++b, x += kGroup, out += 18) {
        const float scale = putHalf(out, extremeOf(x) / -8.0f);
        uint8_t codes[kGroup];
        roundGroup(x, scale, 0, 8, 15, codes);
        for (size_t i = 0; i < 16; ++i)
            out[2 + i] = std::byte(uint8_t(codes[i] | codes[i + 16] << 4));
    }
}

inline unsigned integerOf(float value, float unit) {
    return unit == 0 ? 0u : unsigned(std::clamp(value / unit, 0.0f, 63.0f) + kRound - kRound);
}

void EncodeQ4K(const float* x, size_t blocks, std::byte* out) {
    for (size_t b = 0; b < blocks; ++b, x += 256, out += 144) {
        float scale[8], offset[8];
        for (size_t g = 0; g < 8; ++g) {
            const Ends e = endsOf(x + kGroup * g);
            const float low = std::min(e.low, 0.0f);
            scale[g] = (std::max(e.high, 0.0f) - low) / 15.0f;
            offset[g] = -low;
        }
        const float d = putHalf(out, *std::max_element(scale, scale + 8) / 63.0f);
        const float dmin = putHalf(out + 2, *std::max_element(offset, offset + 8) / 63.0f);
        unsigned s[8], m[8];
        for (size_t g = 0; g < 8; ++g) {
            s[g] = integerOf(scale[g], d);
            m[g] = integerOf(offset[g], dmin);
        }
        for (size_t g = 0; g < 4; ++g) {
            out[4 + g] = std::byte(uint8_t(s[g] | s[g + 4] >> 4 << 6));
            out[8 + g] = std::byte(uint8_t(m[g] | m[g + 4] >> 4 << 6));
            out[12 + g] = std::byte(uint8_t((s[g + 4] & 15) | (m[g + 4] & 15) << 4));
        }
        for (size_t g = 0; g < 8; g += 2) {
            uint8_t low[kGroup], high[kGroup];
            roundGroup(x + kGroup * g, d * float(s[g]), dmin * float(m[g]), 0, 15, low);
            roundGroup(x + kGroup * (g + 1), d * float(s[g + 1]), dmin * float(m[g + 1]), 0, 15, high);
            for (size_t i = 0; i < kGroup; ++i)
                out[16 + 16 * g + i] = std::byte(uint8_t(low[i] | high[i] << 4));
        }
    }
}

} // namespace HWY_NAMESPACE
} // namespace qs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace qs {
HWY_EXPORT(EncodeQ80);
HWY_EXPORT(EncodeQ40);
HWY_EXPORT(EncodeQ4K);

namespace {

void encodeQ80(const float* x, size_t blocks, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(EncodeQ80)(x, blocks, out);
}
void encodeQ40(const float* x, size_t blocks, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(EncodeQ40)(x, blocks, out);
}
void encodeQ4K(const float* x, size_t blocks, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(EncodeQ4K)(x, blocks, out);
}

} // namespace

GgmlBlockEncoder fastGgmlEncoder(const GgmlGrid& grid) {
    if (grid.id == "q8_0") return encodeQ80;
    if (grid.id == "q4_0") return encodeQ40;
    if (grid.id == "q4_k") return encodeQ4K;
    return nullptr;
}

} // namespace qs
#endif
