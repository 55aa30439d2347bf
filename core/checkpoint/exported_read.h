// SPDX-License-Identifier: Apache-2.0
// Reading arrays of an exported HDF5 file (exported_hdf5.h) into memory.
#pragma once

#include "core/hdf5/h5_import.h"
#include "core/tensor/dtype.h"

namespace qs {

/// Elements read at once: few requests, little memory.
inline constexpr uint64_t kExportedBlock = uint64_t(1) << 20;

/// Elements [first, first + count), whose type is T's.
template<class T>
Result<std::vector<T>> readElements(const H5Import& file, const H5Node& node, uint64_t first,
                                    uint64_t count) {
    std::vector<T> values(static_cast<size_t>(count));
    QS_CHECK(file.read(node, first, count, std::as_writable_bytes(std::span(values))));
    return values;
}

/// The same as float32, of an array of `type` (bfloat16 is stored as uint16). Corrupt when one is not finite.
Result<std::vector<float>> readExportedFloats(const H5Import& file, const H5Node& node, DType type,
                                              uint64_t first, uint64_t count);

} // namespace qs
