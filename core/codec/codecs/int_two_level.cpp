// SPDX-License-Identifier: Apache-2.0
// int_two_level: DGQ's dual grain. Codes of b = 2..6 bits in groups, every group a whole multiple of one
// 8-bit grid of the row, so that matrices are multiplied in INT8: w' = s8 k (q - z), k = 1 .. 127 and z = 0
// .. 2^b - 1 of the group, |k (q - z)| <= 127 for every code. DGQ takes s8 = max|w| / 127 and forbids the
// codes that leave the 8-bit range; here s8 leaves room for all of them:
//   s, z   of the group as in the asymmetric grid of `int`
//   most   the largest k that z allows, floor(127 / max(z, 2^b - 1 - z))
//   s8     max over the row of s / most;   k = round(s / s8), at most `most`
// With a search, DGQ's two: the range of each group shrinks in 20 steps (ratio 1.009 .. 0.80), then s8 in 80
// (ratio 1.01 .. 0.20), by the least squared error of the row.
//
// scale(r, g) = k s8, superScale [rows, 1] holds s8. Layout: codes of b bits; 8 bits (k) and b bits (z) per
// group; one float32 (s8) per row.
#include "core/codec/bits_param.h"
#include "core/codec/level_codec.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace qs {

namespace {

constexpr int kLargest = 127; ///< of the 8-bit grid

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::integer("bits", "Bits", 4, 2, 6,
                           "Bits per weight. 4 leaves 15 sizes of step to the groups.", "bit"),
        ParamSpec::integer("group", "Group size", 128, 8, 1 << 20,
                           "Inputs that share a step size. Must divide the row length.")};
    return list;
}

/// What a group may have on the 8-bit grid.
struct Group {
    float step = 0, zero = 0; ///< s and z; step 0 for zeros only

    static Group of(float lo, float hi, int levels) {
        lo = std::min(lo, 0.0f);
        hi = std::max(hi, 0.0f);
        const float top = float(levels - 1), step = (hi - lo) / top;
        if (!(step > 0)) return {0, float(levels / 2)};
        return {step, std::clamp(std::nearbyint(-lo / step), 0.0f, top)};
    }
    /// The largest factor with which all codes stay on the 8-bit grid.
    float most(int levels) const {
        return std::floor(float(kLargest) / std::max(zero, float(levels - 1) - zero));
    }
    float factor(float s8, int levels) const {
        return std::clamp(std::nearbyint(step / s8), 1.0f, most(levels));
    }
};

/// One row while its parameters are found.
class RowFit {
public:
    RowFit(std::span<const float> values, std::span<const float> importance, size_t groupSize, int levels)
        : values_(values), importance_(importance), size_(groupSize), levels_(levels) {}

    std::vector<Group> groups;
    float s8 = 0;

    void plain(float clip) {
        groups.clear();
        for (size_t g = 0; g < values_.size() / size_; ++g)
            groups.push_back(rangeOf(g, clip));
        s8 = baseScale();
    }

    void search() {
        plain(1);
        double least = error();
        const std::vector<Group> before = groups;
        const float scaleBefore = s8;
        for (size_t g = 0; g < groups.size(); ++g)
            shrinkRange(g);
        float best = 0;
        const float base = baseScale();
        constexpr int kSteps = 80;
        for (int i = 1; i <= kSteps; ++i) {
            s8 = storedScale(base * (1.02f - float(i) / kSteps * 0.82f), DType::F32);
            if (const double e = error(); e < least) {
                least = e;
                best = s8;
            }
        }
        s8 = best > 0 ? best : scaleBefore;
        if (best == 0) groups = before;
    }

private:
    std::span<const float> part(std::span<const float> all, size_t g) const {
        return all.empty() ? all : all.subspan(g * size_, size_);
    }

    Group rangeOf(size_t g, float clip) const {
        const auto values = part(values_, g);
        const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
        return Group::of(clip * *lo, clip * *hi, levels_);
    }

    float baseScale() const {
        float scale = 0;
        for (const Group& g : groups)
            scale = std::max(scale, g.step / g.most(levels_));
        return scale > 0 ? storedScale(scale, DType::F32) : 1.0f;
    }

    double groupError(size_t g, float scale, float zero) const {
        const auto values = part(values_, g), weights = part(importance_, g);
        const float top = float(levels_ - 1);
        double sum = 0;
        for (size_t i = 0; i < values.size(); ++i) {
            const float q = std::clamp(std::nearbyint(values[i] / scale) + zero, 0.0f, top);
            const double e = double(scale * (q - zero)) - double(values[i]);
            sum += (weights.empty() ? 1.0 : double(weights[i])) * e * e;
        }
        return sum;
    }

    double error() const {
        double sum = 0;
        for (size_t g = 0; g < groups.size(); ++g)
            sum += groupError(g, groups[g].factor(s8, levels_) * s8, groups[g].zero);
        return sum;
    }

    void shrinkRange(size_t g) {
        if (groups[g].step == 0) return;
        double least = groupError(g, groups[g].step, groups[g].zero);
        constexpr int kSteps = 20;
        for (int i = 1; i <= kSteps; ++i) {
            const Group tried = rangeOf(g, 1.02f - float(i) / kSteps * 0.22f);
            if (const double e = groupError(g, tried.step, tried.zero); e < least) {
                least = e;
                groups[g] = tried;
            }
        }
    }

