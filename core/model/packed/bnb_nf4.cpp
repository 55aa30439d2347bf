// SPDX-License-Identifier: Apache-2.0
// bitsandbytes NF4. The weight [N, K] is taken row by row as one list of n = N*K values in blocks:
//   X.weight                                  U8 [ceil(n/2), 1], the first of two codes in the high nibble;
//   with
//                                             another bnb_4bit_quant_storage the same bytes under its type
//   X.weight.quant_map                        F32 [16]: the NF4 levels
//   X.weight.quant_state.bitsandbytes__nf4    U8: JSON with quant_type, blocksize, shape
//   X.weight.absmax                           F32 [blocks], or with double quantization U8 [blocks]:
//   X.weight.nested_absmax, nested_quant_map  F32 [ceil(blocks/nested_blocksize)], F32 [256]; JSON adds
//                                             nested_blocksize, nested_offset
// value i = NF4[code i] * absmax[i / blocksize];
// absmax[j] = nested_quant_map[code j] * nested_absmax[j / nested_blocksize] + nested_offset.
#include "core/model/packed/layouts.h"
#include "core/model/packed/settings_reader.h"
#include "core/tensor/small_float.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr uint64_t kMaxStateBytes = 65536;
constexpr size_t kMaxSide = size_t(1) << 40;

struct BnbParts {
    size_t weight = Checkpoint::npos, absmax = Checkpoint::npos;
    size_t nestedAbsmax = Checkpoint::npos; ///< npos without double quantization
    std::vector<float> levels;              ///< quant_map
    std::vector<float> nestedMap;           ///< [256]
    size_t nestedBlock = 256;
    float nestedOffset = 0;
};

class BnbLinear final : public PackedLinear {
public:
    BnbLinear(const Checkpoint& checkpoint, PackedInfo info, BnbParts parts)
        : PackedLinear(checkpoint, std::move(info)), parts_(std::move(parts)) {}

    Result<PackedScales> scales() const override {
        PackedScales s;
        s.scale = Matrix(1, info_.groups);
        QS_CHECK(readAbsmax(0, s.scale.span()));
        return s;
    }

protected:
    Result<void> unpackCodes(size_t firstRow, MatrixViewT<int16_t> out) const override {
        QS_TRY(const auto bytes, checkpoint_.rawBytes(parts_.weight));
        for (size_t r = 0; r < out.rows; ++r)
            for (size_t k = 0; k < info_.in; ++k)
                out(r, k) = codeAt(bytes, (firstRow + r) * info_.in + k);
        return {};
    }

    Result<void> unpackRows(size_t firstRow, MatrixView out) const override {
        QS_TRY(const auto bytes, checkpoint_.rawBytes(parts_.weight));
        const size_t begin = firstRow * info_.in, end = begin + out.size();
        const size_t firstBlock = begin / info_.groupSize;
        std::vector<float> absmax((end - 1) / info_.groupSize - firstBlock + 1);
        QS_CHECK(readAbsmax(firstBlock, absmax));
        for (size_t i = begin; i < end; ++i)
            out((i - begin) / info_.in, (i - begin) % info_.in) =
                parts_.levels[size_t(codeAt(bytes, i))] * absmax[i / info_.groupSize - firstBlock];
        return {};
    }

private:
    static int16_t codeAt(std::span<const std::byte> bytes, size_t i) {
        const unsigned pair = unsigned(bytes[i / 2]);
        return int16_t(i % 2 ? pair & 15 : pair >> 4);
    }

