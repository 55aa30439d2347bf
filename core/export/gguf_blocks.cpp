// SPDX-License-Identifier: Apache-2.0
#include "core/export/gguf_blocks.h"

#include "core/codec/ggml_encode.h"
#include "core/store/quantized_group.h"

#include <array>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

/// The type whose blocks of 32 hold such integers; nullptr when there is none.
const GgmlGrid* gridOf(const Codec& integers) {
    for (const GgmlGrid& g : ggmlGrids())
        if (g.block == 32 && !g.table && g.bits == integers.bits() && g.offset != integers.symmetric())
            return &g;
    return nullptr;
}

/// A tensor of the codec ggml, of the shape of `q`, without codes.
Result<QuantizedTensor> emptyBlocks(const GgmlGrid& grid, const QuantizedTensor& q) {
    const CodecDescriptor* ggml = *findCodec("ggml");
    QS_TRY(const Params params,
           Params::fromJson(ggml->params, {{"type", std::string(grid.id)}}, "codec ggml"));
    QS_TRY(const auto codec, ggml->create(params));
    return emptyQuantizedTensor(*codec, q.rows, q.cols);
}

/// Columns of one block share their parameters.
Result<void> checkGroups(const QuantizedTensor& q, size_t block) {
    for (size_t c = 0; c < q.cols; ++c) {
        const size_t first = c / block * block;
        if (q.groupOf(c) != q.groupOf(first))
            return Error::unsupported(fmt::format(
                "columns {} and {} of one block are in groups {} and {}: GGUF has no group index; "
                "quantize without act-order, or with static groups of a multiple of {} columns",
                first, c, q.groupOf(first), q.groupOf(c), block));
    }
    return {};
}

/// Integers as a tensor of the codec ggml with the same values and a scale per block: s (q - z) = s q - s z.
class IntegersAsBlocks {
public:
    IntegersAsBlocks(const QuantizedTensor& q, const GgmlGrid& grid) : q_(q), grid_(grid) {}

    Result<QuantizedTensor> make() const {
        QS_TRY(QuantizedTensor out, emptyBlocks(grid_, q_));
        QS_CHECK(checkGroups(q_, grid_.block));
        for (size_t r = 0; r < q_.rows; ++r)
            for (size_t b = 0; b < out.layout.groups; ++b)
                QS_CHECK(convert(r, b, out));
        out.codes = q_.codes;
        return out;
    }

private:
    Result<void> convert(size_t row, size_t block, QuantizedTensor& out) const {
        const size_t group = q_.groupOf(block * grid_.block), r = q_.parameterRow(row);
        const float scale = q_.scale(r, group), zero = q_.zero(r, group);
        const auto refuse = [&](std::string what) {
            return Error::unsupported(fmt::format("row {}, group {}: {}, so {} cannot hold it exactly: "
                                                  "quantize with the codec ggml",
                                                  row, group, what, grid_.name()));
        };
        if (!isHalf(scale)) return refuse(fmt::format("the scale {} is not an f16 value", scale));
        out.scale(row, block) = scale;
        if (!grid_.offset) {
            if (zero == float(grid_.centre)) return {};
            return refuse(fmt::format("the zero point {} is not {}", zero, grid_.centre));
        }
        if (!isHalf(-scale * zero))
            return refuse(fmt::format("the minimum -{} * {} is not an f16 value", scale, zero));
        out.zero(row, block) = scale * zero;
        return {};
    }

    const QuantizedTensor& q_;
    const GgmlGrid& grid_;
};

const GgmlType& mxfp4() {
    return ggmlGrid("mxfp4")->ggml();
}

bool isMxfp4(const Codec& codec) {
    return codec.id() == "mx" && codec.params().choice("format") == "mxfp4";
}

/// MXFP4 of the codec mx as a tensor of the codec ggml. ggml's table has the values doubled, so its scales
/// are half of those; of its two zeros the positive one.
Result<QuantizedTensor> mxfp4AsBlocks(const QuantizedTensor& q, const Codec& codec) {
    const GgmlGrid& grid = *ggmlGrid("mxfp4");
    QS_CHECK(checkGroups(q, grid.block));
    QS_TRY(QuantizedTensor out, emptyBlocks(grid, q));
    std::array<uint8_t, 256> codeOf{};
    for (int i = 0; i < codec.levels(); ++i)
        codeOf[size_t(i)] = grid.nearest(2 * codec.decode(uint8_t(i), 1, 0));
    out.codes.resize(q.codes.size());
    for (size_t i = 0; i < q.codes.size(); ++i)
        out.codes[i] = codeOf[q.codes[i]];
    for (size_t r = 0; r < q.rows; ++r)
        for (size_t b = 0; b < out.layout.groups; ++b)
            out.scale(r, b) = q.scale(r, q.groupOf(b * grid.block)) / 2;
    return out;
}

} // namespace

Result<const GgmlType*> ggufTypeOf(const Scheme& scheme) {
    if (scheme.codec == "ggml") return ggmlTypeOf(scheme.codecParams);
    QS_TRY(const auto codec, createCodec(scheme.codec, scheme.codecParams));
    if (isMxfp4(*codec)) return &mxfp4();
    if (scheme.codec != "int")
        return Error::unsupported(fmt::format("{} has no block type in GGUF", codec->label()));
    if (const GgmlGrid* grid = gridOf(*codec)) return &grid->ggml();
    return Error::unsupported(
        fmt::format("{} has no block type in GGUF: symmetric integers of 4, 5 or 8 bits have (Q4_0, "
                    "Q5_0, Q8_0), the codec ggml offers the others",
                    codec->label()));
}

Result<void> ggufBlocks(const QuantizedTensor& q, const GgmlType& type, std::span<std::byte> out) {
    if (!q.extras.empty())
        return Error::unsupported("GGUF's blocks have no place for what the run keeps beside the codes");
    if (q.codec != "ggml") {
        QS_TRY(const auto codec, codecOf(q));
        if (isMxfp4(*codec) && type.id == mxfp4().id) {
            QS_TRY(const QuantizedTensor blocks, mxfp4AsBlocks(q, *codec));
            return ggufBlocks(blocks, type, out);
        }
        const GgmlGrid* grid = gridOf(*codec);
        if (!grid || grid->type != type.id)
            return Error::internal(fmt::format("{} does not hold codes of the codec {}", type.name, q.codec));
        QS_TRY(const QuantizedTensor blocks, IntegersAsBlocks(q, *grid).make());
        return ggufBlocks(blocks, type, out);
    }
    QS_TRY(const auto blocks, ggmlBlocks(q, 0, q.rows));
    if (blocks.size() != out.size())
        return Error::internal(fmt::format("{} bytes of blocks, {} planned", blocks.size(), out.size()));
    std::memcpy(out.data(), blocks.data(), out.size());
    return {};
}

} // namespace qs
