// SPDX-License-Identifier: Apache-2.0
// power: PowerQuant's grid, even in |w|^a: w' = s sign(q) |q / m|^(1/a), -m <= q <= m = 2^(b-1) - 1 of b
// bits, with s = max|w| of a group, a row or the matrix. a = 1 is the symmetric integer grid, below 1 steps
// are finer towards 0. The nearest of these values is taken (the paper rounds in |w|^a, to the same
// neighbours).
//
// One exponent a serves the matrix: given, or searched for the least squared error at max|w| scales.
// superScale is [1, 1] and holds it; `zero`, which no symmetric grid needs, hands it to decode. Layout: codes
// q + m of b bits, scales of f16, bf16 or f32, the exponent as f32.
#include "core/codec/bits_param.h"
#include "core/codec/scale_groups.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <numbers>

namespace qs {

namespace {

constexpr double kLeast = 0.1, kMost = 1;
/// The search looks at about this many weights, whole rows evenly spread.
constexpr size_t kSearchValues = 1 << 17;

const ParamSpecs& specs() {
    static const ParamSpecs list = [] {
        ParamSpec exponent =
            ParamSpec::real("exponent", "Exponent", 0.5, kLeast, kMost,
                            "1: even steps. Smaller: finer steps for small weights, coarser ones "
                            "for large. About 0.5 is usual at 4 bits.");
        exponent.visibleWhen = "search_exponent=false";
        return ParamSpecs{ParamSpec::integer("bits", "Bits", 4, 2, 8, "Bits per weight.", "bit"),
                          ParamSpec::boolean("search_exponent", "Search the exponent", true,
                                             "Per tensor, from 0.1 to 1, for the least squared error."),
                          std::move(exponent),
                          ScaleGroups::sizeParam(
                              -1, "Inputs that share a scale: -1 one scale per output channel (PowerQuant), "
                                  "32 to 128 for groups, 0 one for the whole tensor."),
                          ScaleGroups::typeParam()};
    }();
    return list;
}

class PowerCodec final : public Codec {
public:
    PowerCodec(Params params, int bits, bool search, float exponent, ScaleGroups groups)
        : params_(std::move(params))
        , bits_(bits)
        , top_((1 << (bits - 1)) - 1)
        , search_(search)
        , exponent_(exponent)
        , groups_(groups) {
        for (int k = 1; k <= top_; ++k)
            logs_.push_back(std::log2(double(k) / top_));
    }

    const std::string& id() const override {
        static const std::string name = "power";
        return name;
    }
    const Params& params() const override { return params_; }
    int bits() const override { return bits_; }
    int levels() const override { return 2 * top_ + 1; }
    std::string label() const override {
        return fmt::format("power{} {}{}", bits_, groups_.label(),
                           search_ ? "" : fmt::format(" a={:.3g}", exponent_));
    }
    DType scaleType() const override { return groups_.type; }
    bool symmetric() const override { return true; }
    bool isIntegerGrid() const override { return false; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override { return groups_.layout(rows, cols); }

    Result<StoredBits> storedBits(size_t rows, size_t cols, bool withIndex) const override {
        QS_TRY(const GroupLayout l, layout(rows, cols));
        StoredBits out;
        out.codes = uint64_t(rows) * cols * uint64_t(bits_);
        out.scales = groups_.bits(l) + 32; // and the exponent
        if (withIndex) out.index = uint64_t(cols) * 32;
        return out;
    }

    void fitRange(float lo, float hi, float& scale, float& zero) const override {
        scale = groups_.stored(std::max(-lo, hi));
        zero = exponent_;
    }

    size_t fitColumns() const override { return groups_.fitColumns(); }

    void allocateParameters(QuantizedTensor& q) const override {
        Codec::allocateParameters(q);
        q.superScale = Matrix(1, 1);
    }

    void prepareParameters(ConstMatrixView weight, std::span<const float>,
                           QuantizedTensor& q) const override {
        allocateParameters(q);
        q.superScale(0, 0) = search_ ? float(bestExponent(weight, q.layout)) : exponent_;
    }

    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const override {
        const float exponent = q.superScale(0, 0), most = largestMagnitude(values);
        float scale = groups_.stored(rule.search ? most : rule.clip * most);
        if (rule.search) {
            std::vector<float> candidates;
            for (int percent = 100; percent > 20; --percent)
                candidates.push_back(groups_.stored(most * float(percent) / 100));
            scale = bestScale(tableOf(exponent), values, importance, candidates);
        }
        const size_t group = column / q.layout.groupSize;
        q.scale(row, group) = scale;
        q.zero(row, group) = exponent;
    }

    void round(const float* values, size_t n, const float* scale, const float* zero, uint8_t* codes,
               float* out) const override {
        for (size_t begin = 0, end = 0; begin < n; begin = end) {
            while (end < n && zero[end] == zero[begin])
                ++end;
            const Levels table = tableOf(zero[begin]);
            for (size_t i = begin; i < end; ++i) {
                codes[i] = table.nearest(values[i] / scale[i]);
                out[i] = scale[i] * table.value(codes[i]);
            }
        }
    }

    float decode(uint8_t code, float scale, float zero) const override {
        return scale * value(int(code) - top_, zero);
    }

    double level(double value, float scale, float zero) const override {
        const double part = scale != 0 ? std::fabs(value) / double(scale) : 0;
        return top_ + std::copysign(top_ * std::pow(part, double(zero)), value);
    }

    Result<void> checkParameters(const QuantizedTensor& q) const override {
        if (q.superScale.size() != 1 || !q.superZero.empty())
            return Error::invalid(fmt::format("super_scale is [{}, {}], {} has one exponent",
                                              q.superScale.rows(), q.superScale.cols(), label()));
        const float exponent = q.superScale(0, 0);
        if (!(exponent >= float(kLeast) && exponent <= float(kMost)))
            return Error::invalid(
                fmt::format("the exponent super_scale is {:.9g}, must be {} .. {}", exponent, kLeast, kMost));
        for (size_t r = 0; r < q.scale.rows(); ++r)
            for (size_t g = 0; g < q.scale.cols(); ++g) {
                if (!groups_.isStorable(q.scale(r, g)))
                    return Error::invalid(
                        fmt::format("scale[{}, {}] = {:.9g} is not {}", r, g, q.scale(r, g), groups_.rule()));
                if (q.zero(r, g) != exponent)
                    return Error::invalid(fmt::format("zero[{}, {}] = {:.9g} is not the exponent {:.9g}", r,
                                                      g, q.zero(r, g), exponent));
            }
        return {};
    }

private:
    /// Of q, on a scale of 1.
    float value(int q, float exponent) const {
        if (q == 0) return 0;
        const double magnitude = std::exp2(logs_[size_t(std::abs(q) - 1)] / double(exponent));
        return float(q < 0 ? -magnitude : magnitude);
    }

    Levels tableOf(float exponent) const {
        std::vector<float> values;
        for (int q = -top_; q <= top_; ++q)
            values.push_back(value(q, exponent));
        return Levels(std::move(values));
    }

    double bestExponent(ConstMatrixView weight, const GroupLayout& l) const;

    Params params_;
    int bits_, top_;
    bool search_;
    float exponent_;
    ScaleGroups groups_;
    std::vector<double> logs_; ///< log2(k / m), k = 1 .. m
};

/// Squared error of some rows as a function of the exponent, with max|w| scales.
class ExponentSearch {
public:
    ExponentSearch(ConstMatrixView weight, const GroupLayout& l, const ScaleGroups& groups) {
        const size_t step = std::max<size_t>(1, weight.rows * weight.cols / kSearchValues);
        for (size_t r = 0; r < weight.rows; r += step)
            for (size_t c = 0; c < weight.cols; c += l.groupSize)
                add({weight.row(r) + c, l.groupSize});
        float shared = 0; // by all rows
        for (size_t r = 0; r < weight.rows && l.scaleRows != weight.rows; ++r)
            shared = std::max(shared, largestMagnitude({weight.row(r), weight.cols}));
        for (Group& g : groups_)
            g.scale = groups.stored(std::max(g.scale, shared));
    }

