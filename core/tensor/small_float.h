// SPDX-License-Identifier: Apache-2.0
// The values of 4- and 8-bit number formats. Every value is exact in float32. Pure and thread-safe.
// Sources: OCP 8-bit Floating Point 1.0 (E4M3, E5M2), OCP Microscaling Formats 1.0 (E8M0, E2M1), QLoRA (NF4).
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace qs {

/// F8_E4M3 ("fn" variant): sign, 4 exponent bits (bias 7), 3 mantissa bits. No infinity; S.1111.111 is NaN,
/// largest 448. Exponent 0: mantissa * 2^-9; else (1 + mantissa / 8) * 2^(exponent - 7).
float e4m3ToFloat(uint8_t code);
/// F8_E5M2: sign, 5 exponent bits (bias 15), 2 mantissa bits, with infinities and NaN as in IEEE formats;
/// largest 57344. It is the upper byte of an IEEE half.
float e5m2ToFloat(uint8_t code);
/// E8M0, a scale: 2^(code - 127), 2^-127 .. 2^127; 255 is NaN.
float e8m0ToFloat(uint8_t code);

/// All 256 values of e4m3ToFloat / e5m2ToFloat by code.
std::span<const float, 256> e4m3Values();
std::span<const float, 256> e5m2Values();

/// E2M1 by code: sign in bit 3, then 0, 0.5, 1, 1.5, 2, 3, 4, 6. Code 8 is -0.
inline constexpr std::array<float, 16> kE2M1Values = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                                      -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

/// NormalFloat 4: quantiles of a normal distribution scaled to [-1, 1], ascending.
inline constexpr std::array<float, 16> kNf4Values = {-1.0f,
                                                     -0.6961928009986877f,
                                                     -0.5250730514526367f,
                                                     -0.39491748809814453f,
                                                     -0.28444138169288635f,
                                                     -0.18477343022823334f,
                                                     -0.09105003625154495f,
                                                     0.0f,
                                                     0.07958029955625534f,
                                                     0.16093020141124725f,
                                                     0.24611230194568634f,
                                                     0.33791524171829224f,
                                                     0.44070982933044434f,
                                                     0.5626170039176941f,
                                                     0.7229568362236023f,
                                                     1.0f};

} // namespace qs
