// SPDX-License-Identifier: Apache-2.0
// Writing GGUF version 3: the key-value part, tensor infos and data, streamed tensor by tensor; one file or
// the pieces of a split model. Layout: gguf.h. Data follow in the order of the infos, each padded to the
// alignment, without further gaps: llama.cpp requires exactly these offsets.
#pragma once

#include "core/base/job.h"
#include "core/checkpoint/gguf_metadata.h"
#include "core/tensor/ggml_blocks.h"

#include <filesystem>
#include <functional>

namespace qs {

/// The key-value part that is to be written, in order. A key that is set again keeps its place and takes the
/// new value.
class GgufFields {
public:
    struct Field {
        std::string key;
        GgufType type = GgufType::U8;
        std::vector<std::byte> value; ///< as stored, behind the type
    };

    void u16(const std::string& key, uint16_t value);
    void u32(const std::string& key, uint32_t value);
    void i32(const std::string& key, int32_t value);
    void u64(const std::string& key, uint64_t value);
    void f32(const std::string& key, float value);
    void f64(const std::string& key, double value);
    void boolean(const std::string& key, bool value);
    void text(const std::string& key, std::string_view value);
    void texts(const std::string& key, const std::vector<std::string>& values);
    void floats(const std::string& key, std::span<const float> values);
    void integers(const std::string& key, std::span<const int32_t> values);
    /// As an array of u8.
    void octets(const std::string& key, std::span<const std::byte> values);
    /// A value of another file.
    void copy(const std::string& key, const GgufValue& value);

    const std::vector<Field>& list() const { return fields_; }
    /// nullptr when absent.
    const Field* find(std::string_view key) const;

private:
    void set(const std::string& key, GgufType type, std::vector<std::byte> value);
    std::vector<Field> fields_;
};

/// One tensor to be written; `fill` produces its bytes when its turn comes. `shape` is row-major.
struct GgufItem {
    std::string name;
    const GgmlType* type = nullptr;
    std::vector<uint64_t> shape;
    std::function<Result<void>(std::span<std::byte> out)> fill;

    uint64_t elements() const;
    uint64_t bytes() const; ///< without padding
};

/// One file of the model.
struct GgufPart {
    std::string name;
    std::vector<size_t> items; ///< in their order
    GgufFields fields;
};

/// Cuts a model into files: "STEM.gguf", or "STEM-00001-of-0000N.gguf" when `splitBytes` (0: never) is less
/// than the tensors take. A file takes tensors until the next would pass the limit, at least one. The first
/// has all of `fields`, the others only what concerns splitting (split.no, split.count, split.tensors.count).
std::vector<GgufPart> ggufParts(const std::string& stem, const GgufFields& fields,
                                const std::vector<GgufItem>& items, uint64_t splitBytes);

/// Exact size of the file that writeGguf makes of a part.
uint64_t ggufFileSize(const GgufPart& part, const std::vector<GgufItem>& items);

/// Writes one part to `path`, which appears whole or not at all. InvalidArgument, before anything is written:
/// keys or names that are empty, longer than the format allows (65535 and 63 bytes), not UTF-8 or given
/// twice; no type, no or more than 4 dimensions; rows that are not whole blocks. Cancelled between tensors.
/// Memory: the largest tensor.
Result<void> writeGguf(const std::filesystem::path& path, const GgufPart& part,
                       const std::vector<GgufItem>& items, const JobContext& job);

} // namespace qs
