// SPDX-License-Identifier: Apache-2.0
// nf: NormalFloat of 2 to 4 bits: quantiles of a normal distribution on [-1, 1], the code counts them. A
// block of inputs shares s = max|w|, float32. With double quantization s itself is stored in 8 bits (METHODS
// G6): s = map[c] * a + m, where m is the mean of all s, map the dynamic map of bitsandbytes, and a the
// largest |s - m| of 256 successive blocks, counted row by row. Then superScale is [1, ceil(blocks / 256)],
// the a, and superZero [1, 1], m; all found from the whole matrix before its blocks are fitted.
#include "core/codec/bits_param.h"
#include "core/codec/level_codec.h"
#include "core/codec/nf_map.h"
#include "core/tensor/small_float.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

// The quantiles of probabilities that divide .5 .. .9677083 evenly, 2^(b-1) above 0 and one less below, over
// the largest (QLoRA, section 3; Dettmers' create_normal_map).
constexpr std::array<float, 8> kNf3Values = {-1.0f,
                                             -0.4786291718482971f,
                                             -0.21714182198047638f,
                                             0.0f,
                                             0.16093017160892487f,
                                             0.33791518211364746f,
                                             0.5626169443130493f,
                                             1.0f};
constexpr std::array<float, 4> kNf2Values = {-1.0f, 0.0f, 0.33791518211364746f, 1.0f};

const Levels& levelsOfBits(int bits) {
    static const Levels nf2({kNf2Values.begin(), kNf2Values.end()}),
        nf3({kNf3Values.begin(), kNf3Values.end()}), nf4({kNf4Values.begin(), kNf4Values.end()});
    return bits == 2 ? nf2 : bits == 3 ? nf3 : nf4;
}

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::integer("bits", "Bits", 4, 2, 4,
                           "4 is NF4; NF3 and NF2 are its relatives in the LoRA papers.", "bit"),
        ParamSpec::integer(
            "group", "Block size", 64, 32, 4096,
            "Inputs that share a scale; 64 is what bitsandbytes uses. Must divide the row length."),
        ParamSpec::boolean(
            "double_quant", "Double quantization", false,
            "Scales are stored in 8 bits instead of 32: 4.13 instead of 4.5 bits per weight with "
            "blocks of 64, for next to no error.")};
    return list;
}

class NfCodec final : public LevelCodec {
public:
    NfCodec(Params params, int bits, size_t group, bool doubleQuant)
        : LevelCodec(std::move(params), levelsOfBits(bits))
        , bits_(bits)
        , group_(group)
        , doubleQuant_(doubleQuant) {}

    const std::string& id() const override {
        static const std::string name = "nf";
        return name;
    }
    int bits() const override { return bits_; }
    std::string label() const override {
        return fmt::format("nf{} b{}{}", bits_, group_, doubleQuant_ ? " dq" : "");
    }
    DType scaleType() const override { return DType::F32; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        return groupsOf(rows, cols, group_);
    }

    size_t fitColumns() const override { return doubleQuant_ ? group_ : 0; }

    void allocateParameters(QuantizedTensor& q) const override {
        Codec::allocateParameters(q);
        if (!doubleQuant_) return;
        q.superScale = Matrix(1, nestedBlocks(q.scale.size()));
        q.superZero = Matrix(1, 1);
    }

    void prepareParameters(ConstMatrixView weight, std::span<const float>,
                           QuantizedTensor& q) const override {
        allocateParameters(q);
        if (!doubleQuant_) return;
        std::vector<float> scales;
        double sum = 0;
        for (size_t r = 0; r < weight.rows; ++r)
            for (size_t c = 0; c < weight.cols; c += group_) {
                scales.push_back(plainScale({weight.row(r) + c, group_}));
                sum += double(scales.back());
            }
        const float mean = q.superZero(0, 0) = float(sum / double(scales.size()));
        for (size_t i = 0; i < scales.size(); ++i) {
            float& nested = q.superScale(0, i / kNestedBlock);
            nested = std::max(nested, std::fabs(scales[i] - mean));
        }
    }

    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const override {
        const size_t group = column / group_;
        const float nested = nestedOf(q, row, group), mean = q.superZero(0, 0), plain = plainScale(values);
        const int code = dynamicCode(rule.search ? plain : rule.clip * plain, nested, mean);
        const auto scaleOf = [&](int c) { return dynamicMap().value(size_t(c)) * nested + mean; };
        float scale = scaleOf(code);
        if (rule.search) {
            std::vector<float> candidates = {scale};
            for (int c = std::max(code - 24, 0); c <= std::min(code + 4, 255); ++c)
                candidates.push_back(scaleOf(c));
            scale = bestScale(table(), values, importance, candidates);
        }
        q.scale(row, group) = scale;
        q.zero(row, group) = 0;
    }

    Result<void> checkParameters(const QuantizedTensor& q) const override {
        const size_t blocks = doubleQuant_ ? nestedBlocks(q.scale.size()) : 0;
        if (q.superScale.size() != blocks || q.superZero.size() != size_t(doubleQuant_))
            return Error::invalid(
                fmt::format("super_scale and super_zero hold {} and {} values, {} has {} and {}",
                            q.superScale.size(), q.superZero.size(), label(), blocks, int(doubleQuant_)));
        return LevelCodec::checkParameters(q);
    }

protected:
    uint64_t scaleBits(const GroupLayout& l) const override {
        const uint64_t blocks = uint64_t(l.scaleRows) * l.groups;
        return doubleQuant_ ? blocks * 8 + nestedBlocks(blocks) * 32 + 32 : blocks * 32;
    }
    bool isStorable(const QuantizedTensor& q, size_t row, size_t group, float scale) const override {
        if (!doubleQuant_) return scale > 0;
        const float nested = nestedOf(q, row, group), mean = q.superZero(0, 0);
        return dynamicMap().value(dynamicCode(scale, nested, mean)) * nested + mean == scale;
    }
    std::string scaleRule() const override {
        return doubleQuant_ ? "a value of the dynamic map times super_scale plus super_zero" : "above 0";
    }

private:
    static float nestedOf(const QuantizedTensor& q, size_t row, size_t group) {
        return q.superScale(0, (row * q.layout.groups + group) / kNestedBlock);
    }
    static size_t nestedBlocks(size_t blocks) { return (blocks + kNestedBlock - 1) / kNestedBlock; }

    int bits_;
    size_t group_;
    bool doubleQuant_;
};

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec nf"));
    const int bits = int(p.integer("bits"));
    const size_t group = size_t(p.integer("group"));
    const bool doubleQuant = p.boolean("double_quant");
    return std::make_shared<const NfCodec>(std::move(p), bits, group, doubleQuant);
}

} // namespace

const CodecDescriptor& codec_nf() {
    static const CodecDescriptor d{
        .id = "nf",
        .label = "NormalFloat (NF4)",
        .summary =
            "Quantiles of a normal distribution, 2 to 4 bits, in blocks with absmax scales: QLoRA's NF4",
        .citation = "Dettmers et al. 2023, arXiv:2305.14314; NF3 and NF2 as in LoftQ and LQ-LoRA",
        .params = specs(),
        .create = create,
        .withBits = [](const Params& params, int bits) { return withBitsParam(specs(), params, bits, "nf"); },
        .bits = {2, 3, 4}};
    return d;
}

} // namespace qs
