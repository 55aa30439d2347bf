// SPDX-License-Identifier: Apache-2.0
// The GGUF container, versions 2 and 3: header parsing (hostile input expected), in place.
// Layout, little endian: "GGUF" | u32 version | u64 tensors | u64 keys | key-value pairs | tensor infos |
// padding to the alignment | data. Source: the specification in ggml's docs/gguf.md and llama.cpp's reader.
#pragma once

#include "core/checkpoint/gguf_metadata.h"
#include "core/tensor/ggml_blocks.h"

namespace qs {

/// `shape` is row-major, as everywhere else: the file's dimensions reversed, so that shape.back() is the
/// contiguous one that blocks run along.
struct GgufTensor {
    std::string_view name;
    const GgmlType* type = nullptr;
    std::vector<uint64_t> shape;
    uint64_t offset = 0; ///< from the start of the file
    uint64_t bytes = 0;
};

/// Views into the file's bytes, which must outlive it.
struct GgufHeader {
    uint32_t version = 3;
    uint64_t alignment = 32;
    uint64_t dataOffset = 0;
    GgufMetadata metadata;
    std::vector<GgufTensor> tensors; ///< in the order of the infos
};

/// "GGUF", in either byte order of what follows.
bool hasGgufMagic(std::span<const std::byte> head);

/// Parses and checks the header against the file's size. `where` (the file's name) goes into errors.
/// Enforced: version 2 or 3 (1 and big-endian files are refused by name); counts against the bytes that
/// remain; strings within the file; keys and names UTF-8, not empty, at most 65535 and 255 bytes, unique;
/// known value types, no nested arrays, booleans 0 or 1; general.alignment a power of two from 8 to 2^20; at
/// most 4 dimensions, checked products, the contiguous dimension a multiple of the type's block; known tensor
/// types; offsets aligned, within the file, no overlap.
Result<GgufHeader> parseGguf(std::span<const std::byte> file, const std::string& where);

} // namespace qs
