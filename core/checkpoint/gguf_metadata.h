// SPDX-License-Identifier: Apache-2.0
// The key-value part of a GGUF file, read in place: values stay in the mapped file, so that a vocabulary of
// 256 k tokens costs nothing until it is asked for.
#pragma once

#include "core/base/result.h"
#include "core/checkpoint/name_index.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qs {

/// As numbered in the file.
enum class GgufType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

/// "u32"
std::string_view ggufTypeName(GgufType type);
/// Bytes of one value; 0 for strings and arrays.
size_t ggufTypeSize(GgufType type);

/// One value. `bytes` lies in the file and has been checked: scalars have their size, strings their bytes (no
/// length), arrays of numbers count * size, arrays of strings (u64 length, bytes) each. Nothing is aligned.
struct GgufValue {
    GgufType type = GgufType::U8;
    GgufType element = GgufType::U8; ///< of an array
    uint64_t count = 1;              ///< of an array
    std::span<const std::byte> bytes;
};

/// Typed access with errors that name the file and the key. Immutable and thread-safe; the file's bytes must
/// outlive it. A key that is absent is Error::notFound, one of another type Error::corrupt; integers are
/// taken from any integer type, numbers from any integer or float type (an f32 as the shortest decimal that
/// rounds to it).
class GgufMetadata {
public:
    struct Entry {
        std::string_view key;
        GgufValue value;
    };

    GgufMetadata() = default;
    /// Keys must be unique.
    GgufMetadata(std::vector<Entry> entries, std::string where);

    std::span<const Entry> entries() const { return entries_; }
    /// nullptr when absent.
    const GgufValue* find(std::string_view key) const;
    bool has(std::string_view key) const { return find(key) != nullptr; }
    /// "file.gguf: metadata 'key'", for errors about a value.
    std::string place(std::string_view key) const;

    Result<uint64_t> size(std::string_view key, uint64_t most) const; ///< 0 .. most
    Result<uint64_t> sizeOr(std::string_view key, uint64_t most, uint64_t fallback) const;
    Result<double> number(std::string_view key) const; ///< finite
    Result<double> numberOr(std::string_view key, double fallback) const;
    Result<bool> booleanOr(std::string_view key, bool fallback) const;
    Result<std::string_view> text(std::string_view key) const;
    Result<std::string_view> textOr(std::string_view key, std::string_view fallback) const;

    /// Arrays, copied; empty when absent.
    Result<std::vector<std::string>> texts(std::string_view key) const;
    Result<std::vector<float>> floats(std::string_view key) const;
    Result<std::vector<int32_t>> integers(std::string_view key) const; ///< each must fit
    /// An array of 8-bit values as bytes.
    Result<std::vector<std::byte>> octets(std::string_view key) const;

private:
    Result<const GgufValue*> get(std::string_view key) const;
    Result<const GgufValue*> array(std::string_view key) const;
    Error wrong(std::string_view key, const GgufValue& value, std::string_view rule) const;

    std::vector<Entry> entries_;
    NameIndex byKey_;
    std::string where_;
};

} // namespace qs