    std::span<const float> values_, importance_;
    size_t size_;
    int levels_;
};

class IntTwoLevelCodec final : public Codec {
public:
    IntTwoLevelCodec(Params params, int bits, size_t group)
        : params_(std::move(params)), bits_(bits), group_(group) {}

    const std::string& id() const override {
        static const std::string name = "int_two_level";
        return name;
    }
    const Params& params() const override { return params_; }
    int bits() const override { return bits_; }
    int levels() const override { return 1 << bits_; }
    std::string label() const override { return fmt::format("int{} g{} in int8", bits_, group_); }
    DType scaleType() const override { return DType::F32; }
    bool symmetric() const override { return false; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        return groupsOf(rows, cols, group_);
    }

    Result<StoredBits> storedBits(size_t rows, size_t cols, bool withIndex) const override {
        QS_TRY(const GroupLayout l, layout(rows, cols));
        StoredBits out;
        out.codes = uint64_t(rows) * cols * uint64_t(bits_);
        out.scales = uint64_t(rows) * (l.groups * 8 + 32);
        out.zeros = uint64_t(rows) * l.groups * uint64_t(bits_);
        if (withIndex) out.index = uint64_t(cols) * 32;
        return out;
    }

    void fitRange(float lo, float hi, float& scale, float& zero) const override {
        const Group g = Group::of(lo, hi, levels());
        const float most = g.most(levels());
        scale = g.step > 0 ? most * storedScale(g.step / most, DType::F32) : 1.0f;
        zero = g.zero;
    }

    /// The groups of a row hang together by s8.
    size_t fitColumns() const override { return std::numeric_limits<size_t>::max(); }

    void allocateParameters(QuantizedTensor& q) const override {
        Codec::allocateParameters(q);
        q.superScale = Matrix(q.rows, 1);
    }

    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t) const override {
        RowFit fit(values, importance, group_, levels());
        if (rule.search)
            fit.search();
        else
            fit.plain(rule.clip);
        q.superScale(row, 0) = fit.s8;
        for (size_t g = 0; g < fit.groups.size(); ++g) {
            q.scale(row, g) = fit.groups[g].factor(fit.s8, levels()) * fit.s8;
            q.zero(row, g) = fit.groups[g].zero;
        }
    }

    void round(const float* values, size_t n, const float* scale, const float* zero, uint8_t* codes,
               float* out) const override {
        const float top = float(levels() - 1);
        for (size_t i = 0; i < n; ++i) {
            const float q = std::clamp(std::nearbyint(values[i] / scale[i]) + zero[i], 0.0f, top);
            codes[i] = uint8_t(q);
            out[i] = scale[i] * (q - zero[i]);
        }
    }

    float decode(uint8_t code, float scale, float zero) const override {
        return scale * (float(code) - zero);
    }

    Result<void> checkParameters(const QuantizedTensor& q) const override {
        if (q.superScale.rows() != q.rows || q.superScale.cols() != 1 || !q.superZero.empty())
            return Error::invalid(fmt::format("super_scale is [{}, {}], {} of {} rows has one per row",
                                              q.superScale.rows(), q.superScale.cols(), label(), q.rows));
        for (size_t r = 0; r < q.scale.rows(); ++r)
            for (size_t g = 0; g < q.scale.cols(); ++g) {
                const float z = q.zero(r, g), s8 = q.superScale(r, 0), s = q.scale(r, g),
                            top = float(levels() - 1);
                if (!(z >= 0 && z <= top) || z != std::floor(z))
                    return Error::invalid(
                        fmt::format("zero[{}, {}] = {:.9g} is not a code 0 .. {}", r, g, z, levels() - 1));
                const float k = s8 > 0 ? std::nearbyint(s / s8) : 0;
                if (!(k >= 1) || !(k * std::max(z, top - z) <= float(kLargest)) || k * s8 != s)
                    return Error::invalid(fmt::format(
                        "scale[{}, {}] = {:.9g} is not k = 1 .. {} times super_scale[{}] = {:.9g}", r, g, s,
                        Group{1, z}.most(levels()), r, s8));
            }
        return {};
    }

private:
    Params params_;
    int bits_;
    size_t group_;
};

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec int_two_level"));
    const int bits = int(p.integer("bits"));
    const size_t group = size_t(p.integer("group"));
    return std::make_shared<const IntTwoLevelCodec>(std::move(p), bits, group);
}

} // namespace

const CodecDescriptor& codec_int_two_level() {
    static const CodecDescriptor d{
        .id = "int_two_level",
        .label = "Integer in INT8 (DGQ)",
        .summary = "Integers of 2 to 6 bits whose groups are whole multiples of one 8-bit grid per channel",
        .citation = "Zhang et al. 2023, Dual Grained Quantization, arXiv:2310.04836",
        .params = specs(),
        .create = create,
        .withBits = [](const Params& params,
                       int bits) { return withBitsParam(specs(), params, bits, "int_two_level"); },
        .bits = {2, 3, 4, 5, 6}};
    return d;
}

} // namespace qs
