// SPDX-License-Identifier: Apache-2.0
// One block of each ggml format to float32; the table is in ggml_blocks. `in` has the block's bytes, `out`
// takes its elements. Loops are kept simple so that the compiler vectorizes them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace qs::ggml {

/// Values of the codes of IQ4_NL and IQ4_XS.
inline constexpr std::array<int8_t, 16> kIq4 = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                1,    13,   25,  38,  53,  69,  89,  113};
/// E2M1 doubled, so that all are integers.
inline constexpr std::array<int8_t, 16> kFp4Doubled = {0, 1,  2,  3,  4,  6,  8,  12,
                                                       0, -1, -2, -3, -4, -6, -8, -12};

void q4_0(const std::byte* in, float* out);
void q4_1(const std::byte* in, float* out);
void q5_0(const std::byte* in, float* out);
void q5_1(const std::byte* in, float* out);
void q8_0(const std::byte* in, float* out);
void q1_0(const std::byte* in, float* out);
void q2_0(const std::byte* in, float* out);
void q2_k(const std::byte* in, float* out);
void q3_k(const std::byte* in, float* out);
void q4_k(const std::byte* in, float* out);
void q5_k(const std::byte* in, float* out);
void q6_k(const std::byte* in, float* out);
void iq4_nl(const std::byte* in, float* out);
void iq4_xs(const std::byte* in, float* out);
void tq1_0(const std::byte* in, float* out);
void tq2_0(const std::byte* in, float* out);
void mxfp4(const std::byte* in, float* out);
void nvfp4(const std::byte* in, float* out);

} // namespace qs::ggml
