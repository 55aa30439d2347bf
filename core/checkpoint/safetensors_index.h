// SPDX-License-Identifier: Apache-2.0
// model.safetensors.index.json: which shard holds which tensor.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qs {

struct SafetensorsIndex {
    struct Entry {
        std::string tensor;
        uint32_t shard = 0; ///< position in `shards`
    };
    std::vector<std::string> shards; ///< file names in the index's folder, in order of first mention
    std::vector<Entry> entries;      ///< in file order
};

/// Parses and checks `weight_map`; everything else is skipped (`metadata.total_size` is informational).
/// Refused: shards that are not plain file names (a separator, "..", NUL), repeated tensors, an empty map.
/// `where` (the file's name) goes into errors.
Result<SafetensorsIndex> parseSafetensorsIndex(std::string_view text, const std::string& where);

} // namespace qs
