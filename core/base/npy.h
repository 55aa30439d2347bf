// SPDX-License-Identifier: Apache-2.0
// NumPy .npy files: token ids in, logits out, and reference data of tests. Little-endian, C order.
// Format: numpy/lib/format.py, versions 1.0 and 2.0.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace qs {

/// A C-order array; `shape` is empty for a scalar. values.size() == product of shape.
template<class T>
struct NpyData {
    std::vector<size_t> shape;
    std::vector<T> values;
};

/// Arrays of '<f4' or '<f8' (rounded to float32). Errors: another type or version, Fortran order, rank above
/// 8, a size that is not the file's. `where` (the file's name) goes into errors.
Result<NpyData<float>> parseNpyFloat(std::span<const std::byte> file, const std::string& where);
/// Arrays of '<i4' or '<i8'; a value outside int32 is an error.
Result<NpyData<int32_t>> parseNpyInt(std::span<const std::byte> file, const std::string& where);

Result<NpyData<float>> readNpyFloat(const std::filesystem::path& path);
Result<NpyData<int32_t>> readNpyInt(const std::filesystem::path& path);

/// Writes '<f4', version 1.0, through a temporary sibling. Error when values.size() is not the product of
/// `shape`.
Result<void> writeNpyFloat(const std::filesystem::path& path, std::span<const size_t> shape,
                           std::span<const float> values);

} // namespace qs
