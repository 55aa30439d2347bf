// SPDX-License-Identifier: Apache-2.0
// GGUF files put together by hand from the format's description, whole or damaged on purpose; nothing of the
// code under test takes part.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace qs::test {

template<class T>
std::string rawOf(T value) {
    std::string out(sizeof value, '\0');
    std::memcpy(out.data(), &value, sizeof value);
    return out;
}
template<class T>
std::string rawOf(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
inline std::string ggufString(const std::string& text) {
    return rawOf(uint64_t(text.size())) + text;
}

// Ids of the value types and tensor types, as the specification numbers them.
enum : uint32_t { kGgufU32 = 4, kGgufI32 = 5, kGgufF32 = 6, kGgufBool = 7, kGgufString = 8, kGgufArray = 9 };
enum : uint32_t { kGgmlF32 = 0, kGgmlF16 = 1, kGgmlQ4_0 = 2, kGgmlQ8_0 = 8, kGgmlQ4_K = 12, kGgmlI32 = 26 };

struct GgufBuilder {
    struct Tensor {
        std::string name;
        std::vector<uint64_t> dims; ///< in the file's order: the contiguous one first
        uint32_t type;
        std::string data;
        std::optional<uint64_t> offset; ///< instead of the right one
    };
    std::string magic = "GGUF";
    uint32_t version = 3;
    uint64_t alignment = 32; ///< of the layout; a key must be added to match
    std::string pairs;
    uint64_t pairCount = 0;
    std::vector<Tensor> tensors;
    std::optional<uint64_t> tensorCount; ///< instead of the right one

    GgufBuilder& raw(const std::string& key, uint32_t type, const std::string& value) {
        pairs += ggufString(key) + rawOf(type) + value;
        ++pairCount;
        return *this;
    }
    GgufBuilder& u32(const std::string& key, uint32_t v) { return raw(key, kGgufU32, rawOf(v)); }
    GgufBuilder& f32(const std::string& key, float v) { return raw(key, kGgufF32, rawOf(v)); }
    GgufBuilder& flag(const std::string& key, bool v) { return raw(key, kGgufBool, rawOf(uint8_t(v))); }
    GgufBuilder& text(const std::string& key, const std::string& v) {
        return raw(key, kGgufString, ggufString(v));
    }
    GgufBuilder& texts(const std::string& key, const std::vector<std::string>& values) {
        std::string body;
        for (const std::string& v : values)
            body += ggufString(v);
        return raw(key, kGgufArray, rawOf(uint32_t(kGgufString)) + rawOf(uint64_t(values.size())) + body);
    }
    template<class T>
    GgufBuilder& array(const std::string& key, uint32_t type, const std::vector<T>& values) {
        return raw(key, kGgufArray, rawOf(type) + rawOf(uint64_t(values.size())) + rawOf(values));
    }
    /// `shape` is row-major, as Hugging Face has it.
    GgufBuilder& tensor(const std::string& name, std::vector<uint64_t> shape, uint32_t type,
                        std::string data) {
        tensors.push_back({name, {shape.rbegin(), shape.rend()}, type, std::move(data), std::nullopt});
        return *this;
    }
    GgufBuilder& floats(const std::string& name, std::vector<uint64_t> shape,
                        const std::vector<float>& values) {
        return tensor(name, std::move(shape), kGgmlF32, rawOf(values));
    }

    std::string padded(std::string s) const {
        s.resize((s.size() + alignment - 1) / alignment * alignment, '\0');
        return s;
    }

    std::string bytes() const {
        std::string out =
            magic + rawOf(version) + rawOf(tensorCount.value_or(tensors.size())) + rawOf(pairCount) + pairs;
        std::string data;
        for (const Tensor& t : tensors) {
            data = padded(std::move(data));
            out += ggufString(t.name) + rawOf(uint32_t(t.dims.size())) + rawOf(t.dims) + rawOf(t.type) +
                   rawOf(t.offset.value_or(data.size()));
            data += t.data;
        }
        return tensors.empty() ? out : padded(std::move(out)) + data;
    }

    void write(const std::filesystem::path& path) const {
        std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes();
    }
};

} // namespace qs::test