    double error(const Levels& levels) {
        double sum = 0;
        for (const Group& g : groups_)
            sum += squaredError(levels, g.values, {}, g.scale, codes_);
        return sum;
    }

private:
    struct Group {
        std::span<const float> values;
        float scale;
    };

    void add(std::span<const float> values) {
        groups_.push_back({values, largestMagnitude(values)});
        codes_.resize(values.size());
    }

    std::vector<Group> groups_;
    std::vector<uint8_t> codes_;
};

double PowerCodec::bestExponent(ConstMatrixView weight, const GroupLayout& l) const {
    ExponentSearch search(weight, l, groups_);
    const auto error = [&](double a) { return search.error(tableOf(float(a))); };
    // The paper's problem has one minimum but for the ripples of a finite grid: the best of ten points first.
    constexpr double kStep = (kMost - kLeast) / 9;
    double best = kMost, least = error(kMost);
    for (int i = 0; i < 9; ++i) {
        const double a = kLeast + kStep * i;
        if (const double e = error(a); e < least) {
            least = e;
            best = a;
        }
    }
    double low = std::max(kLeast, best - kStep), high = std::min(kMost, best + kStep);
    const double shrink = std::numbers::phi - 1;
    while (high - low > 1e-3) {
        const double a = high - shrink * (high - low), b = low + shrink * (high - low);
        const double errorA = error(a), errorB = error(b);
        for (const auto& [x, e] : {std::pair(a, errorA), std::pair(b, errorB)})
            if (e < least) {
                least = e;
                best = x;
            }
        (errorA < errorB ? high : low) = errorA < errorB ? b : a;
    }
    return best;
}

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec power"));
    const int bits = int(p.integer("bits"));
    const bool search = p.boolean("search_exponent");
    const float exponent = float(p.real("exponent"));
    const ScaleGroups groups = ScaleGroups::of(p);
    return std::make_shared<const PowerCodec>(std::move(p), bits, search, exponent, groups);
}

} // namespace

const CodecDescriptor& codec_power() {
    static const CodecDescriptor d{
        .id = "power",
        .label = "Power grid",
        .summary = "Even steps in a power of the weight, 2 to 8 bits, the exponent searched per tensor",
        .citation = "Yvinec et al. 2023, arXiv:2301.09858 (PowerQuant) and arXiv:2308.05600 (NUPES)",
        .params = specs(),
        .create = create,
        .withBits = [](const Params& params,
                       int bits) { return withBitsParam(specs(), params, bits, "power"); },
        .bits = {2, 3, 4, 5, 6, 7, 8}};
    return d;
}

} // namespace qs
