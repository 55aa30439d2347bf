// SPDX-License-Identifier: Apache-2.0
// compressed-tensors "pack-quantized", integers of 1 to 8 bits. Per module X, with N outputs and K inputs:
//   X.weight_packed     I32 [N, W]   codes + 2^(b-1) along K, least significant bit first. Since 0.17 one
//   dense
//                                    stream, W = ceil(K*b/32); before, floor(32/b) codes a word, the rest
//                                    unused
//   X.weight_shape      I64 [2]      N, K
//   X.weight_scale      [N, G]       or one per channel or tensor
//   X.weight_zero_point I32          asymmetric: zero + 2^(b-1), packed along N as codes are along K;
//                       I8 [N, G]    of per-tensor scales and of old files
//   X.weight_g_idx      I32 [K]      group of each input (activation order)
// W[n, k] = (code - zero) * scale.
#include "core/codec/packing.h"
#include "core/model/packed/grouped_linear.h"
#include "core/model/packed/layouts.h"

#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

/// How fields lie in words.
struct FieldLayout {
    int bits = 0;
    bool dense = true;

    size_t words(size_t count) const {
        const size_t perWord = 32 / size_t(bits);
        return dense ? packedWords(count, bits) : (count + perWord - 1) / perWord;
    }
    uint8_t at(std::span<const std::byte> bytes, size_t first, size_t stride, size_t i) const {
        if (dense) return fieldAt(bytes, first, stride, i, bits);
        const size_t perWord = 32 / size_t(bits);
        return uint8_t(wordAt(bytes, first + i / perWord * stride) >> (i % perWord * size_t(bits)) &
                       ((1u << bits) - 1));
    }
};

struct CtPackParts {
    size_t packed = Checkpoint::npos, scale = Checkpoint::npos;
    size_t zero = Checkpoint::npos, groupIndex = Checkpoint::npos; ///< npos when absent
    FieldLayout fields;
};

class CtPackLinear final : public GroupedLinear {
public:
    CtPackLinear(const Checkpoint& checkpoint, PackedInfo info, const CtPackParts& parts)
        : GroupedLinear(checkpoint, std::move(info)), parts_(parts) {}

protected:
    Result<void> unpackCodes(size_t firstRow, MatrixViewT<int16_t> out) const override {
        QS_TRY(const auto bytes, checkpoint_.rawBytes(parts_.packed));
        const size_t words = parts_.fields.words(info_.in);
        for (size_t r = 0; r < out.rows; ++r)
            for (size_t k = 0; k < info_.in; ++k)
                out(r, k) = parts_.fields.at(bytes, (firstRow + r) * words, 1, k);
        return {};
    }

    Result<PackedScales> readScales(size_t first, size_t count) const override {
        PackedScales s;
        QS_TRY(s.scale, readGridRows(checkpoint_, parts_.scale, info_, first, count));
        QS_TRY(s.zero, readZeros(first, count));
        if (parts_.groupIndex != Checkpoint::npos) {
            QS_TRY(s.groupOfColumn, readGroupIndex(checkpoint_, parts_.groupIndex, info_));
        }
        return s;
    }

private:
    /// As fields: the middle of the range for a symmetric grid.
    Result<Matrix> readZeros(size_t first, size_t count) const {
        const float middle = float(1 << (info_.bits - 1));
        Matrix zero(count, info_.groups);
        std::fill(zero.span().begin(), zero.span().end(), middle);
        if (parts_.zero == Checkpoint::npos) return zero;
        QS_TRY(const auto bytes, checkpoint_.rawBytes(parts_.zero));
        const bool packed = checkpoint_.tensors()[parts_.zero].dtype == DType::I32;
        for (size_t r = 0; r < count; ++r)
            for (size_t g = 0; g < info_.groups; ++g)
                zero(r, g) = packed ? float(parts_.fields.at(bytes, g, info_.groups, first + r))
                                    : middle + float(int8_t(bytes[(first + r) * info_.groups + g]));
        return zero;
    }

    CtPackParts parts_;
};

