// SPDX-License-Identifier: Apache-2.0
// int_nested: w' = s (q - z), q of b bits, in small groups whose scales and zero points are quantized
// themselves (SpQR's double-quantized statistics): within a super-block of groups of a row
//   s = s_min + k s_step,  z = z_min + l z_step,  k, l = 0 .. 2^t - 1 of t bits.
// The range of a group is that of its values and 0; z is no integer. s_min is the least scale of the groups
// that are not all 0.
// Layout: codes of b bits; k and l of t bits per group; s_min, s_step, z_min, z_step in f16 per super-block:
// superScale and superZero are [rows, 2 super-blocks], minimum and step in turn.
#include "core/codec/bits_param.h"
#include "core/codec/level_codec.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::integer("bits", "Bits", 3, 2, 8, "Bits per weight.", "bit"),
        ParamSpec::integer("group", "Group size", 16, 8, 1024,
                           "Inputs that share a scale and a zero point. 16 as in the paper."),
        ParamSpec::integer(
            "super_group", "Groups per super-block", 16, 2, 1024,
            "Groups whose scales and zero points share their range. Group size times this must "
            "divide the row length: 256 by default."),
        ParamSpec::integer("stat_bits", "Bits of statistics", 3, 2, 8,
                           "Bits of each scale and of each zero point.", "bit")};
    return list;
}

float half(float v) {
    constexpr float kLargest = 65504;
    return halfToFloat(floatToHalf(std::clamp(v, -kLargest, kLargest)));
}

/// Values as minimum + k step, both float16.
struct Nested {
    float least = 0, step = 0;
    int most; ///< of k

    Nested(float l, float s, int bits) : least(l), step(s), most((1 << bits) - 1) {}
    static Nested of(float low, float high, int bits) {
        Nested n(half(low), 0, bits);
        n.step = half((high - n.least) / float(n.most));
        return n;
    }
    float at(int k) const { return least + float(k) * step; }
    float nearest(float v) const {
        if (step <= 0) return least;
        return at(int(std::clamp(std::nearbyint((v - least) / step), 0.0f, float(most))));
    }
    bool holds(float v) const { return nearest(v) == v; }
};

class IntNestedCodec final : public Codec {
public:
    explicit IntNestedCodec(Params params)
        : params_(std::move(params))
        , bits_(int(params_.integer("bits")))
        , statBits_(int(params_.integer("stat_bits")))
        , group_(size_t(params_.integer("group")))
        , superGroup_(size_t(params_.integer("super_group"))) {}

    const std::string& id() const override {
        static const std::string name = "int_nested";
        return name;
    }
    const Params& params() const override { return params_; }
    int bits() const override { return bits_; }
    int levels() const override { return 1 << bits_; }
    std::string label() const override { return fmt::format("int{} g{} stats{}", bits_, group_, statBits_); }
    DType scaleType() const override { return DType::F32; }
    bool symmetric() const override { return false; }
    bool isIntegerGrid() const override { return false; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        QS_TRY(GroupLayout l, groupsOf(rows, cols, group_ * superGroup_));
        l.groups *= superGroup_;
        l.groupSize = group_;
        return l;
    }
    Result<StoredBits> storedBits(size_t rows, size_t cols, bool withIndex) const override {
        QS_TRY(const GroupLayout l, layout(rows, cols));
        StoredBits out;
        out.codes = uint64_t(rows) * cols * uint64_t(bits_);
        out.scales = uint64_t(rows) * (l.groups * uint64_t(statBits_) + l.groups / superGroup_ * 32);
        out.zeros = out.scales;
        if (withIndex) out.index = uint64_t(cols) * 32;
        return out;
    }

    void fitRange(float lo, float hi, float& scale, float& zero) const override {
        lo = std::min(lo, 0.0f);
        scale = half((std::max(hi, 0.0f) - lo) / top());
        zero = scale > 0 ? half(-lo / scale) : 0;
    }
    size_t fitColumns() const override { return group_ * superGroup_; }
    void allocateParameters(QuantizedTensor& q) const override {
        Codec::allocateParameters(q);
        q.superScale = Matrix(q.layout.scaleRows, 2 * (q.layout.groups / superGroup_));
        q.superZero = Matrix(q.superScale.rows(), q.superScale.cols());
    }
    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const override {
        const size_t first = column / group_, block = first / superGroup_;
        std::vector<std::pair<float, float>> ranges(superGroup_);
        float least = INFINITY, most = 0;
        for (size_t g = 0; g < superGroup_; ++g) {
            const auto part = values.subspan(g * group_, group_);
            const auto weights = importance.empty() ? importance : importance.subspan(g * group_, group_);
            const float share = rule.search ? bestShare(part, weights) : rule.clip;
            const auto [lo, hi] = std::minmax_element(part.begin(), part.end());
            ranges[g] = {share * std::min(*lo, 0.0f), share * std::max(*hi, 0.0f)};
            const float scale = (ranges[g].second - ranges[g].first) / top();
            most = std::max(most, scale);
            if (scale > 0) least = std::min(least, scale);
        }
        // No float16 above 0 is smaller.
        least = std::max(std::min(least, most), 0x1p-24f);
        const Nested scales = Nested::of(least, std::max(most, least), statBits_);
        std::vector<float> zeros(superGroup_);
        for (size_t g = 0; g < superGroup_; ++g) {
            const float scale = scales.nearest((ranges[g].second - ranges[g].first) / top());
            q.scale(row, first + g) = scale;
            zeros[g] = std::clamp(-ranges[g].first / scale, 0.0f, top());
        }
        const auto [lowest, highest] = std::minmax_element(zeros.begin(), zeros.end());
        const Nested offsets = Nested::of(*lowest, *highest, statBits_);
        for (size_t g = 0; g < superGroup_; ++g)
            q.zero(row, first + g) = offsets.nearest(zeros[g]);
        q.superScale(row, 2 * block) = scales.least;
        q.superScale(row, 2 * block + 1) = scales.step;
        q.superZero(row, 2 * block) = offsets.least;
        q.superZero(row, 2 * block + 1) = offsets.step;
    }

