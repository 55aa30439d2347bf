// SPDX-License-Identifier: Apache-2.0
// The formulas by which a file can say what its codes stand for (core/checkpoint/exported_hdf5.h).
#pragma once

#include "core/codec/codec.h"

namespace qs {

enum class Hdf5Values {
    Integers,  ///< scale * (code - zero)
    Levels,    ///< scale * level - zero, levels of the format
    OwnLevels, ///< the same without zeros, levels of the tensor: one parameter for all of it moves them
    Table,     ///< no formula: the value of each code of each group
};

/// What fits a codec's values exactly; `shape` has its parameter matrices.
Hdf5Values hdf5ValuesOf(const Codec& codec, const QuantizedTensor& shape);
/// Levels: of the codec alone. Index: the code.
std::vector<float> exportedLevels(const Codec& codec);
/// OwnLevels: of a tensor. Internal when its zero points are not all the same.
Result<std::vector<float>> exportedLevels(const Codec& codec, const QuantizedTensor& q);
/// Table: [scale rows, groups, codes].
std::vector<float> exportedTable(const Codec& codec, const QuantizedTensor& q);

} // namespace qs
