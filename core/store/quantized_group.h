// SPDX-License-Identifier: Apache-2.0
// The group of one quantized tensor in an HDF5 file, as quantized_store.h describes it: what files of runs
// and exported files share. In an exported file places are reserved before values are known, so types and
// sizes follow from the codec alone: zero is uint8 where zero points are integers or all 0, else float32, and
// group_of_column is always there.
#pragma once

#include "core/codec/codec.h"
#include "core/hdf5/h5_file.h"

namespace qs {

/// What the scale of `q` is stored as: F16, BF16 or F32.
Result<DType> storedScaleType(const QuantizedTensor& q);

/// 16-bit patterns of the scales, which must have them exactly: InvalidArgument names the first that has
/// none.
Result<std::vector<uint16_t>> scaleBits(const QuantizedTensor& q, DType type);

/// The attributes of the group.
std::vector<H5Attribute> quantizedAttributes(const std::string& module, const QuantizedTensor& q);

/// Rows, columns, layout and parameter matrices of a tensor of this codec; no codes.
Result<QuantizedTensor> emptyQuantizedTensor(const Codec& codec, size_t rows, size_t cols);

/// One array of a group whose places are reserved.
struct QuantizedPart {
    std::string name; ///< "codes"
    H5Type type = H5Type::U8;
    H5Shape shape;
    bool bfloat = false; ///< uint16 that are bfloat16
    /// As stored; InvalidArgument when the tensor's values do not fit.
    Result<std::vector<std::byte>> (*bytes)(const QuantizedTensor& q) = nullptr;
};
/// Of a tensor with this layout; its values are not looked at.
Result<std::vector<QuantizedPart>> quantizedParts(const QuantizedTensor& q);

} // namespace qs
