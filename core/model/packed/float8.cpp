// SPDX-License-Identifier: Apache-2.0
// 8-bit floats with scales beside them. Per module X, with N outputs and K inputs:
//   X.weight F8_E4M3 [N, K]
//   quant_method "fp8":  X.weight_scale_inv [ceil(N/a), ceil(K/b)], weight_block_size [a, b], or one value;
//                        or X.weight_scale, one or [N, 1] per channel
//   compressed-tensors "float-quantized" (and "naive-quantized"): X.weight_scale, one, [N, 1], [N, G] or
//                        blocks; "mxfp8-quantized": X.weight_scale U8 or F8_E8M0 [N, ceil(K/32)]
// Scales of activations (input_scale): packed_inputs.h.
// W = weight * scale, despite the name weight_scale_inv. A weight that is NaN stays NaN.
#include "core/model/packed/grouped_linear.h"
#include "core/model/packed/layouts.h"
#include "core/tensor/small_float.h"

#include <fmt/format.h>

namespace qs {

namespace {

class Float8Linear final : public GroupedLinear {
public:
    Float8Linear(const Checkpoint& checkpoint, PackedInfo info, size_t weight, size_t scale)
        : GroupedLinear(checkpoint, std::move(info)), weight_(weight), scale_(scale) {}

protected:
    Result<void> unpackCodes(size_t firstRow, MatrixViewT<int16_t> out) const override {
        QS_TRY(const auto bytes, checkpoint_.rawBytes(weight_));
        for (size_t r = 0; r < out.rows; ++r)
            for (size_t k = 0; k < info_.in; ++k)
                out(r, k) = int16_t(uint8_t(bytes[(firstRow + r) * info_.in + k]));
        return {};
    }

    Result<PackedScales> readScales(size_t first, size_t count) const override {
        PackedScales s;
        QS_TRY(s.scale, readGridRows(checkpoint_, scale_, info_, first, count));
        return s;
    }

    std::span<const float> levels() const override { return e4m3Values(); }

private:
    size_t weight_, scale_;
};

bool isE8m0(DType type) {
    return type == DType::F8E8M0 || type == DType::U8;
}

std::string gridWords(const ScaleGrid& grid, const PackedInfo& info) {
    if (grid.blockRows > 1 && grid.rows * grid.groups > 1)
        return fmt::format("block {}x{}", grid.blockRows, grid.groupSize);
    if (grid.rows == 1 && info.out > 1) return "per tensor";
    return grid.groups == 1 ? "per channel" : fmt::format("group {}", grid.groupSize);
}

struct Found {
    size_t scale = Checkpoint::npos;
    ScaleGrid grid;
    std::string family = "FP8", layout = "fp8";
};

Result<Found> findCompressed(const PackedParts& parts, const PackedSettings& all, const PackedInfo& info) {
    Found f;
    QS_TRY(
        const CtSettings::Group* group,
        ctGroup(parts, all, "F8_E4M3 X.weight", {"float-quantized", "naive-quantized", "mxfp8-quantized"}));
    const CtSettings::Weights& w = group->weights;
    if (!w.floating || w.bits != 8)
        return Error::corrupt(fmt::format("weight holds 8-bit floats, but {}.config_groups.{} says {} of {} "
                                          "bits",
                                          all.where, group->name, w.floating ? "float" : "int", w.bits),
                              parts.module());
    f.layout = "ct_float";
    f.grid = ctGrid(w, info.out, info.in);
    if (const size_t scale = parts.find("weight_scale");
        scale != Checkpoint::npos && isE8m0(parts.tensor(scale).dtype)) {
        QS_CHECK(parts.check(
            scale, f.grid.fits(parts.tensor(scale)) && f.grid.groupSize == 32,
            fmt::format("[{}, {}], a power of two per 32 inputs", info.out, (info.in + 31) / 32)));
        f.scale = scale;
        f.family = "MXFP8";
        return f;
    }
    QS_TRY(f.scale, requireCtScale(parts, f.grid, w));
    return f;
}

Result<Found> findPlain(const PackedParts& parts, const PackedSettings& all, const PackedInfo& info) {
    Found f;
    QS_TRY(const Fp8Settings* settings, settingsFor<Fp8Settings>(parts, all, "F8_E4M3 X.weight"));
    QS_CHECK(requireNotSkipped(parts, settings->skip, all, "modules_to_not_convert"));
    const bool inverse = parts.has("weight_scale_inv");
    if (!inverse && !parts.has("weight_scale"))
        return Error::corrupt("weight is F8_E4M3, but neither weight_scale_inv nor weight_scale is there",
                              parts.module());
    QS_TRY(f.scale, parts.require(inverse ? "weight_scale_inv" : "weight_scale"));
    const TensorInfo& scale = parts.tensor(f.scale);
    QS_CHECK(parts.check(f.scale, isScaleType(scale.dtype) || (inverse && scale.dtype == DType::F8E8M0),
                         "F32, BF16, F16 or F8_E8M0"));
    if (inverse && settings->block) {
        f.grid = ScaleGrid::perBlock(info.out, info.in, *settings->block);
        f.layout = "fp8_block";
        const auto& block = *settings->block;
        QS_CHECK(parts.check(f.scale, f.grid.fits(scale),
                             fmt::format("{} for weight_block_size [{}, {}] in {}", f.grid.text(), block[0],
                                         block[1], all.where)));
        return f;
    }
    const ScaleGrid channel = ScaleGrid::perChannel(info.out, info.in);
    f.grid = ScaleGrid::perTensor(info.out, info.in);
    if (!f.grid.fits(scale) && !inverse) f.grid = channel;
    QS_CHECK(parts.check(f.scale, f.grid.fits(scale),
                         inverse ? "one value without weight_block_size in " + all.where
                                 : "one value or " + channel.text()));
    return f;
}

} // namespace

PackedResult openFloat8(const PackedParts& parts, const PackedSettings& all) {
    QS_TRY(const size_t weight, parts.require("weight", 2));
    if (parts.tensor(weight).dtype == DType::F8E5M2)
        return Error::unsupported("F8_E5M2 weights: only F8_E4M3 is read", parts.tensor(weight).name);
    PackedInfo info;
    info.module = parts.module();
    info.bits = 8;
    info.out = size_t(parts.tensor(weight).shape[0]);
    info.in = size_t(parts.tensor(weight).shape[1]);
    const bool compressed = std::holds_alternative<CtSettings>(all.method);
    QS_TRY(const Found found, compressed ? findCompressed(parts, all, info) : findPlain(parts, all, info));
    found.grid.apply(info);
    info.layout = found.layout;
    const std::string words = gridWords(found.grid, info);
    info.label = fmt::format("{} E4M3, {}", found.family, words);
    info.format = fmt::format("{} {}", found.family == "MXFP8" ? "mxfp8" : "fp8",
                              words.starts_with("per ") ? words.substr(4) : words);
    parts.add(info, weight);
    parts.add(info, found.scale);
    parts.addExtras(info, {"input_scale", "input_zero_point", "activation_scale", "output_scale"});
    return std::make_unique<Float8Linear>(parts.checkpoint(), std::move(info), weight, found.scale);
}

} // namespace qs
