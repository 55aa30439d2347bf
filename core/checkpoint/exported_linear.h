// SPDX-License-Identifier: Apache-2.0
// The values of a quantized linear of an exported HDF5 file (exported_hdf5.h).
#pragma once

#include "core/checkpoint/exported_tensor.h"

namespace qs {

/// Codes of a format, at most.
inline constexpr size_t kExportedMaxLevels = 256;

/// Rows [firstRow, firstRow + out.rows) of the weight; out.cols = its columns. Corrupt, naming the array,
/// when a code, group or parameter breaks a rule. Memory: about a million weights at a time, in pieces of
/// whole rows.
Result<void> readExportedLinear(const ExportedLinear& linear, const H5Import& file, uint64_t firstRow,
                                MatrixView out);

} // namespace qs
