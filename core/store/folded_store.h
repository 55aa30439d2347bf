// SPDX-License-Identifier: Apache-2.0
// What transforms made of one unit of a run, in an HDF5 file ('/' and '%' of names as %2F, %25):
//   /kept/<tensor>             float32 [rows, cols]: values of a tensor that keeps its format
//   /scaling/<tensor>/rows     float32 [rows], /columns [cols]: the factors of a weight that is quantized
//                              after w columns / rows; either may be absent
// The file's attributes: schema = "quantoscope-folds", schema_version.
#pragma once

#include "core/base/result.h"
#include "core/quant/transform/scaling.h"

#include <filesystem>

namespace qs {

struct FoldedUnit {
    std::map<std::string, Matrix> kept;           ///< by logical name, every value one of the stored type
    std::map<std::string, TensorScaling> scaling; ///< of the quantized weights, by logical name
    bool empty() const { return kept.empty() && scaling.empty(); }
};

/// Appears under `path` whole or not at all; the same content gives the same bytes.
Result<void> writeFoldedUnit(const std::filesystem::path& path, const FoldedUnit& unit);

/// NotFound when the file or the tensor is missing; Corrupt when it has another shape or a value that is not
/// finite. Thread-safe.
Result<Matrix> readKeptTensor(const std::filesystem::path& path, const std::string& tensor, size_t rows,
                              size_t cols);
/// Factors of a weight [rows, cols]; empty ones when the file has none. Corrupt when one is not positive.
Result<TensorScaling> readScaling(const std::filesystem::path& path, const std::string& tensor, size_t rows,
                                  size_t cols);

} // namespace qs
