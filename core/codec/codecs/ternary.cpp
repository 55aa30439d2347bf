// SPDX-License-Identifier: Apache-2.0
// ternary: w' = s v, v in {-1, 0, 1}, stored as codes 0, 1, 2 of 2 bits, four to a byte, first code in the
// low bits. One scale for the matrix (as BitNet b1.58 has it), a row or a group, stored as f16, bf16 or f32.
// Scales, so that values beyond s / 2 become -s or s:
//   absmean    s = mean|w|                                                          [BitNet b1.58]
//   absmedian  s = median|w|, the lower of the two in the middle                    [BitNet b1.58 Reloaded]
//   entropy    s = 4/3 mean|w|: each value of a uniform distribution as often       [TBT]
#include "core/codec/scale_groups.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

const Levels& ternaryLevels() {
    // A value midway goes to 0, as rounding to even does.
    static const Levels levels({-1, 0, 1}, [](size_t code, size_t) { return code == 1; });
    return levels;
}

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::choice("statistic", "Scale from", "absmean", {"absmean", "absmedian", "entropy"},
                          "absmean: mean magnitude (BitNet b1.58). absmedian: median, which outliers do not "
                          "move. entropy: 4/3 of the mean, more zeros. A range search moves on from it."),
        ScaleGroups::sizeParam(0,
                               "Inputs that share a scale: 0 one scale for the whole tensor (BitNet), -1 one "
                               "per output channel, 32 to 128 for models that were not trained so."),
        ScaleGroups::typeParam()};
    return list;
}

double meanMagnitude(std::span<const float> values) {
    double sum = 0;
    for (const float v : values)
        sum += std::fabs(double(v));
    return sum / double(values.size());
}

float medianMagnitude(std::span<const float> values) {
    std::vector<float> m(values.size());
    std::transform(values.begin(), values.end(), m.begin(), [](float v) { return std::fabs(v); });
    const auto middle = m.begin() + ptrdiff_t((m.size() - 1) / 2);
    std::nth_element(m.begin(), middle, m.end());
    return *middle;
}

class TernaryCodec final : public GroupedLevelCodec {
public:
    TernaryCodec(Params params, std::string statistic, ScaleGroups groups)
        : GroupedLevelCodec(std::move(params), ternaryLevels(), groups), statistic_(std::move(statistic)) {}

    const std::string& id() const override {
        static const std::string name = "ternary";
        return name;
    }
    int bits() const override { return 2; }
    std::string label() const override { return fmt::format("ternary {} {}", groups().label(), statistic_); }

protected:
    float statistic(std::span<const float> values) const override {
        if (statistic_ == "absmedian") return medianMagnitude(values);
        return float(statistic_ == "entropy" ? 4.0 / 3.0 * meanMagnitude(values) : meanMagnitude(values));
    }

private:
    std::string statistic_;
};

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec ternary"));
    const std::string statistic = p.choice("statistic");
    const ScaleGroups groups = ScaleGroups::of(p);
    return std::make_shared<const TernaryCodec>(std::move(p), statistic, groups);
}

Result<Params> withBits(const Params& params, int bits) {
    if (bits == 2) return params;
    return Error::invalid(fmt::format("ternary codes are stored in 2 bits, not {}", bits));
}

} // namespace

const CodecDescriptor& codec_ternary() {
    static const CodecDescriptor d{
        .id = "ternary",
        .label = "Ternary",
        .summary = "-s, 0 and s, the scale from the mean or median magnitude of a tensor, channel or group",
        .citation = "Ma et al. 2024, arXiv:2402.17764 (BitNet b1.58); Nielsen and Schneider-Kamp 2024, "
                    "arXiv:2407.09527; Liu et al. 2023, arXiv:2306.01841 (TBT)",
        .params = specs(),
        .create = create,
        .withBits = withBits,
        .bits = {2}};
    return d;
}

} // namespace qs
