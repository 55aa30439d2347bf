// SPDX-License-Identifier: Apache-2.0
// AutoGPTQ and GPTQModel. Per module X, with N outputs, K inputs, b bits and G groups:
//   X.qweight I32 [K*b/32, N]   codes along K, least significant bit first
//   X.qzeros  I32 [G, N*b/32]   zero points along N; checkpoint_format "gptq" (v1) stores zero - 1, "gptq_v2"
//                               stores zero
//   X.scales  F16 [G, N]
//   X.g_idx   I32 [K]           group of each input; optional, then k / group size
// W[n, k] = (code[n, k] - zero[g(k), n]) * scale[g(k), n].
#include "core/codec/packing.h"
#include "core/model/packed/grouped_linear.h"
#include "core/model/packed/layouts.h"

#include <fmt/format.h>

namespace qs {

namespace {

struct GptqParts {
    size_t qweight = Checkpoint::npos, qzeros = Checkpoint::npos, scales = Checkpoint::npos,
           groupIndex = Checkpoint::npos; ///< npos when there is no X.g_idx
    bool zeroMinusOne = true;
};

class GptqLinear final : public GroupedLinear {
public:
    GptqLinear(const Checkpoint& checkpoint, PackedInfo info, const GptqParts& parts)
        : GroupedLinear(checkpoint, std::move(info)), parts_(parts) {}

protected:
    Result<void> unpackCodes(size_t firstRow, MatrixViewT<int16_t> out) const override {
        QS_TRY(const auto bytes, checkpoint_.rawBytes(parts_.qweight));
        const size_t words = packedWords(info_.in, info_.bits);
        // Row n of the weight is column n of the words: gather a band of columns, word row by word row.
        MatrixT<uint32_t> streams(out.rows, words);
        for (size_t w = 0; w < words; ++w)
            for (size_t r = 0; r < out.rows; ++r)
                streams(r, w) = wordAt(bytes, w * info_.out + firstRow + r);
        std::vector<uint8_t> fields(info_.in);
        for (size_t r = 0; r < out.rows; ++r) {
            QS_CHECK(unpackFields({streams.row(r), words}, info_.bits, fields));
            std::copy(fields.begin(), fields.end(), out.row(r));
        }
        return {};
    }

