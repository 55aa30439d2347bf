// SPDX-License-Identifier: Apache-2.0
// Test files put together by hand, so that nothing of the code under test takes part in making its input.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace qs::test {

/// length | json | data, the length as given or that of `json`.
inline std::string safetensorsBytes(const std::string& json, const std::string& data, int64_t length = -1) {
    const uint64_t n = length < 0 ? json.size() : uint64_t(length);
    std::string out(8, '\0');
    std::memcpy(out.data(), &n, 8);
    return out + json + data;
}

template<class T>
std::string bytesOf(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline std::span<const std::byte> asBytes(const std::string& s) {
    return std::as_bytes(std::span(s));
}

inline void writeText(const std::filesystem::path& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

inline std::string readText(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace qs::test
