// SPDX-License-Identifier: Apache-2.0
#include "core/codec/packing.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kBlock = 32; // 32 fields fill exactly `bits` words, whatever `bits` is

Result<void> checkBits(int bits) {
    if (bits >= 1 && bits <= 8) return {};
    return Error::invalid(fmt::format("bits must be 1..8, got {}", bits), "packing");
}

Result<void> checkSize(const char* what, size_t have, size_t want) {
    if (have == want) return {};
    return Error::invalid(fmt::format("{} must have {} elements, got {}", what, want, have), "packing");
}

Result<void> checkMultiple(const char* what, size_t n) {
    if (n % kBlock == 0) return {};
    return Error::invalid(fmt::format("{} must be a multiple of {}, got {}", what, kBlock, n), "packing");
}

Result<void> checkCodes(std::span<const uint8_t> codes, int bits) {
    const auto bad = std::find_if(codes.begin(), codes.end(), [&](uint8_t c) { return (c >> bits) != 0; });
    if (bad == codes.end()) return {};
    return Error::invalid(
        fmt::format("code {} at {} does not fit in {} bits", int(*bad), bad - codes.begin(), bits),
        "packing");
}

// At most 32 fields; the words must be zero.
void packBlock(const uint8_t* codes, size_t count, int bits, uint32_t* words) {
    for (size_t i = 0; i < count; ++i) {
        const size_t bit = i * size_t(bits);
        const uint64_t shifted = uint64_t(codes[i]) << (bit % 32);
        words[bit / 32] |= uint32_t(shifted);
        if (shifted >> 32) words[bit / 32 + 1] |= uint32_t(shifted >> 32);
    }
}

void unpackBlock(const uint32_t* words, size_t count, int bits, uint8_t* codes) {
    const uint32_t mask = (1u << bits) - 1;
    for (size_t i = 0; i < count; ++i) {
        const size_t bit = i * size_t(bits), shift = bit % 32;
        uint64_t window = words[bit / 32];
        if (shift + size_t(bits) > 32) window |= uint64_t(words[bit / 32 + 1]) << 32;
        codes[i] = uint8_t((window >> shift) & mask);
    }
}

void packStream(std::span<const uint8_t> codes, int bits, uint32_t* words) {
    std::fill_n(words, packedWords(codes.size(), bits), 0u);
    for (size_t i = 0; i < codes.size(); i += kBlock)
        packBlock(codes.data() + i, std::min(kBlock, codes.size() - i), bits,
                  words + i / kBlock * size_t(bits));
}

void unpackStream(const uint32_t* words, int bits, std::span<uint8_t> codes) {
    for (size_t i = 0; i < codes.size(); i += kBlock)
        unpackBlock(words + i / kBlock * size_t(bits), std::min(kBlock, codes.size() - i), bits,
                    codes.data() + i);
}

Result<void> checkWeight(size_t codes, size_t out, size_t in, int bits, size_t words) {
    QS_CHECK(checkBits(bits));
    QS_CHECK(checkMultiple("the input dimension", in));
    QS_CHECK(checkSize("codes", codes, out * in));
    return checkSize("words", words, packedWords(in, bits) * out);
}

Result<void> checkZeros(size_t fields, size_t groups, size_t out, int bits, size_t words) {
    QS_CHECK(checkBits(bits));
    QS_CHECK(checkMultiple("the output dimension", out));
    QS_CHECK(checkSize("fields", fields, groups * out));
    return checkSize("words", words, packedWords(out, bits) * groups);
}

} // namespace

Result<void> packFields(std::span<const uint8_t> codes, int bits, std::span<uint32_t> words) {
    QS_CHECK(checkBits(bits));
    QS_CHECK(checkSize("words", words.size(), packedWords(codes.size(), bits)));
    QS_CHECK(checkCodes(codes, bits));
    packStream(codes, bits, words.data());
    return {};
}

Result<void> unpackFields(std::span<const uint32_t> words, int bits, std::span<uint8_t> codes) {
    QS_CHECK(checkBits(bits));
    QS_CHECK(checkSize("words", words.size(), packedWords(codes.size(), bits)));
    unpackStream(words.data(), bits, codes);
    return {};
}

Result<void> packGptqWeight(std::span<const uint8_t> codes, size_t out, size_t in, int bits,
                            std::span<uint32_t> words) {
    QS_CHECK(checkWeight(codes.size(), out, in, bits, words.size()));
    QS_CHECK(checkCodes(codes, bits));
    for (size_t block = 0; block < in / kBlock; ++block) {
        uint32_t* rows = words.data() + block * size_t(bits) * out;
        for (size_t n = 0; n < out; ++n) {
            std::array<uint32_t, 8> packed{};
            packBlock(codes.data() + n * in + block * kBlock, kBlock, bits, packed.data());
            for (int w = 0; w < bits; ++w)
                rows[size_t(w) * out + n] = packed[size_t(w)];
        }
    }
    return {};
}

Result<void> unpackGptqWeight(std::span<const uint32_t> words, size_t out, size_t in, int bits,
                              std::span<uint8_t> codes) {
    QS_CHECK(checkWeight(codes.size(), out, in, bits, words.size()));
    for (size_t block = 0; block < in / kBlock; ++block) {
        const uint32_t* rows = words.data() + block * size_t(bits) * out;
        for (size_t n = 0; n < out; ++n) {
            std::array<uint32_t, 8> packed{};
            for (int w = 0; w < bits; ++w)
                packed[size_t(w)] = rows[size_t(w) * out + n];
            unpackBlock(packed.data(), kBlock, bits, codes.data() + n * in + block * kBlock);
        }
    }
    return {};
}

Result<void> packGptqZeros(std::span<const uint8_t> fields, size_t groups, size_t out, int bits,
                           std::span<uint32_t> words) {
    QS_CHECK(checkZeros(fields.size(), groups, out, bits, words.size()));
    QS_CHECK(checkCodes(fields, bits));
    for (size_t g = 0; g < groups; ++g)
        packStream(fields.subspan(g * out, out), bits, words.data() + g * packedWords(out, bits));
    return {};
}

Result<void> unpackGptqZeros(std::span<const uint32_t> words, size_t groups, size_t out, int bits,
                             std::span<uint8_t> fields) {
    QS_CHECK(checkZeros(fields.size(), groups, out, bits, words.size()));
    for (size_t g = 0; g < groups; ++g)
        unpackStream(words.data() + g * packedWords(out, bits), bits, fields.subspan(g * out, out));
    return {};
}

} // namespace qs
