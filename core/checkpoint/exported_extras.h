// SPDX-License-Identifier: Apache-2.0
// What a quantized linear of an exported HDF5 file (exported_hdf5.h) holds beside its codes.
#pragma once

#include "core/checkpoint/exported_tensor.h"

namespace qs {

/// Finds the arrays in the linear's group and checks types and shapes; reads nothing. Corrupt when one of
/// several is missing or does not fit [rows, cols].
Result<ExportedExtras> describeExportedExtras(const H5Objects& objects, const std::string& group,
                                              uint64_t rows, uint64_t cols);

/// Makes rows of the weight of `rows`, the decoded codes of the rows from `firstRow` on: turns them back,
/// adds the product, puts kept weights into their places, and spreads reassembled
/// channels. Corrupt, naming the array, when a value breaks a
/// rule.
Result<void> applyExportedExtras(const ExportedExtras& extras, const H5Import& file, uint64_t firstRow,
                                 MatrixView rows);

} // namespace qs
