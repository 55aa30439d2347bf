// SPDX-License-Identifier: Apache-2.0
// What an exported HDF5 file holds of a tensor beside its codes (core/checkpoint/exported_hdf5.h).
#pragma once

#include "core/store/quantized_group.h"

namespace qs {

/// Arrays of the group of a [rows, cols] tensor that keeps so much; none when it keeps nothing.
std::vector<QuantizedPart> hdf5ExtrasParts(const ExtrasSize& size, size_t rows, size_t cols);
/// What they do to the decoded codes V, as a text for people: "W = V + low_rank_a @ low_rank_b".
std::string hdf5ExtrasFormula(const ExtrasSize& size);

} // namespace qs
