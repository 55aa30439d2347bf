// SPDX-License-Identifier: Apache-2.0
// A whole safetensors file. What the parser accepts must obey the format's rules, and nlohmann's parser must
// agree on the JSON.
#include "core/checkpoint/safetensors.h"

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void checkEntries(const qs::SafetensorsHeader& header, uint64_t dataBytes) {
    uint64_t reached = 0;
    std::set<std::string> names;
    for (const qs::SafetensorsEntry& e : header.entries) {
        unsigned __int128 bytes = unsigned(qs::dtypeInfo(e.dtype).bits / 8);
        for (const uint64_t dim : e.shape) {
            bytes *= dim;
            require(bytes <= UINT64_MAX);
        }
        require(e.shape.size() <= 16 && e.begin == reached && e.end - e.begin == uint64_t(bytes));
        require(names.insert(e.name).second && e.name.find('\0') == std::string::npos);
        reached = e.end;
    }
    require(reached == dataBytes);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::span file(reinterpret_cast<const std::byte*>(data), size);
    const auto header = qs::parseSafetensorsHeader(file, "fuzz");
    if (!header) {
        require(header.error().describe().rfind("fuzz: ", 0) == 0);
        return 0;
    }
    uint64_t length = 0;
    std::memcpy(&length, data, sizeof length);
    require(header->dataOffset == 8 + length && header->dataOffset <= size);
    checkEntries(*header, size - header->dataOffset);
    const auto json = nlohmann::json::parse(data + 8, data + 8 + length);
    require(json.size() == header->entries.size() + json.count("__metadata__"));
    for (const qs::SafetensorsEntry& e : header->entries) {
        const auto& t = json.at(e.name);
        require(t.at("dtype") == qs::dtypeInfo(e.dtype).name && t.at("shape") == e.shape &&
                t.at("data_offsets") == std::vector<uint64_t>{e.begin, e.end});
    }
    return 0;
}
