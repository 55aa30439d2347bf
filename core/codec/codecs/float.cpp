// SPDX-License-Identifier: Apache-2.0
// float: floats of 4 to 8 bits, w' = s v(q), v a value of the format (levels.h: 0 stands in the middle of the
// codes; the bit patterns of files are patternOf). s = max|w| / max v, of a tensor, a row, a group along the
// input dimension, or a block of rows x columns (the last ones may be smaller), stored as f16, bf16 or f32.
// No zero points. With powers of two as scales, the next one above (ZeroQuant-FP's M1). A format with an
// exponent bias of any real value (LLM-FP4) is the same thing: the bias goes into s.
#include "core/codec/level_codec.h"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

const ParamSpecs& specs() {
    static const ParamSpecs list = [] {
        std::vector<std::string> ids;
        for (const SmallFloat& f : smallFloats())
            ids.emplace_back(f.id);
        return ParamSpecs{
            ParamSpec::choice(
                "format", "Format", "e4m3", ids,
                "Exponent and mantissa bits. e4m3 is the FP8 of weights, e5m2 has more range and "
                "coarser steps; e3m2, e2m3 are FP6; e2m1 is FP4; e1m2 has even steps."),
            ParamSpec::integer(
                "group", "Group size", -1, -1, 1 << 20,
                "Inputs that share a scale: -1 one scale per output channel (usual for FP8), 0 "
                "one for the whole tensor, 16 to 128 for FP4."),
            ParamSpec::integer("block_rows", "Block rows", 1, 1, 1 << 16,
                               "Outputs that share a scale. 128 with a group of 128 is the block format of "
                               "DeepSeek's FP8 files.")
                .asAdvanced(),
            ParamSpec::choice("scale_dtype", "Scale type", "f32", {"f16", "bf16", "f32"},
                              "How scales are stored. Codes are computed against the stored value.")
                .asAdvanced(),
            ParamSpec::boolean("power_of_two", "Scales are powers of two", false,
                               "Each scale becomes the next power of two, so that values move into a wider "
                               "float by an addition to their exponents; a scale then takes 8 bits.")
                .asAdvanced()};
    }();
    return list;
}

class FloatCodec final : public LevelCodec {
public:
    FloatCodec(Params params, const SmallFloat& format, long long group, size_t blockRows, DType scaleType)
        : LevelCodec(std::move(params), levelsOf(format))
        , format_(format)
        , group_(group)
        , blockRows_(blockRows)
        , scaleType_(scaleType)
        , powerOfTwo_(this->params().boolean("power_of_two")) {}

    const std::string& id() const override {
        static const std::string name = "float";
        return name;
    }
    int bits() const override { return format_.bits(); }
    DType scaleType() const override { return scaleType_; }

    std::string label() const override {
        const std::string group = group_ == 0      ? "tensor"
                                  : group_ < 0     ? "channel"
                                  : blockRows_ > 1 ? fmt::format("block {}x{}", blockRows_, group_)
                                                   : fmt::format("g{}", group_);
        return fmt::format("fp{} {} {}{}", bits(), format_.id, group, powerOfTwo_ ? " pow2" : "");
    }

    void fitRange(float lo, float hi, float& scale, float& zero) const override {
        LevelCodec::fitRange(lo, hi, scale, zero);
        if (!powerOfTwo_) return;
        int exponent = 0;
        const bool isPower = std::frexp(scale, &exponent) == 0.5f;
        scale = storedScale(std::ldexp(1.0f, isPower ? exponent - 1 : exponent), scaleType_);
    }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        if (rows == 0 || cols == 0)
            return Error::invalid(fmt::format("an empty matrix [{}, {}] cannot be quantized", rows, cols));
        if (group_ == 0) return GroupLayout{1, 1, cols};
        if (group_ < 0) return GroupLayout{rows, 1, cols};
        if (blockRows_ == 1) return groupsOf(rows, cols, size_t(group_));
        return GroupLayout{(rows - 1) / blockRows_ + 1, (cols - 1) / size_t(group_) + 1, size_t(group_),
                           blockRows_};
    }

protected:
    uint64_t scaleBits(const GroupLayout& l) const override {
        return uint64_t(l.scaleRows) * l.groups * uint64_t(powerOfTwo_ ? 8 : dtypeInfo(scaleType_).bits);
    }
    bool isStorable(const QuantizedTensor&, size_t, size_t, float scale) const override {
        int exponent = 0;
        return scale > 0 && storedScale(scale, scaleType_) == scale &&
               (!powerOfTwo_ || std::frexp(scale, &exponent) == 0.5f);
    }
    std::string scaleRule() const override {
        return fmt::format("{} above 0 of type {}", powerOfTwo_ ? "a power of two" : "a value",
                           dtypeInfo(scaleType_).name);
    }

private:
    const SmallFloat& format_;
    long long group_;
    size_t blockRows_;
    DType scaleType_;
    bool powerOfTwo_;
};

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec float"));
    const SmallFloat& format = *smallFloat(p.choice("format"));
    const long long group = p.integer("group"), blockRows = p.integer("block_rows");
    if (blockRows > 1 && group <= 0)
        return Error::invalid(fmt::format("block_rows = {} needs a group above 0, not {}", blockRows, group),
                              "codec float");
    const std::string& type = p.choice("scale_dtype");
    const DType scaleType = type == "f16" ? DType::F16 : type == "bf16" ? DType::BF16 : DType::F32;
    return std::make_shared<const FloatCodec>(std::move(p), format, group, size_t(blockRows), scaleType);
}

Result<Params> withBits(const Params& params, int bits) {
    static constexpr const char* kFormats[] = {"e2m1", "e2m3", "e4m3"};
    for (const char* id : kFormats) {
        if (smallFloat(id)->bits() != bits) continue;
        nlohmann::json object = params.toJson();
        object["format"] = id;
        return Params::fromJson(specs(), object, "codec float");
    }
    return Error::invalid(fmt::format("there is no float of {} bits; there are 4, 6 and 8", bits));
}

} // namespace

const CodecDescriptor& codec_float() {
    static const CodecDescriptor d{
        .id = "float",
        .label = "Float (FP8, FP6, FP4)",
        .summary = "Floats of 4, 6 or 8 bits with a scale per tensor, channel, group or block",
        .citation = "Micikevicius et al. 2022, arXiv:2209.05433 (FP8); OCP MX 1.0 (FP6, FP4 values)",
        .params = specs(),
        .create = create,
        .withBits = withBits,
        .bits = {4, 6, 8}};
    return d;
}

} // namespace qs
