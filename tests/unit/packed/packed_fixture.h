// SPDX-License-Identifier: Apache-2.0
// The golden folders of packed linears and models, and copies of them with something changed.
#pragma once

#include "core/checkpoint/safetensors.h"
#include "core/model/packed/packed_linear.h"
#include "tests/support/qs_test.h"

#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

namespace qs::test {

inline std::filesystem::path packedGolden(const std::string& name) {
    return sourceDir() / "tests/golden/packed" / name;
}

struct StoredPart {
    DType dtype = DType::F32;
    std::vector<uint64_t> shape;
    std::vector<std::byte> bytes;

    /// The same bytes under another shape; the data shrinks or grows (with zeros) to fit.
    void reshape(std::vector<uint64_t> to) {
        shape = std::move(to);
        uint64_t count = 1;
        for (uint64_t d : shape)
            count *= d;
        bytes.resize(count * size_t(dtypeInfo(dtype).bits) / 8);
    }
    template<class T>
    void set(size_t index, T value) {
        std::memcpy(bytes.data() + index * sizeof(T), &value, sizeof(T));
    }
};

/// A checkpoint in memory, to be changed and written.
struct StoredFolder {
    std::map<std::string, StoredPart> parts;
    nlohmann::ordered_json config;

    nlohmann::ordered_json& settings() { return config["quantization_config"]; }

    static StoredFolder load(const std::filesystem::path& folder) {
        StoredFolder out;
        const auto checkpoint = openCheckpoint(folder);
        if (!checkpoint) return out;
        for (size_t i = 0; i < (*checkpoint)->tensors().size(); ++i) {
            const TensorInfo& t = (*checkpoint)->tensors()[i];
            const auto bytes = (*checkpoint)->rawBytes(i);
            if (bytes) out.parts[t.name] = {t.dtype, t.shape, {bytes->begin(), bytes->end()}};
        }
        out.config = nlohmann::ordered_json::parse(std::ifstream(folder / "config.json"), nullptr, false);
        return out;
    }

    Result<void> write(const std::filesystem::path& folder) const {
        std::vector<SafetensorsItem> items;
        for (const auto& [name, part] : parts)
            items.push_back({name, part.dtype, part.shape, [&part](std::span<std::byte> out) -> Result<void> {
                                 std::copy(part.bytes.begin(), part.bytes.end(), out.begin());
                                 return {};
                             }});
        std::filesystem::create_directories(folder);
        std::ofstream(folder / "config.json") << config.dump(1);
        QS_CHECK(writeSafetensors(folder / "model.safetensors", std::move(items), {}));
        return {};
    }
};

} // namespace qs::test
