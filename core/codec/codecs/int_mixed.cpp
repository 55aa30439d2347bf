// SPDX-License-Identifier: Apache-2.0
// int_mixed: integers whose bits differ by group of columns: b - 1, b or b + 1 (mixed_groups.h), b = 2..7.
// SliM-LLM chooses which; for other methods the format does: groups are ordered by the sum of importance w^2,
// and of the numbers of groups with a bit less and as many with a bit more, the one with the least sum of
// importance (w - w')^2 on whole ranges is taken.
//
// Layout: codes of b' bits, those of their group; per group and row a scale (f16, bf16 or f32) and b + 1 bits
// that say where 0 is; per group of columns 2 bits: b' - b + 1.
#include "core/codec/bits_param.h"
#include "core/codec/level_codec.h"
#include "core/codec/mixed_groups.h"
#include "core/linalg/parallel.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::integer("bits", "Bits", 3, 2, 7,
                           "Bits per weight on average: groups have one less, as many, or one more.", "bit"),
        ParamSpec::integer("group", "Group size", 128, 8, 1 << 20,
                           "Inputs that share their bits and, in each row, a scale. Must divide the row "
                           "length; with fewer than two groups in a row all have the same bits."),
        ParamSpec::choice("scale_dtype", "Scale type", "f16", {"f16", "bf16", "f32"},
                          "How scales are stored.")
            .asAdvanced()};
    return list;
}

class IntMixedCodec final : public Codec {
public:
    IntMixedCodec(Params params, int bits, size_t group, DType type)
        : params_(std::move(params)), bits_(bits), group_(group), type_(type) {}

    const std::string& id() const override {
        static const std::string name = "int_mixed";
        return name;
    }
    const Params& params() const override { return params_; }
    int bits() const override { return bits_; }
    int levels() const override { return 2 << bits_; }
    std::string label() const override { return fmt::format("int{} mixed g{}", bits_, group_); }
    DType scaleType() const override { return type_; }
    bool symmetric() const override { return false; }
    bool isIntegerGrid() const override { return false; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        return groupsOf(rows, cols, group_);
    }
    Result<StoredBits> storedBits(size_t rows, size_t cols, bool withIndex) const override {
        QS_TRY(const GroupLayout l, layout(rows, cols));
        StoredBits out;
        out.codes = uint64_t(rows) * cols * uint64_t(bits_);
        out.scales = uint64_t(rows) * l.groups * uint64_t(dtypeInfo(type_).bits);
        out.zeros = uint64_t(rows) * l.groups * uint64_t(bits_ + 1);
        out.tables = uint64_t(l.groups) * 2;
        if (withIndex) out.index = uint64_t(cols) * 32;
        return out;
    }

    void fitRange(float lo, float hi, float& scale, float& zero) const override {
        const MixedGroup g = MixedGroup::ofRange(bits_, lo, hi, type_);
        scale = g.scale;
        zero = g.zero.pack();
    }
    size_t fitColumns() const override { return group_; }
    void prepareParameters(ConstMatrixView weight, std::span<const float> importance,
                           QuantizedTensor& q) const override;

    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const override {
        std::vector<float> shares = {rule.search ? 1.0f : rule.clip};
        for (int percent = 99; rule.search && percent > 20; --percent)
            shares.push_back(float(percent) / 100);
        const size_t group = column / group_;
        const int bits = MixedZero::unpack(q.zero(row, group)).bits;
        const MixedGroup g = MixedGroup::search(bits, values, importance, shares, type_);
        q.scale(row, group) = g.scale;
        q.zero(row, group) = g.zero.pack();
    }

    void round(const float* values, size_t n, const float* scale, const float* zero, uint8_t* codes,
               float* out) const override {
        for (size_t i = 0; i < n; ++i) {
            const MixedGroup g{scale[i], MixedZero::unpack(zero[i])};
            codes[i] = g.nearest(values[i]);
            out[i] = g.value(codes[i]);
        }
    }
    float decode(uint8_t code, float scale, float zero) const override {
        return MixedGroup{scale, MixedZero::unpack(zero)}.value(code);
    }
    double level(double value, float scale, float zero) const override {
        return scale != 0 ? value / double(scale) + double(MixedZero::unpack(zero).offset()) : 0;
    }
    Result<void> checkParameters(const QuantizedTensor& q) const override;

private:
    /// Of one group of columns, adds to its salience and to its errors with a bit less, as many, one more.
    void weigh(ConstMatrixView group, std::span<const float> importance, double& salience,
               std::array<double, 3>& errors) const;
    Result<void> checkGroup(const QuantizedTensor& q, size_t row, size_t group) const;

    Params params_;
    int bits_;
    size_t group_;
    DType type_;
};