    Result<void> readAbsmax(size_t first, std::span<float> out) const {
        if (parts_.nestedAbsmax == Checkpoint::npos)
            return readScaleValues(checkpoint_, parts_.absmax, first, out);
        QS_TRY(const auto codes, checkpoint_.rawBytes(parts_.absmax));
        const size_t firstNested = first / parts_.nestedBlock;
        std::vector<float> nested((first + out.size() - 1) / parts_.nestedBlock - firstNested + 1);
        QS_CHECK(readScaleValues(checkpoint_, parts_.nestedAbsmax, firstNested, nested));
        for (size_t i = 0; i < out.size(); ++i) {
            out[i] = parts_.nestedMap[size_t(codes[first + i])] *
                         nested[(first + i) / parts_.nestedBlock - firstNested] +
                     parts_.nestedOffset;
            if (!std::isfinite(out[i]))
                return Error::corrupt(
                    fmt::format("the scale of block {} is {}, every scale must be finite", first + i, out[i]),
                    checkpoint_.tensors()[parts_.absmax].name);
        }
        return {};
    }

    BnbParts parts_;
};

/// A table of `count` finite floats.
Result<std::vector<float>> readTable(const PackedParts& parts, PackedInfo& info, const char* part,
                                     size_t count) {
    QS_TRY(const size_t index, parts.require(part));
    const TensorInfo& t = parts.tensor(index);
    QS_CHECK(
        parts.check(index, t.dtype == DType::F32 && t.elements() == count, fmt::format("F32 [{}]", count)));
    std::vector<float> values(count);
    QS_CHECK(readScaleValues(parts.checkpoint(), index, 0, values));
    parts.add(info, index);
    return values;
}

/// The fields of quant_state that are needed.
struct QuantState {
    size_t block = 0, nestedBlock = 256;
    std::array<size_t, 2> shape{};
    std::optional<double> nestedOffset;
};

Result<QuantState> readState(const PackedParts& parts, PackedInfo& info) {
    const std::string part = "weight.quant_state.bitsandbytes__nf4", where = parts.nameOf(part);
    QS_TRY(const size_t index, parts.require(part));
    const TensorInfo& t = parts.tensor(index);
    QS_CHECK(parts.check(index, t.dtype == DType::U8 && t.bytes <= kMaxStateBytes,
                         fmt::format("U8 of at most {} bytes", kMaxStateBytes)));
    QS_TRY(const auto bytes, parts.checkpoint().rawBytes(index));
    const auto* text = reinterpret_cast<const char*>(bytes.data());
    const auto json = SettingsReader::Json::parse(text, text + bytes.size(), nullptr, false);
    if (!json.is_object()) return Error::corrupt("must be a JSON object", where);
    parts.add(info, index);
    const SettingsReader r(json, where);
    QuantState s;
    QS_TRY(const std::string type, r.textOr("quant_type", ""));
    if (type != "nf4") return Error::corrupt("quant_type must be \"nf4\"", where);
    QS_TRY(const long long block, r.integer("blocksize", 1, 1 << 20));
    s.block = size_t(block);
    QS_TRY(const std::vector<size_t> shape, r.sizes("shape", 2, kMaxSide));
    s.shape = {shape[0], shape[1]};
    QS_TRY(const long long nested, r.integerOr("nested_blocksize", 1, 1 << 20, 256));
    s.nestedBlock = size_t(nested);
    if (r.has("nested_offset")) {
        QS_TRY(s.nestedOffset, r.number("nested_offset"));
    }
    return s;
}

/// Both dimensions come from the JSON: they must be those of the stored bytes before they are used.
Result<void> checkCounts(const PackedParts& parts, const BnbParts& p, PackedInfo& info) {
    const TensorInfo& weight = parts.tensor(p.weight);
    const uint64_t wordBytes = uint64_t(dtypeInfo(weight.dtype).bits) / 8;
    const bool possible = info.out <= weight.bytes * 2 / info.in; // so that the product cannot overflow
    const uint64_t codeBytes = possible ? (uint64_t(info.out) * info.in + 1) / 2 : 0;
    const uint64_t stored = (codeBytes + wordBytes - 1) / wordBytes * wordBytes;
    QS_CHECK(parts.check(
        p.weight, possible && stored == weight.bytes,
        fmt::format("two codes a byte for the shape [{}, {}] in quant_state", info.out, info.in)));
    const size_t blocks = (info.out * info.in + info.groupSize - 1) / info.groupSize;
    info.groups = blocks;
    QS_CHECK(parts.check(p.absmax, parts.tensor(p.absmax).elements() == blocks,
                         fmt::format("[{}], one for each block of {}", blocks, info.groupSize)));
    if (p.nestedAbsmax == Checkpoint::npos) return {};
    const size_t nested = (blocks + p.nestedBlock - 1) / p.nestedBlock;
    const TensorInfo& t = parts.tensor(p.nestedAbsmax);
    return parts.check(p.nestedAbsmax, t.dtype == DType::F32 && t.elements() == nested,
                       fmt::format("F32 [{}]", nested));
}

