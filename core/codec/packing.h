// SPDX-License-Identifier: Apache-2.0
// Bit packing of codes into 32-bit words: one dense stream of `bits`-wide fields, least significant bit
// first. Field i occupies the stream's bits [i * bits, (i + 1) * bits); stream bit j is bit j % 32 of word j
// / 32. GPTQ packs weights that way along the input dimension and zero points along the output dimension (the
// published 3-bit pattern of 32 codes in 3 words is the same stream). Source: AutoGPTQ and GPTQModel
// `pack()`. Everything here is pure and thread-safe.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace qs {

/// Words needed for `count` fields: ceil(count * bits / 32).
constexpr size_t packedWords(size_t count, int bits) {
    return (count * size_t(bits) + 31) / 32;
}

/// bits in 1..8, every code < 2^bits, words.size() == packedWords(codes.size(), bits). Unused high bits of
/// the last word are 0. InvalidArgument names the first code that does not fit.
Result<void> packFields(std::span<const uint8_t> codes, int bits, std::span<uint32_t> words);
/// The inverse; bits that belong to no field are ignored.
Result<void> unpackFields(std::span<const uint32_t> words, int bits, std::span<uint8_t> codes);

/// GPTQ's qweight: codes [out, in] -> words [in * bits / 32, out], column n the stream of row n. `in` must be
/// a multiple of 32.
Result<void> packGptqWeight(std::span<const uint8_t> codes, size_t out, size_t in, int bits,
                            std::span<uint32_t> words);
Result<void> unpackGptqWeight(std::span<const uint32_t> words, size_t out, size_t in, int bits,
                              std::span<uint8_t> codes);

/// GPTQ's qzeros: fields [groups, out] -> words [groups, out * bits / 32], each row one stream. `out` must be
/// a multiple of 32.
Result<void> packGptqZeros(std::span<const uint8_t> fields, size_t groups, size_t out, int bits,
                           std::span<uint32_t> words);
Result<void> unpackGptqZeros(std::span<const uint32_t> words, size_t groups, size_t out, int bits,
                             std::span<uint8_t> fields);

} // namespace qs
