// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/pickle_symbols.h"

namespace qs {

namespace {

using S = PickleSymbol;

struct Known {
    std::string_view module, name;
    PickleGlobal global;
};

constexpr Known kKnown[] = {
    {"collections", "OrderedDict", {S::OrderedDict, {}}},
    {"torch._utils", "_rebuild_tensor_v2", {S::RebuildTensorV2, {}}},
    {"torch._utils", "_rebuild_tensor_v3", {S::RebuildTensorV3, {}}},
    {"torch._utils", "_rebuild_parameter", {S::RebuildParameter, {}}},
    {"torch", "Size", {S::Size, {}}},
    {"torch", "FloatStorage", {S::Storage, DType::F32}},
    {"torch", "DoubleStorage", {S::Storage, DType::F64}},
    {"torch", "HalfStorage", {S::Storage, DType::F16}},
    {"torch", "BFloat16Storage", {S::Storage, DType::BF16}},
    {"torch", "LongStorage", {S::Storage, DType::I64}},
    {"torch", "IntStorage", {S::Storage, DType::I32}},
    {"torch", "ShortStorage", {S::Storage, DType::I16}},
    {"torch", "CharStorage", {S::Storage, DType::I8}},
    {"torch", "ByteStorage", {S::Storage, DType::U8}},
    {"torch", "BoolStorage", {S::Storage, DType::Bool}},
    {"torch.storage", "UntypedStorage", {S::Storage, {}}},
    {"torch", "float32", {S::DTypeName, DType::F32}},
    {"torch", "float64", {S::DTypeName, DType::F64}},
    {"torch", "float16", {S::DTypeName, DType::F16}},
    {"torch", "bfloat16", {S::DTypeName, DType::BF16}},
    {"torch", "int64", {S::DTypeName, DType::I64}},
    {"torch", "int32", {S::DTypeName, DType::I32}},
    {"torch", "int16", {S::DTypeName, DType::I16}},
    {"torch", "int8", {S::DTypeName, DType::I8}},
    {"torch", "uint8", {S::DTypeName, DType::U8}},
    {"torch", "uint16", {S::DTypeName, DType::U16}},
    {"torch", "uint32", {S::DTypeName, DType::U32}},
    {"torch", "uint64", {S::DTypeName, DType::U64}},
    {"torch", "bool", {S::DTypeName, DType::Bool}},
    {"torch", "float8_e4m3fn", {S::DTypeName, DType::F8E4M3}},
    {"torch", "float8_e5m2", {S::DTypeName, DType::F8E5M2}},
};

} // namespace

std::optional<PickleGlobal> pickleGlobal(std::string_view module, std::string_view name) {
    for (const Known& k : kKnown)
        if (k.module == module && k.name == name) return k.global;
    return std::nullopt;
}

} // namespace qs
