// SPDX-License-Identifier: Apache-2.0
// log: w' = s sign r^-q and 0, r = 2^(base / 74): each value a fixed factor below the next, for what lies
// near 0 nearly always, as probabilities and the outputs of activation functions do. base 74 is the grid of
// powers of two, 37 that of their roots (RepQuant's log-sqrt2); AdaLog searches it (its 2^(q / 37) is base 2
// q). The nearest value is taken (the papers round the logarithm, to the same neighbours).
//
// b bits: with a sign 2^(b-1) - 1 magnitudes on either side of 0, without one 2^b - 1 and negative values
// become 0. s is the largest magnitude, or value, of a group, a row or the matrix. Codes count values
// upwards. Layout: one code of b bits per value, scales of f16, bf16 or f32.
#include "core/codec/bits_param.h"
#include "core/codec/scale_groups.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

constexpr int kOctave = 74, kMostBase = 148;
constexpr double kMostOctaves = 126; // the least magnitude is a normal float32

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::integer("bits", "Bits", 4, 2, 8, "Bits per value.", "bit"),
        ParamSpec::integer("base", "Base", kOctave, 1, kMostBase,
                           "Neighbours differ by a factor of 2^(base / 74): 74 are powers of two, 37 their "
                           "roots. Small bases have fine steps and a short reach."),
        ParamSpec::choice("sign", "Sign", "both", {"both", "none"},
                          "both: one bit is the sign. none: for values that are never negative, as "
                          "probabilities are; negative ones become 0."),
        ScaleGroups::sizeParam(-1,
                               "Inputs that share a scale: -1 one scale per output channel or token, 32 to "
                               "128 for groups, 0 one for the whole tensor."),
        ScaleGroups::typeParam()};
    return list;
}

int magnitudes(int bits, bool isSigned) {
    return (1 << (isSigned ? bits - 1 : bits)) - 1;
}

Levels makeLevels(int bits, int base, bool isSigned) {
    std::vector<float> values;
    const int count = magnitudes(bits, isSigned);
    const auto magnitude = [&](int q) { return float(std::exp2(-double(q) * base / kOctave)); };
    for (int q = 0; q < count && isSigned; ++q)
        values.push_back(-magnitude(q));
    values.push_back(0);
    for (int q = count; q-- > 0;)
        values.push_back(magnitude(q));
    return Levels(std::move(values));
}

/// Made before the base class that refers to them.
struct OwnLevels {
    Levels own;
};

class LogCodec final : private OwnLevels, public GroupedLevelCodec {
public:
    LogCodec(Params params, int bits, int base, bool isSigned, ScaleGroups groups)
        : OwnLevels{makeLevels(bits, base, isSigned)}
        , GroupedLevelCodec(std::move(params), own, groups)
        , bits_(bits)
        , base_(base)
        , signed_(isSigned) {}

    const std::string& id() const override {
        static const std::string name = "log";
        return name;
    }
    int bits() const override { return bits_; }
    std::string label() const override {
        return fmt::format("log{} {} r={:.3g}{}", bits_, groups().label(), std::exp2(double(base_) / kOctave),
                           signed_ ? "" : " unsigned");
    }

protected:
    float statistic(std::span<const float> values) const override {
        return signed_ ? largestMagnitude(values)
                       : std::max(0.0f, *std::max_element(values.begin(), values.end()));
    }

private:
    int bits_, base_;
    bool signed_;
};

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec log"));
    const int bits = int(p.integer("bits")), base = int(p.integer("base"));
    const bool isSigned = p.choice("sign") == "both";
    const double octaves = double(magnitudes(bits, isSigned) - 1) * base / kOctave;
    if (octaves > kMostOctaves)
        return Error::invalid(
            fmt::format("{} bits with base {} reach {:.0f} powers of two below the scale, at "
                        "most {:.0f}: choose fewer bits or a smaller base",
                        bits, base, octaves, kMostOctaves),
            "codec log");
    const ScaleGroups groups = ScaleGroups::of(p);
    return std::make_shared<const LogCodec>(std::move(p), bits, base, isSigned, groups);
}

/// The base stays where it reaches not too far.
Result<Params> withBits(const Params& params, int bits) {
    QS_TRY(Params p, withBitsParam(specs(), params, bits, "log"));
    const int steps = magnitudes(bits, p.choice("sign") == "both") - 1;
    const auto most = (long long)(kMostOctaves * kOctave / std::max(1, steps));
    if (p.integer("base") <= most) return p;
    nlohmann::json object = p.toJson();
    object["base"] = most;
    return Params::fromJson(specs(), object, "codec log");
}

} // namespace

const CodecDescriptor& codec_log() {
    static const CodecDescriptor d{
        .id = "log",
        .label = "Log grid",
        .summary =
            "Every value a fixed factor below the next, 2 to 8 bits, for what lies near 0 nearly always",
        .citation = "Wu et al. 2024, arXiv:2407.12951 (AdaLog); Li et al. 2024, arXiv:2402.05628 (RepQuant)",
        .params = specs(),
        .create = create,
        .withBits = withBits,
        .bits = {2, 3, 4, 5, 6, 7, 8}};
    return d;
}

} // namespace qs
