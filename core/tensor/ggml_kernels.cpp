// SPDX-License-Identifier: Apache-2.0
#include "core/tensor/ggml_kernels.h"

#include "core/tensor/dtype.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace qs::ggml {

namespace {

inline unsigned at(const std::byte* p, size_t i) {
    return std::to_integer<unsigned>(p[i]);
}

inline float half(const std::byte* p) {
    uint16_t bits;
    std::memcpy(&bits, p, sizeof bits);
    return halfToFloat(bits);
}

inline uint32_t word32(const std::byte* p) {
    uint32_t w;
    std::memcpy(&w, p, sizeof w);
    return w;
}

// The scales of FP4 below are halved, as its table is doubled.

/// 32 codes of 4 bits: element e in the low half of byte e, element e + 16 in its high half.
inline void tableNibbles(const std::byte* qs, const std::array<int8_t, 16>& table, float d, float* out) {
    for (size_t i = 0; i < 16; ++i) {
        out[i] = d * float(table[at(qs, i) & 15]);
        out[i + 16] = d * float(table[at(qs, i) >> 4]);
    }
}

/// The 6-bit scale and minimum of sub-block j of Q4_K and Q5_K, packed in 12 bytes.
struct ScaleMin {
    float scale, min;
};
inline ScaleMin scaleMin(const std::byte* s, size_t j) {
    if (j < 4) return {float(at(s, j) & 63), float(at(s, j + 4) & 63)};
    return {float((at(s, j + 4) & 15) | ((at(s, j - 4) >> 6) << 4)),
            float((at(s, j + 4) >> 4) | ((at(s, j) >> 6) << 4))};
}

/// UE4M3 halved: 4 exponent bits of bias 7, 3 of mantissa; 0x7F is NaN and read as zero, the top bit is not
/// used.
float ue4m3Half(unsigned code) {
    if (code == 0x7F) return 0;
    const int exponent = int(code >> 3) & 15, mantissa = int(code & 7);
    return exponent == 0 ? std::ldexp(float(mantissa), -10)
                         : std::ldexp(1.0f + float(mantissa) / 8.0f, exponent - 8);
}

const std::array<float, 256>& ue4m3Table() {
    static const std::array<float, 256> table = [] {
        std::array<float, 256> t{};
        for (unsigned i = 0; i < 256; ++i)
            t[i] = ue4m3Half(i);
        return t;
    }();
    return table;
}

/// 2^(code - 128), half of E8M0. The first two are subnormal.
inline float e8m0Half(unsigned code) {
    return std::bit_cast<float>(code < 2 ? 0x00200000u << code : (code - 1) << 23);
}

/// `count` base-3 digits of each byte: multiplying by 3^n moves digit n to the top, times 3 / 256 reads it.
inline float* ternary(const std::byte* qs, size_t bytes, int count, float d, float* out) {
    unsigned power = 1;
    for (int n = 0; n < count; ++n, power *= 3)
        for (size_t i = 0; i < bytes; ++i)
            *out++ = d * float(int((((at(qs, i) * power) & 255) * 3) >> 8) - 1);
    return out;
}

} // namespace

void q4_0(const std::byte* in, float* out) {
    const float d = half(in);
    const std::byte* qs = in + 2;
    for (size_t i = 0; i < 16; ++i) {
        out[i] = d * float(int(at(qs, i) & 15) - 8);
        out[i + 16] = d * float(int(at(qs, i) >> 4) - 8);
    }
}

void q4_1(const std::byte* in, float* out) {
    const float d = half(in), m = half(in + 2);
    const std::byte* qs = in + 4;
    for (size_t i = 0; i < 16; ++i) {
        out[i] = d * float(int(at(qs, i) & 15)) + m;
        out[i + 16] = d * float(int(at(qs, i) >> 4)) + m;
    }
}

void q5_0(const std::byte* in, float* out) {
    const float d = half(in);
    const uint32_t high = word32(in + 2);
    const std::byte* qs = in + 6;
    for (size_t i = 0; i < 16; ++i) {
        out[i] = d * float(int((at(qs, i) & 15) | ((high >> i & 1) << 4)) - 16);
        out[i + 16] = d * float(int((at(qs, i) >> 4) | ((high >> (i + 16) & 1) << 4)) - 16);
    }
}

void q5_1(const std::byte* in, float* out) {
    const float d = half(in), m = half(in + 2);
    const uint32_t high = word32(in + 4);
    const std::byte* qs = in + 8;
    for (size_t i = 0; i < 16; ++i) {
        out[i] = d * float(int((at(qs, i) & 15) | ((high >> i & 1) << 4))) + m;
        out[i + 16] = d * float(int((at(qs, i) >> 4) | ((high >> (i + 16) & 1) << 4))) + m;
    }
}

void q8_0(const std::byte* in, float* out) {
    const float d = half(in);
    const auto* qs = reinterpret_cast<const int8_t*>(in + 2);
    for (size_t i = 0; i < 32; ++i)
        out[i] = d * float(qs[i]);
}

void q1_0(const std::byte* in, float* out) {
    const float d = half(in);
    const std::byte* qs = in + 2;
    for (size_t i = 0; i < 16; ++i)
        for (size_t bit = 0; bit < 8; ++bit)
            out[8 * i + bit] = (at(qs, i) >> bit) & 1 ? d : -d;
}

void q2_0(const std::byte* in, float* out) {
    const float d = half(in);
    const std::byte* qs = in + 2;
    for (size_t i = 0; i < 64; ++i)
        out[i] = d * float(int((at(qs, i / 4) >> (2 * (i % 4))) & 3) - 1);
}

