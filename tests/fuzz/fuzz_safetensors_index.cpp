// SPDX-License-Identifier: Apache-2.0
// model.safetensors.index.json: no accepted shard name may leave the model's folder.
#include "core/checkpoint/safetensors_index.h"

#include <cstdlib>
#include <filesystem>
#include <set>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto index = qs::parseSafetensorsIndex({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (!index) return 0;
    if (index->entries.empty()) std::abort();
    for (const std::string& shard : index->shards) {
        const std::filesystem::path path(shard);
        const bool inside = path.filename() == path && shard != "." && shard != ".." && !shard.empty() &&
                            shard.find('\0') == std::string::npos && shard.find('\\') == std::string::npos;
        if (!inside) std::abort();
    }
    std::set<std::string> names;
    for (const auto& e : index->entries)
        if (e.shard >= index->shards.size() || !names.insert(e.tensor).second) std::abort();
    return 0;
}