/// N and K as stored.
Result<std::array<size_t, 2>> readShape(const PackedParts& parts, size_t packed, PackedInfo& info) {
    QS_TRY(const size_t index, parts.require("weight_shape", 1));
    const TensorInfo& t = parts.tensor(index);
    const bool wide = t.dtype == DType::I64;
    QS_CHECK(parts.check(index, (wide || t.dtype == DType::I32) && t.shape[0] == 2, "I64 [2]"));
    QS_TRY(const auto bytes, parts.checkpoint().rawBytes(index));
    std::array<int64_t, 2> shape{};
    for (size_t i = 0; i < 2; ++i) {
        if (wide)
            std::memcpy(&shape[i], bytes.data() + 8 * i, 8);
        else
            shape[i] = int32_t(wordAt(bytes, i));
    }
    const size_t rows = size_t(parts.tensor(packed).shape[0]), words = size_t(parts.tensor(packed).shape[1]);
    // A code takes at least one bit, which bounds K before anything is computed with it.
    if (shape[0] != int64_t(rows) || shape[1] < 1 || uint64_t(shape[1]) > uint64_t(words) * 32)
        return Error::corrupt(
            fmt::format("says [{}, {}], but weight_packed is {}", shape[0], shape[1], parts.describe(packed)),
            t.name);
    parts.add(info, index);
    return std::array<size_t, 2>{rows, size_t(shape[1])};
}

/// The width of a row tells dense streams from padded ones. Where both are as wide but differ, the writer's
/// version decides.
Result<FieldLayout> fieldLayout(const PackedParts& parts, size_t packed, int bits, size_t in,
                                bool beforeDense) {
    const FieldLayout dense{bits, true}, padded{bits, false};
    const size_t words = size_t(parts.tensor(packed).shape[1]);
    const bool fitsDense = words == dense.words(in), fitsPadded = words == padded.words(in);
    if (fitsDense && fitsPadded) return beforeDense ? padded : dense;
    if (fitsDense) return dense;
    if (fitsPadded) return padded;
    return parts
        .check(packed, false,
               fmt::format("{} or (before 0.17) {} words wide for {} inputs at {} bits", dense.words(in),
                           padded.words(in), in, bits))
        .takeError();
}

Result<size_t> requireZeros(const PackedParts& parts, const FieldLayout& fields, const PackedInfo& info,
                            const ScaleGrid& grid) {
    QS_TRY(const size_t zero, parts.require("weight_zero_point"));
    const TensorInfo& t = parts.tensor(zero);
    const size_t words = fields.words(info.out);
    const bool packed = t.dtype == DType::I32 && info.scaleRows == info.out && t.shape.size() == 2 &&
                        t.shape[0] == words && t.shape[1] == info.groups;
    QS_CHECK(parts.check(zero, packed || (t.dtype == DType::I8 && grid.fits(t)),
                         fmt::format("I32 [{}, {}] or I8 {}", words, info.groups, grid.text())));
    return zero;
}

} // namespace

PackedResult openCtPack(const PackedParts& parts, const PackedSettings& all) {
    QS_TRY(const CtSettings::Group* group, ctGroup(parts, all, "I32 X.weight_packed", {"pack-quantized"}));
    const CtSettings::Weights& w = group->weights;
    if (w.floating || w.strategy == "block")
        return Error::corrupt(fmt::format("weight_packed holds integers, but {}.config_groups.{} says {}",
                                          all.where, group->name, w.floating ? "float" : "strategy block"),
                              parts.module());
    PackedInfo info;
    CtPackParts p;
    info.module = parts.module();
    info.layout = "ct_pack";
    info.bits = w.bits;
    QS_TRY(p.packed, parts.require("weight_packed", 2));
    parts.add(info, p.packed);
    QS_TRY(const auto shape, readShape(parts, p.packed, info));
    info.out = shape[0];
    info.in = shape[1];
    const bool beforeDense = std::get<CtSettings>(all.method).beforeDense;
    QS_TRY(p.fields, fieldLayout(parts, p.packed, w.bits, info.in, beforeDense));
    const ScaleGrid grid = ctGrid(w, info.out, info.in);
    grid.apply(info);
    QS_TRY(p.scale, requireCtScale(parts, grid, w));
    parts.add(info, p.scale);
    if (!w.symmetric) {
        QS_TRY(p.zero, requireZeros(parts, p.fields, info, grid));
        parts.add(info, p.zero);
    } else if (const size_t extra = parts.find("weight_zero_point"); extra != Checkpoint::npos) {
        return Error::corrupt(
            fmt::format("is there, but {}.config_groups.{} says symmetric", all.where, group->name),
            parts.tensor(extra).name);
    }
    if (parts.has("weight_g_idx")) {
        QS_TRY(p.groupIndex, parts.require("weight_g_idx", 1));
        const TensorInfo& index = parts.tensor(p.groupIndex);
        QS_CHECK(parts.check(p.groupIndex, index.dtype == DType::I32 && index.shape[0] == info.in,
                             fmt::format("I32 [{}]", info.in)));
        parts.add(info, p.groupIndex);
    }
    nameIntegers(info, "Compressed-tensors", ctGroupSize(w), w.symmetric);
    return std::make_unique<CtPackLinear>(parts.checkpoint(), std::move(info), p);
}

} // namespace qs
