// SPDX-License-Identifier: Apache-2.0
// gaussian: w' = s v(q), s the root mean square of the group, v one of the 2^b values, b = 1..8, that round a
// normal distribution of variance 1 with the least squared error: with even steps (QuEST's grid) or wherever
// they are best (Lloyd-Max; HIGGS with p = 1). Both have no 0 and are symmetric; codes count them upwards.
// Layout: one code of b bits per weight, one scale (f16, bf16 or f32) per group, row or matrix.
#include "core/codec/bits_param.h"
#include "core/codec/gaussian_levels.h"
#include "core/codec/scale_groups.h"

#include <array>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr int kMostBits = 8;

Levels toLevels(const std::vector<double>& values) {
    return Levels(std::vector<float>(values.begin(), values.end()));
}

template<size_t... i>
std::array<Levels, kMostBits> makeTables(bool even, std::index_sequence<i...>) {
    return {
        toLevels(even ? evenLevels(gaussianClip(int(i) + 1), int(i) + 1) : lloydMaxLevels(int(i) + 1))...};
}

const Levels& levelsOf(bool even, int bits) {
    using Bits = std::make_index_sequence<kMostBits>;
    static const std::array<Levels, kMostBits> evenTables = makeTables(true, Bits()),
                                               bestTables = makeTables(false, Bits());
    return (even ? evenTables : bestTables)[size_t(bits - 1)];
}

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::integer("bits", "Bits", 4, 1, kMostBits,
                           "Bits per weight. The grid suits weights that look normal, as rotated ones do.",
                           "bit"),
        ParamSpec::choice(
            "steps", "Steps", "best", {"even", "best"},
            "even: equal steps up to the best clipping point (QuEST), which integer hardware can "
            "multiply. best: Lloyd-Max, 1 % to 18 % less squared error at 2 to 4 bits."),
        ScaleGroups::sizeParam(128, "Inputs that share a scale: 64 to 256 is usual. -1: one scale per output "
                                    "channel; 0: one for the whole tensor."),
        ScaleGroups::typeParam()};
    return list;
}

class GaussianCodec final : public GroupedLevelCodec {
public:
    GaussianCodec(Params params, int bits, bool even, ScaleGroups groups)
        : GroupedLevelCodec(std::move(params), levelsOf(even, bits), groups), bits_(bits), even_(even) {}

    const std::string& id() const override {
        static const std::string name = "gaussian";
        return name;
    }
    int bits() const override { return bits_; }
    std::string label() const override {
        return fmt::format("gauss{} {} {}", bits_, groups().label(), even_ ? "even" : "lloyd");
    }

protected:
    float statistic(std::span<const float> values) const override {
        double squares = 0;
        for (const float v : values)
            squares += double(v) * double(v);
        return float(std::sqrt(squares / double(values.size())));
    }

private:
    int bits_;
    bool even_;
};

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec gaussian"));
    const int bits = int(p.integer("bits"));
    const bool even = p.choice("steps") == "even";
    const ScaleGroups groups = ScaleGroups::of(p);
    return std::make_shared<const GaussianCodec>(std::move(p), bits, even, groups);
}

} // namespace

const CodecDescriptor& codec_gaussian() {
    static const CodecDescriptor d{
        .id = "gaussian",
        .label = "Gaussian grid",
        .summary =
            "The values that round a normal distribution best, 1 to 8 bits, on the root mean square of a "
            "group: QuEST's even grid or Lloyd-Max",
        .citation =
            "Panferov et al. 2025, arXiv:2502.05003 (QuEST); Malinovskii et al. 2024, arXiv:2411.17525 "
            "(HIGGS); Lloyd 1957, Max 1960",
        .params = specs(),
        .create = create,
        .withBits = [](const Params& params,
                       int bits) { return withBitsParam(specs(), params, bits, "gaussian"); },
        .bits = {1, 2, 3, 4, 5, 6, 7, 8}};
    return d;
}

} // namespace qs
