// SPDX-License-Identifier: Apache-2.0
// The pickle of a torch.save file, read by a machine that can build data and nothing else: no class is looked
// up, no function is called. The names that such files need (OrderedDict, tensor rebuilders, dtypes) are
// inert symbols that the machine knows; any other name, and any other opcode, ends the reading.
#pragma once

#include "core/tensor/dtype.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qs {

/// Index of a value in PickleData::values.
using PickleRef = uint32_t;

/// Persistent id ("storage", type, key, location, count): bytes that lie in an entry of the archive.
struct PickleStorage {
    std::string_view key;
    std::optional<DType> dtype; ///< of its elements; none for an untyped storage, whose elements are bytes
    uint64_t count = 0;         ///< of elements
};

/// A view of a storage: element (i, j, ...) lies at offset + i * strides[0] + j * strides[1] + ... elements.
/// As the pickle states it: nothing is checked but that lengths agree and no number is negative.
struct PickleTensor {
    PickleStorage storage;
    DType dtype = DType::F32;
    uint64_t offset = 0;
    std::vector<uint64_t> shape, strides;
};

enum class PickleSymbol {
    OrderedDict,
    Storage,
    DTypeName,
    RebuildTensorV2,
    RebuildTensorV3,
    RebuildParameter,
    Size
};

struct PickleValue {
    enum class Kind {
        None,
        Bool,
        Int,
        BigInt,
        Float,
        String,
        Symbol,
        Tuple,
        List,
        Set,
        Dict,
        Storage,
        Tensor
    };
    Kind kind = Kind::None;
    PickleSymbol symbol = PickleSymbol::OrderedDict;
    std::optional<DType> dtype;   ///< of a Storage or DTypeName symbol
    int64_t integer = 0;          ///< of Bool and Int
    std::string_view text;        ///< of String; into the pickle
    std::vector<PickleRef> items; ///< of Tuple and List; of Dict: key, value, key, value ...
    uint32_t index = 0;           ///< of Storage and Tensor: into `storages`, `tensors`
};

struct PickleData {
    std::vector<PickleValue> values;
    std::vector<PickleStorage> storages;
    std::vector<PickleTensor> tensors;
    PickleRef root = 0;

    const PickleValue& at(PickleRef ref) const { return values[ref]; }
};

/// Runs a whole pickle (protocol 2, as torch.save writes it). `pickle` must outlive the result. Errors name
/// `where`, the byte offset, and the opcode or the name that was refused. Limits: 64 MiB of pickle, 2 M
/// values, 256 K tensors, 1 M on the stack or in the memo, 1024 open marks, 64 KiB per string, 64-bit
/// integers (longer ones are kept as BigInt without a value).
Result<PickleData> runPickle(std::span<const std::byte> pickle, const std::string& where);

} // namespace qs
