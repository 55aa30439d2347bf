// SPDX-License-Identifier: Apache-2.0
#include "core/export/gguf_blocks.h"

#include "core/codec/ggml_encode.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kBlock = 32;

/// A legacy type as a grid of integers.
struct LegacyType {
    std::string_view name;
    int bits;
    bool symmetric; ///< zero point 2^(bits - 1), no minimum
};
constexpr LegacyType kLegacy[] = {
    {"Q4_0", 4, true}, {"Q4_1", 4, false}, {"Q5_0", 5, true}, {"Q5_1", 5, false}, {"Q8_0", 8, true}};

const GgmlType* typeNamed(std::string_view name) {
    for (const GgmlType& t : ggmlTypes())
        if (t.name == name) return &t;
    return nullptr;
}

const LegacyType* legacyOf(int bits, bool symmetric) {
    for (const LegacyType& t : kLegacy)
        if (t.bits == bits && t.symmetric == symmetric) return &t;
    return nullptr;
}

/// The bits of an f16 that is exactly `value`.
std::optional<uint16_t> exactHalf(float value) {
    const uint16_t bits = floatToHalf(value);
    return std::isfinite(halfToFloat(bits)) && halfToFloat(bits) == value ? std::optional(bits)
                                                                          : std::nullopt;
}

template<class T>
std::byte* put(std::byte* out, T value) {
    std::memcpy(out, &value, sizeof value);
    return out + sizeof value;
}

/// 4 bits each: element e in the low half of byte e, element e + 16 in the high half. The fifth bits lie
/// before them in a word of their own.
void putCodes(const LegacyType& type, const uint8_t* codes, std::byte* out) {
    if (type.bits == 8) {
        for (size_t e = 0; e < kBlock; ++e)
            out[e] = std::byte(uint8_t(codes[e] - 128));
        return;
    }
    if (type.bits == 5) {
        uint32_t high = 0;
        for (size_t e = 0; e < kBlock; ++e)
            high |= uint32_t(codes[e] >> 4 & 1) << e;
        out = put(out, high);
    }
    for (size_t e = 0; e < kBlock / 2; ++e)
        out[e] = std::byte(uint8_t((codes[e] & 15) | (codes[e + kBlock / 2] & 15) << 4));
}

class LegacyPacker {
public:
    LegacyPacker(const QuantizedTensor& q, const LegacyType& type, const GgmlType& blocks)
        : q_(q), type_(type), blockBytes_(blocks.bytes) {}

    Result<void> pack(std::span<std::byte> out) const {
        QS_CHECK(checkGroups());
        std::byte* to = out.data();
        for (size_t r = 0; r < q_.rows; ++r)
            for (size_t c = 0; c < q_.cols; c += kBlock, to += blockBytes_)
                QS_CHECK(packBlock(r, c, to));
        return {};
    }

private:
    Result<void> checkGroups() const {
        for (size_t c = 0; c < q_.cols; ++c)
            if (q_.groupOf(c) != q_.groupOf(c / kBlock * kBlock))
                return Error::unsupported(fmt::format(
                    "columns {} and {} of one block are in groups {} and {}: GGUF has no group "
                    "index; quantize without act-order, or with static groups of a multiple of "
                    "{} columns",
                    c / kBlock * kBlock, c, q_.groupOf(c / kBlock * kBlock), q_.groupOf(c), kBlock));
        return {};
    }

    Result<void> packBlock(size_t row, size_t col, std::byte* out) const {
        const size_t group = q_.groupOf(col), r = q_.layout.scaleRows == 1 ? 0 : row;
        const float scale = q_.scale(r, group), zero = q_.zero(r, group);
        const auto refuse = [&](std::string what) {
            return Error::unsupported(fmt::format("row {}, group {}: {}, so {} cannot hold it exactly: "
                                                  "quantize with the codec ggml",
                                                  row, group, what, type_.name));
        };
        const auto d = exactHalf(scale);
        if (!d) return refuse(fmt::format("the scale {} is not an f16 value", scale));
        out = put(out, *d);
        if (type_.symmetric) {
            if (zero != float(1 << (type_.bits - 1)))
                return refuse(fmt::format("the zero point {} is not {}", zero, 1 << (type_.bits - 1)));
        } else {
            const auto m = exactHalf(-scale * zero);
            if (!m) return refuse(fmt::format("the minimum -{} * {} is not an f16 value", scale, zero));
            out = put(out, *m);
        }
        putCodes(type_, q_.codes.data() + row * q_.cols + col, out);
        return {};
    }

    const QuantizedTensor& q_;
    const LegacyType& type_;
    size_t blockBytes_;
};

} // namespace

Result<const GgmlType*> ggufTypeOf(const Scheme& scheme) {
    if (scheme.codec == "ggml") return ggmlTypeOf(scheme.codecParams);
    if (scheme.codec != "int")
        return Error::unsupported(fmt::format("the codec {} has no block type in GGUF", scheme.codec));
    QS_TRY(const auto codec, createCodec(scheme.codec, scheme.codecParams));
    const LegacyType* type = legacyOf(codec->bits(), codec->symmetric());
    if (!type)
        return Error::unsupported(
            fmt::format("{} has no block type in GGUF: symmetric integers of 4, 5 or 8 bits have (Q4_0, "
                        "Q5_0, Q8_0), the codec ggml offers the others",
                        codec->label()));
    return typeNamed(type->name);
}

Result<void> ggufBlocks(const QuantizedTensor& q, const GgmlType& type, std::span<std::byte> out) {
    if (q.cols % type.elements != 0 || out.size() != q.rows * (q.cols / type.elements) * type.bytes)
        return Error::internal(
            fmt::format("{} bytes for [{}, {}] in {}", out.size(), q.rows, q.cols, type.name));
    if (q.codec == "ggml") {
        QS_TRY(const auto blocks, ggmlBlocks(q, 0, q.rows));
        if (blocks.size() != out.size())
            return Error::internal(fmt::format("{} bytes of blocks, {} planned", blocks.size(), out.size()));
        std::memcpy(out.data(), blocks.data(), out.size());
        return {};
    }
    for (const LegacyType& t : kLegacy)
        if (t.name == type.name) return LegacyPacker(q, t, type).pack(out);
    return Error::internal(fmt::format("{} does not hold codes of the codec {}", type.name, q.codec));
}

} // namespace qs
