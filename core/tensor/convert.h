// SPDX-License-Identifier: Apache-2.0
// Bulk conversions between float32 and the 16-bit types, vectorized for the machine at run time. Same
// results, bit for bit, as the scalar functions of dtype.h on every machine. Pointers to bytes may have any
// alignment.
#pragma once

#include <cstddef>

namespace qs {

void halfToFloatBulk(const std::byte* in, float* out, size_t count);
void bfloatToFloatBulk(const std::byte* in, float* out, size_t count);
void floatToHalfBulk(const float* in, std::byte* out, size_t count);
void floatToBfloatBulk(const float* in, std::byte* out, size_t count);

} // namespace qs
