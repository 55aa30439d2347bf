// SPDX-License-Identifier: Apache-2.0
#include "core/tensor/dtype.h"

#include "core/tensor/convert.h"

#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace qs {

static_assert(std::endian::native == std::endian::little,
              "stored tensors are little endian and read in place");

namespace {

constexpr DTypeInfo kTypes[] = {
    {DType::F32, "F32", 32, true},       {DType::F16, "F16", 16, true},
    {DType::BF16, "BF16", 16, true},     {DType::F64, "F64", 64, true},
    {DType::I8, "I8", 8, false},         {DType::U8, "U8", 8, false},
    {DType::I16, "I16", 16, false},      {DType::U16, "U16", 16, false},
    {DType::I32, "I32", 32, false},      {DType::U32, "U32", 32, false},
    {DType::I64, "I64", 64, false},      {DType::U64, "U64", 64, false},
    {DType::Bool, "BOOL", 8, false},     {DType::F8E4M3, "F8_E4M3", 8, true},
    {DType::F8E5M2, "F8_E5M2", 8, true}, {DType::F8E8M0, "F8_E8M0", 8, true},
};

constexpr bool tableInEnumOrder() {
    int i = 0;
    for (const DTypeInfo& t : kTypes)
        if (int(t.type) != i++) return false;
    return true;
}
static_assert(tableInEnumOrder());

Result<void> checkSize(DType type, size_t bytes, size_t elements) {
    const size_t size = size_t(dtypeInfo(type).bits) / 8;
    if (bytes % size == 0 && bytes / size == elements) return {};
    return Error::invalid(fmt::format("{} elements of {} take {} bytes each, got a buffer of {} bytes",
                                      elements, dtypeInfo(type).name, size, bytes));
}

void doublesToFloats(const std::byte* in, std::span<float> out) {
    for (float& f : out) {
        double d;
        std::memcpy(&d, in, sizeof d);
        f = static_cast<float>(d);
        in += sizeof d;
    }
}

} // namespace

const DTypeInfo& dtypeInfo(DType type) {
    return kTypes[size_t(type)];
}

Result<DType> dtypeFromName(std::string_view name) {
    for (const DTypeInfo& t : kTypes)
        if (t.name == name) return t.type;
    std::string known;
    for (const DTypeInfo& t : kTypes)
        known += (known.empty() ? "" : ", ") + std::string(t.name);
    return Error::unsupported(fmt::format("unknown dtype '{}'; known: {}", name, known));
}

bool convertibleToFloat(DType type) {
    return type == DType::F32 || type == DType::F16 || type == DType::BF16 || type == DType::F64;
}

float halfToFloat(uint16_t bits) {
    const uint32_t sign = uint32_t(bits & 0x8000u) << 16;
    const uint32_t em = bits & 0x7FFFu;
    uint32_t out = 0;
    if (em >= 0x7C00u)
        out = (em << 13) | 0x7F800000u;
    else if (em >= 0x0400u)
        out = (em << 13) + (112u << 23);
    else
        out = std::bit_cast<uint32_t>(float(int(em)) * 0x1p-24f);
    return std::bit_cast<float>(out | sign);
}

uint16_t floatToHalf(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t abs = bits & 0x7FFFFFFFu;
    uint32_t out = 0;
    if (abs > 0x7F800000u) {
        const uint32_t payload = (abs >> 13) & 0x03FFu;
        out = 0x7C00u | (payload ? payload : 0x0200u);
    } else if (abs >= 0x47800000u) {
        out = 0x7C00u; // 65536 and above; 65520 up to there carries into infinity below
    } else if (abs >= 0x38800000u) {
        out = (abs + 0xC8000FFFu + ((abs >> 13) & 1u)) >> 13;
    } else {
        // Below 2^-14 the result counts units of 2^-24, which is what adding 0.5 leaves in the mantissa.
        out = std::bit_cast<uint32_t>(std::bit_cast<float>(abs) + 0.5f) - 0x3F000000u;
    }
    return uint16_t(out | sign);
}

float bfloatToFloat(uint16_t bits) {
    return std::bit_cast<float>(uint32_t(bits) << 16);
}

uint16_t floatToBfloat(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint32_t top = bits >> 16;
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return uint16_t((top & 0x7Fu) ? top : top | 0x40u);
    return uint16_t((bits + 0x7FFFu + (top & 1u)) >> 16);
}

Result<void> toFloat(DType type, std::span<const std::byte> bytes, std::span<float> out) {
    if (!convertibleToFloat(type))
        return Error::unsupported(
            fmt::format("{} values have no plain conversion to float32", dtypeInfo(type).name));
    QS_CHECK(checkSize(type, bytes.size(), out.size()));
    if (out.empty()) return {};
    switch (type) {
    case DType::F16:
        halfToFloatBulk(bytes.data(), out.data(), out.size());
        break;
    case DType::BF16:
        bfloatToFloatBulk(bytes.data(), out.data(), out.size());
        break;
    case DType::F64:
        doublesToFloats(bytes.data(), out);
        break;
    default:
        std::memcpy(out.data(), bytes.data(), bytes.size());
        break;
    }
    return {};
}

Result<void> fromFloat(std::span<const float> in, DType type, std::span<std::byte> out) {
    if (type != DType::F32 && type != DType::F16 && type != DType::BF16)
        return Error::unsupported(
            fmt::format("float32 is stored as F32, F16 or BF16, not as {}", dtypeInfo(type).name));
    QS_CHECK(checkSize(type, out.size(), in.size()));
    if (in.empty()) return {};
    switch (type) {
    case DType::F16:
        floatToHalfBulk(in.data(), out.data(), in.size());
        break;
    case DType::BF16:
        floatToBfloatBulk(in.data(), out.data(), in.size());
        break;
    default:
        std::memcpy(out.data(), in.data(), out.size());
        break;
    }
    return {};
}

} // namespace qs
