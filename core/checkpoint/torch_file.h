// SPDX-License-Identifier: Apache-2.0
// What a file of torch.save (since 1.6) holds: an archive of stored entries <root>/data.pkl, <root>/byteorder
// and <root>/data/<key>, one per storage. Source: torch/serialization.py, torch/_utils.py.
#pragma once

#include "core/base/result.h"
#include "core/tensor/dtype.h"

#include <span>
#include <string>
#include <vector>

namespace qs {

/// A named view of bytes in the file, checked: every element lies inside its storage, and the storage inside
/// the file.
struct TorchTensor {
    std::string name;
    DType dtype = DType::F32;
    std::vector<uint64_t> shape;
    std::vector<uint64_t> strides; ///< in elements; same length as shape
    uint64_t offset = 0;           ///< of element (0, 0, ...), from the start of the file
};

/// The tensors of the dict at the top, or of its member "state_dict" or "model" when the top has none. Values
/// that are not tensors are left out. Refused, besides what readStoredZip and runPickle refuse: files of
/// torch before 1.6 and tar files (named as such), big-endian files, storages whose entry is missing or has
/// another length, views that reach outside their storage, views of more than 64 MiB that repeat elements.
Result<std::vector<TorchTensor>> readTorchFile(std::span<const std::byte> file, const std::string& where);

} // namespace qs
