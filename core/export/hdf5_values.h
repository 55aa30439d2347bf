// SPDX-License-Identifier: Apache-2.0
// The two formulas by which a file can say what its codes stand for (core/checkpoint/exported_hdf5.h).
#pragma once

#include "core/codec/codec.h"

namespace qs {

/// Of a codec without an integer grid: the level of each code, in the formula scale * level - zero.
/// Unsupported when the codec's values are not made so.
Result<std::vector<float>> exportedLevels(const Codec& codec);

} // namespace qs