    Result<PackedScales> readScales(size_t first, size_t count) const override {
        PackedScales s;
        s.scale = Matrix(count, info_.groups);
        s.zero = Matrix(count, info_.groups);
        QS_TRY(const auto zeros, checkpoint_.rawBytes(parts_.qzeros));
        const size_t words = packedWords(info_.out, info_.bits);
        std::vector<float> row(count);
        for (size_t g = 0; g < info_.groups; ++g) {
            QS_CHECK(readScaleValues(checkpoint_, parts_.scales, g * info_.out + first, row));
            for (size_t r = 0; r < count; ++r) {
                s.scale(r, g) = row[r];
                // Adding one does not wrap, as in vLLM.
                s.zero(r, g) = float(fieldAt(zeros, g * words, 1, first + r, info_.bits)) +
                               (parts_.zeroMinusOne ? 1.0f : 0.0f);
            }
        }
        if (parts_.groupIndex != Checkpoint::npos) {
            QS_TRY(s.groupOfColumn, readGroupIndex(checkpoint_, parts_.groupIndex, info_));
        }
        return s;
    }

private:
    GptqParts parts_;
};

/// Bits and logical shape from the shapes of the parts.
Result<void> deriveShape(const PackedParts& parts, const GptqParts& p, PackedInfo& info) {
    QS_CHECK(parts.check(p.qweight, parts.tensor(p.qweight).dtype == DType::I32, "I32"));
    QS_CHECK(parts.check(p.qzeros, parts.tensor(p.qzeros).dtype == DType::I32, "I32"));
    QS_CHECK(parts.check(p.scales, isScaleType(parts.tensor(p.scales).dtype), "F16, BF16 or F32"));
    const auto& weight = parts.tensor(p.qweight).shape;
    const auto& zeros = parts.tensor(p.qzeros).shape;
    const auto& scales = parts.tensor(p.scales).shape;
    info.out = info.scaleRows = size_t(weight[1]);
    info.groups = size_t(scales[0]);
    if (scales[1] != info.out || zeros[0] != info.groups)
        return Error::corrupt(fmt::format("qweight {}, qzeros {} and scales {} do not fit together",
                                          parts.describe(p.qweight), parts.describe(p.qzeros),
                                          parts.describe(p.scales)),
                              parts.module());
    const uint64_t zeroBits = zeros[1] * 32;
    info.bits = zeroBits % info.out == 0 && zeroBits / info.out <= 8 ? int(zeroBits / info.out) : 0;
    if (info.bits != 2 && info.bits != 3 && info.bits != 4 && info.bits != 8)
        return Error::corrupt(
            fmt::format("qzeros {} and scales {} give no width of 2, 3, 4 or 8 bits (outputs must be a "
                        "multiple of 32)",
                        parts.describe(p.qzeros), parts.describe(p.scales)),
            parts.module());
    const uint64_t weightBits = weight[0] * 32;
    info.in = size_t(weightBits / uint64_t(info.bits));
    QS_CHECK(parts.check(
        p.qweight, weightBits % uint64_t(info.bits) == 0 && info.in % 32 == 0 && info.out % 32 == 0,
        fmt::format("of a weight whose dimensions are multiples of 32 at {} bits", info.bits)));
    QS_CHECK(parts.check(p.scales, info.groups <= info.in,
                         fmt::format("of at most {} groups, one per input", info.in)));
    return {};
}

Result<void> checkAgainstSettings(const PackedParts& parts, const GptqSettings::Grid& grid,
                                  const std::string& where, PackedInfo& info) {
    if (info.bits != grid.bits)
        return Error::corrupt(fmt::format("its shapes say {} bits, {} says {}", info.bits, where, grid.bits),
                              parts.module());
    info.groupSize = grid.groupSize <= 0 ? info.in : size_t(std::min<long long>(grid.groupSize, info.in));
    if ((info.in + info.groupSize - 1) / info.groupSize != info.groups)
        return Error::corrupt(fmt::format("{} groups for {} inputs, but {} says group_size {}", info.groups,
                                          info.in, where, grid.groupSize),
                              parts.module());
    return {};
}

} // namespace

PackedResult openGptq(const PackedParts& parts, const PackedSettings& all) {
    QS_TRY(const GptqSettings* settings, settingsFor<GptqSettings>(parts, all, "X.qweight"));
    GptqParts p;
    p.zeroMinusOne = settings->zeroMinusOne;
    PackedInfo info;
    info.module = parts.module();
    info.layout = "gptq";
    QS_TRY(p.qweight, parts.require("qweight", 2));
    QS_TRY(p.qzeros, parts.require("qzeros", 2));
    QS_TRY(p.scales, parts.require("scales", 2));
    for (size_t part : {p.qweight, p.qzeros, p.scales})
        parts.add(info, part);
    QS_CHECK(deriveShape(parts, p, info));
    QS_TRY(const GptqSettings::Grid grid, settings->gridOf(parts.module(), all.where));
    QS_CHECK(checkAgainstSettings(parts, grid, all.where, info));
    if (parts.has("g_idx")) {
        QS_TRY(p.groupIndex, parts.require("g_idx", 1));
        const TensorInfo& index = parts.tensor(p.groupIndex);
        QS_CHECK(parts.check(p.groupIndex, index.dtype == DType::I32 && index.shape[0] == info.in,
                             fmt::format("I32 [{}]", info.in)));
        parts.add(info, p.groupIndex);
    }
    nameIntegers(info, "GPTQ", grid.groupSize > 0 ? grid.groupSize : -1, grid.symmetric);
    return std::make_unique<GptqLinear>(parts.checkpoint(), std::move(info), p);
}

} // namespace qs
