// SPDX-License-Identifier: Apache-2.0
// Element types of stored tensors and their conversion to float32.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace qs {

/// How elements are stored. Names are safetensors' own.
enum class DType { F32, F16, BF16, F64, I8, U8, I16, U16, I32, U32, I64, U64, Bool, F8E4M3, F8E5M2, F8E8M0 };

struct DTypeInfo {
    DType type;
    std::string_view name; ///< "F16"
    int bits;              ///< per element
    bool floating;
};

const DTypeInfo& dtypeInfo(DType type);
/// Error when the name is not one of the above.
Result<DType> dtypeFromName(std::string_view name);

/// True when `toFloat` can read it: F32, F16, BF16, F64.
bool convertibleToFloat(DType type);

/// Converts `count` elements at `bytes` (any alignment) to float32. `out.size() == count`. F16 and BF16 are
/// exact, F64 rounds to nearest even. Error::unsupported for other types, InvalidArgument when sizes do not
/// match.
Result<void> toFloat(DType type, std::span<const std::byte> bytes, std::span<float> out);
/// Converts float32 to F32, F16 or BF16 (round to nearest even, overflow to infinity, NaN kept NaN).
Result<void> fromFloat(std::span<const float> in, DType type, std::span<std::byte> out);

/// Scalar conversions, IEEE round to nearest even.
float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value);
float bfloatToFloat(uint16_t bits);
uint16_t floatToBfloat(float value);

} // namespace qs
