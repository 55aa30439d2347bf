// SPDX-License-Identifier: Apache-2.0
// The safetensors container: header parsing (hostile input expected) and writing.
// Layout: u64 LE n | n bytes of JSON | data. Source: the format's specification and reference implementation.
#pragma once

#include "core/base/file.h"
#include "core/tensor/dtype.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace qs {

struct SafetensorsEntry {
    std::string name;
    DType dtype = DType::F32;
    std::vector<uint64_t> shape;
    uint64_t begin = 0, end = 0; ///< relative to the data section
};

struct SafetensorsHeader {
    std::vector<SafetensorsEntry> entries; ///< in file order of the data
    std::map<std::string, std::string> metadata;
    uint64_t dataOffset = 0; ///< of the data section, from the start of the file
};

/// Parses and checks the header against the file's size. `where` (the file's name) goes into errors.
/// Enforced: length <= 100 MB and within the file, UTF-8, one JSON object of depth <= 4, unique keys, known
/// dtypes, rank <= 16, checked products, (end - begin) == elements * size, tensors tile the data exactly
/// without gap or overlap.
Result<SafetensorsHeader> parseSafetensorsHeader(std::span<const std::byte> file, const std::string& where);

/// One tensor to be written; `fill` produces its bytes when its turn comes, so that a model larger than
/// memory can be written.
struct SafetensorsItem {
    std::string name;
    DType dtype = DType::F32;
    std::vector<uint64_t> shape;
    std::function<Result<void>(std::span<std::byte>)> fill;
};

/// Writes `items` to a temporary sibling and renames it. Tensors are laid out by alignment (descending), then
/// name. `metadata` gets {"format":"pt"} added. Returns the file's size. Memory: one tensor.
Result<uint64_t> writeSafetensors(const std::filesystem::path& path, std::vector<SafetensorsItem> items,
                                  std::map<std::string, std::string> metadata);
/// The size in bytes that writeSafetensors would produce (exact).
uint64_t safetensorsFileSize(const std::vector<SafetensorsItem>& items,
                             std::map<std::string, std::string> metadata);

} // namespace qs