    void round(const float* values, size_t n, const float* scale, const float* zero, uint8_t* codes,
               float* out) const override {
        for (size_t i = 0; i < n; ++i) {
            const float q = std::clamp(std::nearbyint(values[i] / scale[i] + zero[i]), 0.0f, top());
            codes[i] = uint8_t(q);
            out[i] = scale[i] * (q - zero[i]);
        }
    }
    float decode(uint8_t code, float scale, float zero) const override {
        return scale * (float(code) - zero);
    }
    Result<void> checkParameters(const QuantizedTensor& q) const override;

private:
    float top() const { return float(levels() - 1); }

    /// Of the range of a group, the share with the least squared error before its statistics are rounded.
    float bestShare(std::span<const float> values, std::span<const float> weights) const {
        const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
        const float low = std::min(*lo, 0.0f), high = std::max(*hi, 0.0f);
        float best = 1;
        double least = INFINITY;
        for (int percent = 100; percent >= 50; percent -= 2) {
            const float share = float(percent) / 100, scale = share * (high - low) / top();
            if (scale <= 0) break;
            const float zero = -share * low / scale;
            double loss = 0;
            for (size_t i = 0; i < values.size(); ++i) {
                const float q = std::clamp(std::nearbyint(values[i] / scale + zero), 0.0f, top());
                const double e = double(scale * (q - zero)) - double(values[i]);
                loss += (weights.empty() ? 1.0 : double(weights[i])) * e * e;
            }
            if (loss < least) {
                least = loss;
                best = share;
            }
        }
        return best;
    }

    Params params_;
    int bits_, statBits_;
    size_t group_, superGroup_;
};

Result<void> IntNestedCodec::checkParameters(const QuantizedTensor& q) const {
    const size_t blocks = q.layout.groups / superGroup_;
    for (const auto& [name, super, values] :
         {std::tuple("scale", &q.superScale, &q.scale), std::tuple("zero", &q.superZero, &q.zero)}) {
        if (super->rows() != q.scale.rows() || super->cols() != 2 * blocks)
            return Error::invalid(fmt::format("super_{} is [{}, {}], expected [{}, {}]", name, super->rows(),
                                              super->cols(), q.scale.rows(), 2 * blocks));
        for (size_t r = 0; r < super->rows(); ++r)
            for (size_t b = 0; b < blocks; ++b) {
                const Nested nested((*super)(r, 2 * b), (*super)(r, 2 * b + 1), statBits_);
                if (!std::isfinite(nested.least) || !std::isfinite(nested.step) || nested.step < 0 ||
                    half(nested.least) != nested.least || half(nested.step) != nested.step)
                    return Error::invalid(fmt::format(
                        "super_{}[{}, {}] = {:.9g}, {:.9g} are no finite f16 with a step of 0 or more", name,
                        r, 2 * b, nested.least, nested.step));
                for (size_t g = b * superGroup_; g < (b + 1) * superGroup_; ++g)
                    if (!nested.holds((*values)(r, g)))
                        return Error::invalid(
                            fmt::format("{}[{}, {}] = {:.9g} is not {:.9g} + k {:.9g}, k = 0 .. {}", name, r,
                                        g, (*values)(r, g), nested.least, nested.step, nested.most));
            }
    }
    for (size_t i = 0; i < q.scale.size(); ++i)
        if (!(q.scale.data()[i] > 0))
            return Error::invalid(fmt::format("scale {} is {:.9g}, must be above 0", i, q.scale.data()[i]));
    return {};
}

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec int_nested"));
    return std::make_shared<const IntNestedCodec>(std::move(p));
}

} // namespace

const CodecDescriptor& codec_int_nested() {
    static const CodecDescriptor d{
        .id = "int_nested",
        .label = "Integer, nested statistics",
        .summary =
            "Integers in small groups whose scales and zero points are integers of few bits themselves, "
            "in super-blocks",
        .citation = "Dettmers et al. 2023, arXiv:2306.03078 (SpQR)",
        .params = specs(),
        .create = create,
        .withBits = [](const Params& params,
                       int bits) { return withBitsParam(specs(), params, bits, "int_nested"); },
        .bits = {2, 3, 4, 5, 6, 7, 8}};
    return d;
}

} // namespace qs
