// SPDX-License-Identifier: Apache-2.0
// The element and block types of ggml: ids, block sizes and dequantization to float32. A block is a run of
// `elements` consecutive values of one row, stored in `bytes` bytes. Source of the layouts: ggml's
// ggml-common.h and the reference dequantizers of ggml-quants.c. Values are exact: the products of a stored
// scale and a code fit in float32's 24 bits (11-bit f16 scale, at most 8 bits of sub-block scale and 6 of
// code), so the only rounding is the one of the final sum, where there is one.
#pragma once

#include "core/tensor/dtype.h"

#include <cstdint>
#include <optional>

namespace qs {

struct GgmlType {
    uint32_t id = 0;              ///< as stored in GGUF files
    std::string_view name;        ///< "Q4_K"
    uint32_t elements = 1;        ///< per block, 1 for plain types
    uint32_t bytes = 0;           ///< per block
    std::optional<DType> plain;   ///< the same type under safetensors' name, for unblocked types
    std::string_view notReadable; ///< why there is no dequantization, "" when there is
    /// Values of `blocks` blocks at `in` (any alignment) into out[blocks * elements]. nullptr for plain types
    /// and where `notReadable` says why. Every bit pattern is valid.
    void (*dequantize)(const std::byte* in, size_t blocks, float* out) = nullptr;

    double bitsPerWeight() const { return 8.0 * bytes / elements; }
};

/// All known types, by id.
std::span<const GgmlType> ggmlTypes();
/// nullptr when the id is not known, or was removed from ggml (4, 5, 31-33, 36-38).
const GgmlType* ggmlType(uint32_t id);

/// Converts whole blocks. `out.size()` must be a multiple of `elements` and agree with `bytes`.
/// Error::unsupported for types that are not readable and for integers, InvalidArgument when sizes do not
/// match.
Result<void> ggmlToFloat(const GgmlType& type, std::span<const std::byte> bytes, std::span<float> out);

} // namespace qs
