// SPDX-License-Identifier: Apache-2.0
// Double quantization of block scales, as bitsandbytes stores it: s = map[c] * nested + offset.
#pragma once

#include "core/codec/levels.h"

namespace qs {

/// Blocks that share a nested value.
inline constexpr size_t kNestedBlock = 256;
/// The 256 values of the signed dynamic map, ascending: 0, 1, and for each power 10^-6 .. 10^0 the middles of
/// 1, 2, .. 64 even intervals of .1 .. 1, of either sign (Dettmers 2016, arXiv:1511.04561).
const Levels& dynamicMap();
/// The code c whose map[c] * nested + offset, in float32, is `scale`, else the nearest.
uint8_t dynamicCode(float scale, float nested, float offset);

} // namespace qs
