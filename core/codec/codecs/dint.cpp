// SPDX-License-Identifier: Apache-2.0
// dint: integers with a half step beside 0, w' = s v, v in 0, +-1/2, +-1, .. +-(2^(b-1) - 2), b = 3..8: two
// codes at the ends are given up so that small values do not all become 0 (AQAS's dINT). Codes count the
// values upwards. s = max|w| / (2^(b-1) - 2) of a group, row or matrix.
// Layout: codes of b bits, scales in f16, bf16 or f32.
#include "core/codec/bits_param.h"
#include "core/codec/scale_groups.h"

#include <array>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr int kFewestBits = 3, kMostBits = 8;

Levels makeLevels(int bits) {
    std::vector<float> values;
    for (int k = (1 << (bits - 1)) - 2; k > 0; --k)
        values.push_back(float(-k));
    values.insert(values.end(), {-0.5f, 0.0f, 0.5f});
    for (int k = 1; k <= (1 << (bits - 1)) - 2; ++k)
        values.push_back(float(k));
    return Levels(std::move(values));
}

const Levels& levelsOf(int bits) {
    static const std::array<Levels, kMostBits - kFewestBits + 1> tables = {
        makeLevels(3), makeLevels(4), makeLevels(5), makeLevels(6), makeLevels(7), makeLevels(8)};
    return tables[size_t(bits - kFewestBits)];
}

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::integer("bits", "Bits", 4, kFewestBits, kMostBits, "Bits per value.", "bit"),
        ScaleGroups::sizeParam(-1,
                               "Inputs that share a scale: -1 one scale per output channel, or token where "
                               "inputs are rounded; 32 to 128 for groups; 0 one for the whole tensor."),
        ScaleGroups::typeParam()};
    return list;
}

class DintCodec final : public GroupedLevelCodec {
public:
    DintCodec(Params params, int bits, ScaleGroups groups)
        : GroupedLevelCodec(std::move(params), levelsOf(bits), groups), bits_(bits) {}

    const std::string& id() const override {
        static const std::string name = "dint";
        return name;
    }
    int bits() const override { return bits_; }
    std::string label() const override { return fmt::format("dint{} {}", bits_, groups().label()); }

protected:
    float statistic(std::span<const float> values) const override { return plainScale(values); }

private:
    int bits_;
};

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec dint"));
    const int bits = int(p.integer("bits"));
    const ScaleGroups groups = ScaleGroups::of(p);
    return std::make_shared<const DintCodec>(std::move(p), bits, groups);
}

} // namespace

const CodecDescriptor& codec_dint() {
    static const CodecDescriptor d{
        .id = "dint",
        .label = "Integer with half steps",
        .summary = "Even steps with a half step beside 0, for values of which many are small",
        .citation = "Lee et al. 2023, arXiv:2311.05161 (AQAS, SLAC, dINT)",
        .params = specs(),
        .create = create,
        .withBits = [](const Params& params,
                       int bits) { return withBitsParam(specs(), params, bits, "dint"); },
        .bits = {3, 4, 5, 6, 7, 8}};
    return d;
}

} // namespace qs
