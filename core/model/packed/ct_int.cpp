// SPDX-License-Identifier: Apache-2.0
// compressed-tensors "int-quantized" (and integers of "naive-quantized"). Per module X:
//   X.weight            I8 [N, K]   signed codes
//   X.weight_scale      one, [N, 1] per channel, or [N, G]
//   X.weight_zero_point I8, the same shape; asymmetric only
// W[n, k] = (code - zero) * scale. Scales of activations (input_scale, ...): packed_inputs.h.
#include "core/model/packed/grouped_linear.h"
#include "core/model/packed/layouts.h"

#include <fmt/format.h>

namespace qs {

namespace {

class CtIntLinear final : public GroupedLinear {
public:
    CtIntLinear(const Checkpoint& checkpoint, PackedInfo info, size_t weight, size_t scale, size_t zero)
        : GroupedLinear(checkpoint, std::move(info)), weight_(weight), scale_(scale), zero_(zero) {}

protected:
    Result<void> unpackCodes(size_t firstRow, MatrixViewT<int16_t> out) const override {
        QS_TRY(const auto bytes, checkpoint_.rawBytes(weight_));
        for (size_t r = 0; r < out.rows; ++r)
            for (size_t k = 0; k < info_.in; ++k)
                out(r, k) = int8_t(bytes[(firstRow + r) * info_.in + k]);
        return {};
    }

    Result<PackedScales> readScales(size_t first, size_t count) const override {
        PackedScales s;
        QS_TRY(s.scale, readGridRows(checkpoint_, scale_, info_, first, count));
        if (zero_ == Checkpoint::npos) return s;
        QS_TRY(const auto bytes, checkpoint_.rawBytes(zero_));
        s.zero = Matrix(count, info_.groups);
        for (size_t i = 0; i < s.zero.size(); ++i)
            s.zero.data()[i] = float(int8_t(bytes[first * info_.groups + i]));
        return s;
    }

private:
    size_t weight_, scale_;
    size_t zero_; ///< npos: symmetric
};

} // namespace

PackedResult openCtInt(const PackedParts& parts, const PackedSettings& all) {
    QS_TRY(const CtSettings::Group* group,
           ctGroup(parts, all, "I8 X.weight", {"int-quantized", "naive-quantized"}));
    const CtSettings::Weights& w = group->weights;
    if (w.floating || w.strategy == "block")
        return Error::corrupt(fmt::format("weight holds integers, but {}.config_groups.{} says {}", all.where,
                                          group->name, w.floating ? "float" : "strategy block"),
                              parts.module());
    QS_TRY(const size_t weight, parts.require("weight", 2));
    PackedInfo info;
    info.module = parts.module();
    info.layout = "ct_int";
    info.bits = w.bits;
    info.out = size_t(parts.tensor(weight).shape[0]);
    info.in = size_t(parts.tensor(weight).shape[1]);
    const ScaleGrid grid = ctGrid(w, info.out, info.in);
    grid.apply(info);
    QS_TRY(const size_t scale, requireCtScale(parts, grid, w));
    parts.add(info, weight);
    parts.add(info, scale);
    size_t zero = Checkpoint::npos;
    if (!w.symmetric) {
        QS_TRY(zero, parts.require("weight_zero_point"));
        const TensorInfo& t = parts.tensor(zero);
        QS_CHECK(parts.check(zero, t.dtype == DType::I8 && grid.fits(t), "I8 " + grid.text()));
        parts.add(info, zero);
    }
    parts.addExtras(info, {"input_scale", "input_zero_point", "output_scale", "output_zero_point"});
    nameIntegers(info, "Compressed-tensors", ctGroupSize(w), w.symmetric);
    return std::make_unique<CtIntLinear>(parts.checkpoint(), std::move(info), weight, scale, zero);
}

} // namespace qs