Result<void> readNested(const PackedParts& parts, const QuantState& state, PackedInfo& info, BnbParts& p) {
    QS_TRY(p.nestedAbsmax, parts.require("weight.nested_absmax"));
    parts.add(info, p.nestedAbsmax);
    QS_TRY(p.nestedMap, readTable(parts, info, "weight.nested_quant_map", 256));
    p.nestedBlock = state.nestedBlock;
    if (!state.nestedOffset)
        return Error::corrupt("absmax is quantized, but nested_offset is missing",
                              parts.nameOf("weight.quant_state.bitsandbytes__nf4"));
    p.nestedOffset = float(*state.nestedOffset);
    return {};
}

Result<void> requireNf4Levels(const PackedParts& parts, const std::vector<float>& levels) {
    for (size_t i = 0; i < levels.size(); ++i)
        if (!(std::fabs(levels[i] - kNf4Values[i]) <= 1e-6f))
            return Error::corrupt(fmt::format("level {} is {}, of NF4 it is {}", i, levels[i], kNf4Values[i]),
                                  parts.nameOf("weight.quant_map"));
    return {};
}

} // namespace

PackedResult openBnbNf4(const PackedParts& parts, const PackedSettings& all) {
    QS_TRY(const BnbSettings* settings, settingsFor<BnbSettings>(parts, all, "a 4-bit X.weight"));
    QS_CHECK(requireNotSkipped(parts, settings->skip, all, "llm_int8_skip_modules"));
    if (parts.has("weight.quant_state.bitsandbytes__fp4"))
        return Error::corrupt(fmt::format("is stored as fp4, but {}.bnb_4bit_quant_type says nf4", all.where),
                              parts.module());
    PackedInfo info;
    BnbParts p;
    info.module = parts.module();
    info.layout = "bnb_nf4";
    info.bits = 4;
    info.flattened = true;
    info.scaleRows = 1;
    QS_TRY(p.weight, parts.require("weight"));
    QS_TRY(p.absmax, parts.require("weight.absmax"));
    parts.add(info, p.weight);
    parts.add(info, p.absmax);
    QS_TRY(const QuantState state, readState(parts, info));
    info.out = state.shape[0];
    info.in = state.shape[1];
    info.groupSize = state.block;
    QS_TRY(p.levels, readTable(parts, info, "weight.quant_map", kNf4Values.size()));
    QS_CHECK(requireNf4Levels(parts, p.levels));
    const DType type = parts.tensor(p.absmax).dtype;
    QS_CHECK(parts.check(p.absmax, type == DType::F32 || type == DType::U8, "F32, or U8 when quantized"));
    const bool nested = type == DType::U8;
    if (settings->doubleQuant && *settings->doubleQuant != nested)
        return Error::corrupt(fmt::format("is {}, but {}.bnb_4bit_use_double_quant says {}",
                                          parts.describe(p.absmax), all.where, *settings->doubleQuant),
                              parts.tensor(p.absmax).name);
    if (nested) QS_CHECK(readNested(parts, state, info, p));
    QS_CHECK(checkCounts(parts, p, info));
    info.label = fmt::format("bitsandbytes NF4, block {}{}", state.block, nested ? ", double quantized" : "");
    info.format = fmt::format("nf4 b{}{}", state.block, nested ? " dq" : "");
    return std::make_unique<BnbLinear>(parts.checkpoint(), std::move(info), std::move(p));
}

} // namespace qs
