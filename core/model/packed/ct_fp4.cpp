// SPDX-License-Identifier: Apache-2.0
// compressed-tensors "nvfp4-pack-quantized" and "mxfp4-pack-quantized". Per module X, with N outputs and K
// inputs:
//   X.weight_packed U8 [N, K/2]   E2M1 codes, the even input in the low nibble
//   NVFP4: X.weight_scale F8_E4M3 [N, K/16] and X.weight_global_scale F32 [1]: W = code * (scale / global)
//   MXFP4: X.weight_scale U8 or F8_E8M0 [N, K/32]:                            W = code * 2^(scale - 127)
#include "core/model/packed/grouped_linear.h"
#include "core/model/packed/layouts.h"
#include "core/tensor/small_float.h"

#include <fmt/format.h>

namespace qs {

namespace {

class Fp4Linear final : public GroupedLinear {
public:
    /// `global` is npos for MXFP4.
    Fp4Linear(const Checkpoint& checkpoint, PackedInfo info, size_t packed, size_t scale, size_t global)
        : GroupedLinear(checkpoint, std::move(info)), packed_(packed), scale_(scale), global_(global) {}

protected:
    Result<void> unpackCodes(size_t firstRow, MatrixViewT<int16_t> out) const override {
        QS_TRY(const auto bytes, checkpoint_.rawBytes(packed_));
        for (size_t r = 0; r < out.rows; ++r)
            for (size_t k = 0; k < info_.in; ++k) {
                const unsigned pair = unsigned(bytes[(firstRow + r) * (info_.in / 2) + k / 2]);
                out(r, k) = int16_t(k % 2 ? pair >> 4 : pair & 15);
            }
        return {};
    }

    Result<PackedScales> readScales(size_t first, size_t count) const override {
        PackedScales s;
        QS_TRY(s.scale, readGridRows(checkpoint_, scale_, info_, first, count));
        if (global_ == Checkpoint::npos) return s;
        float global = 0;
        QS_CHECK(readScaleValues(checkpoint_, global_, 0, {&global, 1}));
        if (!(global > 0))
            return Error::corrupt(fmt::format("must be above 0, is {}", global),
                                  checkpoint_.tensors()[global_].name);
        for (float& v : s.scale.span())
            v /= global;
        return s;
    }

    std::span<const float> levels() const override { return kE2M1Values; }

private:
    size_t packed_, scale_, global_;
};

struct Kind {
    const char *layout, *label, *format, *writtenAs;
    size_t group;
};
constexpr Kind kNvfp4{"ct_nvfp4", "NVFP4, group 16", "nvfp4", "nvfp4-pack-quantized", 16};
constexpr Kind kMxfp4{"ct_mxfp4", "MXFP4, group 32", "mxfp4", "mxfp4-pack-quantized", 32};

Result<void> checkSettings(const PackedParts& parts, const PackedSettings& all,
                           const CtSettings::Group& group, const Kind& kind) {
    const CtSettings::Weights& w = group.weights;
    if (w.floating && w.bits == 4 && size_t(w.groupSize) == kind.group) return {};
    return Error::corrupt(
        fmt::format("{} has 4-bit floats in groups of {}, but {}.config_groups.{} says {} of {} bits, "
                    "group_size {}",
                    kind.writtenAs, kind.group, all.where, group.name, w.floating ? "float" : "int", w.bits,
                    w.groupSize),
        parts.module());
}

} // namespace

PackedResult openCtFp4(const PackedParts& parts, const PackedSettings& all) {
    const bool nvidia = parts.has("weight_global_scale");
    const Kind& kind = nvidia ? kNvfp4 : kMxfp4;
    QS_TRY(const CtSettings::Group* group, ctGroup(parts, all, "U8 X.weight_packed", {kind.writtenAs}));
    QS_CHECK(checkSettings(parts, all, *group, kind));
    PackedInfo info;
    QS_TRY(const size_t packed, parts.require("weight_packed", 2));
    info.module = parts.module();
    info.layout = kind.layout;
    info.label = kind.label;
    info.format = kind.format;
    info.bits = 4;
    info.out = size_t(parts.tensor(packed).shape[0]);
    info.in = size_t(parts.tensor(packed).shape[1]) * 2;
    const ScaleGrid grid = ScaleGrid::perGroup(info.out, info.in, kind.group);
    grid.apply(info);
    QS_TRY(const size_t scale, parts.require("weight_scale", 2));
    const DType type = parts.tensor(scale).dtype;
    const bool goodType = nvidia ? type == DType::F8E4M3 : type == DType::U8 || type == DType::F8E8M0;
    QS_CHECK(parts.check(scale, goodType && grid.fits(parts.tensor(scale)),
                         fmt::format("{} {}", nvidia ? "F8_E4M3" : "U8 or F8_E8M0", grid.text())));
    parts.add(info, packed);
    parts.add(info, scale);
    size_t global = Checkpoint::npos;
    if (nvidia) {
        QS_TRY(global, parts.require("weight_global_scale"));
        QS_CHECK(parts.check(global,
                             isScaleType(parts.tensor(global).dtype) && parts.tensor(global).elements() == 1,
                             "F32 [1]"));
        parts.add(info, global);
    }
    parts.addExtras(info, {"input_global_scale", "input_scale"});
    return std::make_unique<Fp4Linear>(parts.checkpoint(), std::move(info), packed, scale, global);
}

} // namespace qs
