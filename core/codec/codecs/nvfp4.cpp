// SPDX-License-Identifier: Apache-2.0
// nvfp4: E2M1 in groups of 16 along the input dimension. The scale of a group is an E4M3 value c, 2^-9 ..
// 448, divided by one float32 D of the whole tensor, D = 448 * 6 / max|w|, as compressed-tensors stores it
// (weight_global_scale). superScale is [1, 1] and holds D; scale(r, g) = c / D in float32.
#include "core/codec/level_codec.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

constexpr size_t kGroup = 16;

/// The scales' own values.
const Levels& scaleLevels() {
    return levelsOf(*smallFloat("e4m3"));
}
size_t smallestScale() {
    return scaleLevels().nearest(0) + size_t(1);
}

const ParamSpecs& specs() {
    static const ParamSpecs list;
    return list;
}

class Nvfp4Codec final : public LevelCodec {
public:
    explicit Nvfp4Codec(Params params) : LevelCodec(std::move(params), levelsOf(*smallFloat("e2m1"))) {}

    const std::string& id() const override {
        static const std::string name = "nvfp4";
        return name;
    }
    int bits() const override { return 4; }
    std::string label() const override { return "NVFP4"; }
    DType scaleType() const override { return DType::F32; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        return groupsOf(rows, cols, kGroup);
    }

    size_t fitColumns() const override { return kGroup; }

    void allocateParameters(QuantizedTensor& q) const override {
        Codec::allocateParameters(q);
        q.superScale = Matrix(1, 1);
    }

    void prepareParameters(ConstMatrixView weight, std::span<const float>,
                           QuantizedTensor& q) const override {
        allocateParameters(q);
        float most = 0;
        for (size_t r = 0; r < weight.rows; ++r)
            for (size_t c = 0; c < weight.cols; ++c)
                most = std::max(most, std::fabs(weight(r, c)));
        const float divisor = scaleLevels().largest() * table().largest() / most;
        q.superScale(0, 0) = std::isfinite(divisor) ? std::max(divisor, 0x1p-126f) : 1.0f;
    }

    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const override {
        const float divisor = q.superScale(0, 0), plain = plainScale(values);
        const size_t code = codeFor((rule.search ? plain : rule.clip * plain) * divisor);
        float scale = scaleLevels().value(code) / divisor;
        if (rule.search) {
            // An octave down, where the largest values saturate, and a step up.
            std::vector<float> candidates = {scale};
            const size_t low = std::max(smallestScale() + 8, code) - 8,
                         high = std::min(code + 2, scaleLevels().count() - 1);
            for (size_t c = low; c <= high; ++c)
                candidates.push_back(scaleLevels().value(c) / divisor);
            scale = bestScale(table(), values, importance, candidates);
        }
        q.scale(row, column / kGroup) = scale;
        q.zero(row, column / kGroup) = 0;
    }

    Result<void> checkParameters(const QuantizedTensor& q) const override {
        if (q.superScale.rows() != 1 || q.superScale.cols() != 1 || !q.superZero.empty())
            return Error::invalid(fmt::format("super_scale is [{}, {}], NVFP4 has one", q.superScale.rows(),
                                              q.superScale.cols()));
        if (const float d = q.superScale(0, 0); !(d > 0) || !std::isfinite(d))
            return Error::invalid(fmt::format("super_scale is {:.9g}, must be above 0", d));
        return LevelCodec::checkParameters(q);
    }

protected:
    uint64_t scaleBits(const GroupLayout& l) const override {
        return uint64_t(l.scaleRows) * l.groups * 8 + 32;
    }
    bool isStorable(const QuantizedTensor& q, size_t, size_t, float scale) const override {
        const float divisor = q.superScale(0, 0);
        return scaleLevels().value(codeFor(scale * divisor)) / divisor == scale;
    }
    std::string scaleRule() const override { return "an E4M3 value of 2^-9 .. 448 over super_scale"; }

private:
    static size_t codeFor(float scale) {
        return std::max<size_t>(scaleLevels().nearest(scale), smallestScale());
    }
};

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec nvfp4"));
    return std::make_shared<const Nvfp4Codec>(std::move(p));
}

} // namespace

const CodecDescriptor& codec_nvfp4() {
    static const CodecDescriptor d{
        .id = "nvfp4",
        .label = "NVFP4",
        .summary = "4-bit floats in groups of 16 with E4M3 scales, for GPUs that multiply them natively",
        .citation = "NVIDIA Blackwell; layout of compressed-tensors nvfp4-pack-quantized",
        .params = specs(),
        .create = create,
        .withBits = [](const Params& params, int bits) -> Result<Params> {
            if (bits == 4) return params;
            return Error::invalid(fmt::format("NVFP4 has 4 bits, not {}", bits));
        },
        .bits = {4}};
    return d;
}

} // namespace qs
