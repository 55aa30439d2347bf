// SPDX-License-Identifier: Apache-2.0
#include "core/tensor/ggml_blocks.h"

#include "core/tensor/ggml_kernels.h"

#include <fmt/format.h>

namespace qs {

namespace {

using Block = void (*)(const std::byte*, float*);

template<Block block, uint32_t elements, uint32_t bytes>
void manyBlocks(const std::byte* in, size_t blocks, float* out) {
    for (size_t i = 0; i < blocks; ++i)
        block(in + i * bytes, out + i * elements);
}

constexpr GgmlType plain(uint32_t id, std::string_view name, uint32_t bytes, DType type) {
    return {id, name, 1, bytes, type, {}, nullptr};
}

template<Block block, uint32_t elements, uint32_t bytes>
constexpr GgmlType blocked(uint32_t id, std::string_view name) {
    return {id, name, elements, bytes, std::nullopt, {}, manyBlocks<block, elements, bytes>};
}

// Their values come out of tables of several hundred lattice points chosen by search; the tables are part of
// ggml's source and follow from no rule.
constexpr GgmlType grid(uint32_t id, std::string_view name, uint32_t bytes) {
    return {id,     name,         256,
            bytes,  std::nullopt, "its values come from ggml's lookup grids, which are not built in",
            nullptr};
}

constexpr GgmlType kTypes[] = {
    plain(0, "F32", 4, DType::F32),
    plain(1, "F16", 2, DType::F16),
    blocked<ggml::q4_0, 32, 18>(2, "Q4_0"),
    blocked<ggml::q4_1, 32, 20>(3, "Q4_1"),
    blocked<ggml::q5_0, 32, 22>(6, "Q5_0"),
    blocked<ggml::q5_1, 32, 24>(7, "Q5_1"),
    blocked<ggml::q8_0, 32, 34>(8, "Q8_0"),
    blocked<ggml::q2_k, 256, 84>(10, "Q2_K"),
    blocked<ggml::q3_k, 256, 110>(11, "Q3_K"),
    blocked<ggml::q4_k, 256, 144>(12, "Q4_K"),
    blocked<ggml::q5_k, 256, 176>(13, "Q5_K"),
    blocked<ggml::q6_k, 256, 210>(14, "Q6_K"),
    grid(16, "IQ2_XXS", 66),
    grid(17, "IQ2_XS", 74),
    grid(18, "IQ3_XXS", 98),
    grid(19, "IQ1_S", 50),
    blocked<ggml::iq4_nl, 32, 18>(20, "IQ4_NL"),
    grid(21, "IQ3_S", 110),
    grid(22, "IQ2_S", 82),
    blocked<ggml::iq4_xs, 256, 136>(23, "IQ4_XS"),
    plain(24, "I8", 1, DType::I8),
    plain(25, "I16", 2, DType::I16),
    plain(26, "I32", 4, DType::I32),
    plain(27, "I64", 8, DType::I64),
    plain(28, "F64", 8, DType::F64),
    grid(29, "IQ1_M", 56),
    plain(30, "BF16", 2, DType::BF16),
    blocked<ggml::tq1_0, 256, 54>(34, "TQ1_0"),
    blocked<ggml::tq2_0, 256, 66>(35, "TQ2_0"),
    blocked<ggml::mxfp4, 32, 17>(39, "MXFP4"),
    blocked<ggml::nvfp4, 64, 36>(40, "NVFP4"),
    blocked<ggml::q1_0, 128, 18>(41, "Q1_0"),
    blocked<ggml::q2_0, 64, 18>(42, "Q2_0"),
};

} // namespace

std::span<const GgmlType> ggmlTypes() {
    return kTypes;
}

const GgmlType* ggmlType(uint32_t id) {
    for (const GgmlType& t : kTypes)
        if (t.id == id) return &t;
    return nullptr;
}

Result<void> ggmlToFloat(const GgmlType& type, std::span<const std::byte> bytes, std::span<float> out) {
    if (type.plain) return toFloat(*type.plain, bytes, out);
    if (!type.dequantize)
        return Error::unsupported(fmt::format("{} cannot be dequantized: {}", type.name, type.notReadable));
    const size_t blocks = out.size() / type.elements;
    if (out.size() % type.elements != 0 || bytes.size() % type.bytes != 0 ||
        bytes.size() / type.bytes != blocks)
        return Error::invalid(
            fmt::format("{} values of {} do not fill blocks of {} values in {} bytes, or not {} bytes",
                        out.size(), type.name, type.elements, type.bytes, bytes.size()));
    type.dequantize(bytes.data(), blocks, out.data());
    return {};
}

} // namespace qs