void IntMixedCodec::prepareParameters(ConstMatrixView weight, std::span<const float> importance,
                                      QuantizedTensor& q) const {
    allocateParameters(q);
    const size_t groups = q.layout.groups;
    std::vector<double> salience(groups);
    std::vector<std::array<double, 3>> errors(groups);
    linalg::parallelFor(groups, 1, [&](size_t begin, size_t end) {
        for (size_t g = begin; g < end; ++g)
            weigh(weight.block(0, weight.rows, g * group_, group_),
                  importance.empty() ? importance : importance.subspan(g * group_, group_), salience[g],
                  errors[g]);
    });
    std::vector<int> best(groups, bits_);
    double least = INFINITY;
    for (size_t count = 0; 2 * count <= groups; ++count) {
        const std::vector<int> bits = bitsBySalience(salience, count, bits_);
        double sum = 0;
        for (size_t g = 0; g < groups; ++g)
            sum += errors[g][size_t(bits[g] - bits_ + 1)];
        if (sum < least) {
            least = sum;
            best = bits;
        }
    }
    setGroupBits(best, q);
}

void IntMixedCodec::weigh(ConstMatrixView group, std::span<const float> importance, double& salience,
                          std::array<double, 3>& errors) const {
    constexpr float kWhole[] = {1.0f};
    const auto squares = [&](std::span<const float> values, const auto& of) {
        double sum = 0;
        for (size_t i = 0; i < values.size(); ++i)
            sum += (importance.empty() ? 1.0 : double(importance[i])) * of(values[i]) * of(values[i]);
        return sum;
    };
    for (size_t r = 0; r < group.rows; ++r) {
        const std::span<const float> values = group.rowSpan(r);
        salience += squares(values, [](float v) { return double(v); });
        for (int more = 0; more < 3; ++more) {
            const MixedGroup grid = MixedGroup::search(bits_ - 1 + more, values, importance, kWhole, type_);
            errors[size_t(more)] +=
                squares(values, [&](float v) { return double(grid.value(grid.nearest(v))) - double(v); });
        }
    }
}

Result<void> IntMixedCodec::checkGroup(const QuantizedTensor& q, size_t row, size_t group) const {
    const float scale = q.scale(row, group), packed = q.zero(row, group);
    const MixedZero zero = MixedZero::unpack(packed);
    if (!(scale > 0) || storedScale(scale, type_) != scale)
        return Error::invalid(fmt::format("scale[{}, {}] = {:.9g} is not a value above 0 of type {}", row,
                                          group, scale, dtypeInfo(type_).name));
    if (zero.pack() != packed || zero.bits < bits_ - 1 || zero.bits > bits_ + 1 || zero.stored > zero.most())
        return Error::invalid(fmt::format("zero[{}, {}] = {:.9g} is not 256 bits + zero point with {} .. {} "
                                          "bits",
                                          row, group, packed, bits_ - 1, bits_ + 1));
    if (const int first = MixedZero::unpack(q.zero(0, group)).bits; zero.bits != first)
        return Error::invalid(
            fmt::format("zero[{}, {}] has {} bits, the group has {} in row 0", row, group, zero.bits, first));
    for (size_t c = group * group_; c < (group + 1) * group_; ++c)
        if (float(q.codes[row * q.cols + c]) > zero.top())
            return Error::invalid(fmt::format("codes[{}, {}] is {} in a group of {} bits", row, c,
                                              q.codes[row * q.cols + c], zero.bits));
    return {};
}

Result<void> IntMixedCodec::checkParameters(const QuantizedTensor& q) const {
    QS_CHECK(Codec::checkParameters(q));
    if (!q.groupOfColumn.empty())
        return Error::invalid(fmt::format("{} keeps the order of columns", label()));
    int more = 0;
    for (size_t g = 0; g < q.layout.groups; ++g) {
        for (size_t r = 0; r < q.rows; ++r)
            QS_CHECK(checkGroup(q, r, g));
        more += MixedZero::unpack(q.zero(0, g)).bits - bits_;
    }
    if (more != 0)
        return Error::invalid(fmt::format("the groups have {:+} bits beyond {} each", more, bits_));
    return {};
}

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec int_mixed"));
    const std::string& type = p.choice("scale_dtype");
    const DType scaleType = type == "f32" ? DType::F32 : type == "bf16" ? DType::BF16 : DType::F16;
    const int bits = int(p.integer("bits"));
    const size_t group = size_t(p.integer("group"));
    return std::make_shared<const IntMixedCodec>(std::move(p), bits, group, scaleType);
}

} // namespace

const CodecDescriptor& codec_int_mixed() {
    static const CodecDescriptor d{
        .id = "int_mixed",
        .label = "Integer, mixed bits",
        .summary = "Integers whose groups of columns have one bit less, as many, or one more, at an exact "
                   "average",
        .citation = "Huang et al. 2024, arXiv:2405.14917 (SliM-LLM)",
        .params = specs(),
        .create = create,
        .withBits = [](const Params& params,
                       int bits) { return withBitsParam(specs(), params, bits, "int_mixed"); },
        .bits = {2, 3, 4, 5, 6, 7}};
    return d;
}

} // namespace qs