void q2_k(const std::byte* in, float* out) {
    const std::byte *scales = in, *qs = in + 16;
    const float d = half(in + 80), dmin = half(in + 82);
    for (size_t part = 0; part < 16; ++part) { // 16 values each
        const size_t n = part / 8, j = part % 8 / 2, first = 32 * n + 16 * (part % 2);
        const float scale = d * float(at(scales, part) & 15), min = dmin * float(at(scales, part) >> 4);
        for (size_t i = 0; i < 16; ++i)
            out[16 * part + i] = scale * float(int((at(qs, first + i) >> (2 * j)) & 3)) - min;
    }
}

void q3_k(const std::byte* in, float* out) {
    const std::byte *mask = in, *qs = in + 32, *scales = in + 96;
    const float d = half(in + 108);
    for (size_t part = 0; part < 16; ++part) {
        const size_t n = part / 8, j = part % 8 / 2, side = 16 * (part % 2);
        const unsigned low = part < 8 ? at(scales, part) & 15 : at(scales, part - 8) >> 4;
        const unsigned high = (at(scales, 8 + part % 4) >> (2 * (part / 4))) & 3;
        const float scale = d * float(int(low | (high << 4)) - 32);
        for (size_t i = 0; i < 16; ++i) {
            const int code = int((at(qs, 32 * n + side + i) >> (2 * j)) & 3);
            const int missing = (at(mask, side + i) >> (4 * n + j)) & 1 ? 0 : 4;
            out[16 * part + i] = scale * float(code - missing);
        }
    }
}

void q4_k(const std::byte* in, float* out) {
    const float d = half(in), dmin = half(in + 2);
    for (size_t j = 0; j < 8; ++j) {
        const ScaleMin s = scaleMin(in + 4, j);
        const float scale = d * s.scale, min = dmin * s.min;
        const std::byte* qs = in + 16 + 32 * (j / 2);
        const unsigned shift = j % 2 ? 4 : 0;
        for (size_t i = 0; i < 32; ++i)
            out[32 * j + i] = scale * float(int((at(qs, i) >> shift) & 15)) - min;
    }
}

void q5_k(const std::byte* in, float* out) {
    const float d = half(in), dmin = half(in + 2);
    const std::byte* high = in + 16;
    for (size_t j = 0; j < 8; ++j) {
        const ScaleMin s = scaleMin(in + 4, j);
        const float scale = d * s.scale, min = dmin * s.min;
        const std::byte* qs = in + 48 + 32 * (j / 2);
        const unsigned shift = j % 2 ? 4 : 0;
        for (size_t i = 0; i < 32; ++i) {
            const unsigned code = ((at(qs, i) >> shift) & 15) | (((at(high, i) >> j) & 1) << 4);
            out[32 * j + i] = scale * float(int(code)) - min;
        }
    }
}

void q6_k(const std::byte* in, float* out) {
    const float d = half(in + 208);
    const auto* scales = reinterpret_cast<const int8_t*>(in + 192);
    for (size_t part = 0; part < 16; ++part) {
        const size_t n = part / 8, quarter = part % 8 / 2, side = 16 * (part % 2);
        const std::byte* low = in + 64 * n + 32 * (quarter % 2) + side;
        const std::byte* high = in + 128 + 32 * n + side;
        const unsigned lowShift = quarter < 2 ? 0 : 4, highShift = unsigned(2 * quarter);
        const float scale = d * float(scales[part]);
        for (size_t i = 0; i < 16; ++i) {
            const unsigned code = ((at(low, i) >> lowShift) & 15) | (((at(high, i) >> highShift) & 3) << 4);
            out[16 * part + i] = scale * float(int(code) - 32);
        }
    }
}

void iq4_nl(const std::byte* in, float* out) {
    tableNibbles(in + 2, kIq4, half(in), out);
}

void iq4_xs(const std::byte* in, float* out) {
    const float d = half(in);
    const unsigned high = at(in, 2) | at(in, 3) << 8;
    for (size_t j = 0; j < 8; ++j) {
        const unsigned low = (at(in, 4 + j / 2) >> (4 * (j % 2))) & 15;
        const int scale = int(low | ((high >> (2 * j)) & 3) << 4) - 32;
        tableNibbles(in + 8 + 16 * j, kIq4, d * float(scale), out + 32 * j);
    }
}

void tq1_0(const std::byte* in, float* out) {
    const float d = half(in + 52);
    out = ternary(in, 32, 5, d, out);
    out = ternary(in + 32, 16, 5, d, out);
    ternary(in + 48, 4, 4, d, out);
}

void tq2_0(const std::byte* in, float* out) {
    const float d = half(in + 64);
    for (size_t part = 0; part < 8; ++part) { // 32 values each
        const std::byte* qs = in + 32 * (part / 4);
        const unsigned shift = unsigned(2 * (part % 4));
        for (size_t i = 0; i < 32; ++i)
            out[32 * part + i] = d * float(int((at(qs, i) >> shift) & 3) - 1);
    }
}

void mxfp4(const std::byte* in, float* out) {
    tableNibbles(in + 1, kFp4Doubled, e8m0Half(at(in, 0)), out);
}

void nvfp4(const std::byte* in, float* out) {
    const std::array<float, 256>& scales = ue4m3Table();
    for (size_t part = 0; part < 4; ++part) { // 16 values each
        const float d = scales[at(in, part)];
        const std::byte* qs = in + 4 + 8 * part;
        for (size_t i = 0; i < 8; ++i) {
            out[16 * part + i] = d * float(kFp4Doubled[at(qs, i) & 15]);
            out[16 * part + i + 8] = d * float(kFp4Doubled[at(qs, i) >> 4]);
        }
    }
}

} // namespace qs::ggml
