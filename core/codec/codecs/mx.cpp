// SPDX-License-Identifier: Apache-2.0
// mx: the block formats of OCP Microscaling 1.0. 32 inputs of a row share a scale 2^k, k = -127 .. 127,
// stored as E8M0; elements are small floats, or for MXINT8 integers -127 .. 127 in steps of 1/64. k =
// floor(log2 max|w|) - emax of the element format (section 6.3), so that values above the format's largest
// saturate. With a search the neighbours of k are tried too.
#include "core/codec/level_codec.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

constexpr size_t kGroup = 32;

struct MxFormat {
    const char *id, *label, *element; ///< nullptr: INT8
};
constexpr std::array<MxFormat, 6> kFormats = {{{"mxfp4", "MXFP4", "e2m1"},
                                               {"mxfp6_e2m3", "MXFP6 E2M3", "e2m3"},
                                               {"mxfp6_e3m2", "MXFP6 E3M2", "e3m2"},
                                               {"mxfp8_e4m3", "MXFP8 E4M3", "e4m3"},
                                               {"mxfp8_e5m2", "MXFP8 E5M2", "e5m2"},
                                               {"mxint8", "MXINT8", nullptr}}};

const MxFormat& formatOf(const std::string& id) {
    return *std::find_if(kFormats.begin(), kFormats.end(), [&](const auto& f) { return id == f.id; });
}

const Levels& int8Levels() {
    static const Levels levels = [] {
        std::vector<float> values;
        for (int i = -127; i <= 127; ++i)
            values.push_back(float(i) / 64.0f);
        return Levels(std::move(values), [](size_t code, size_t) { return code % 2 == 1; }); // 127 is 0
    }();
    return levels;
}

const ParamSpecs& specs() {
    static const ParamSpecs list = [] {
        std::vector<std::string> ids;
        for (const MxFormat& f : kFormats)
            ids.emplace_back(f.id);
        return ParamSpecs{ParamSpec::choice("format", "Format", "mxfp4", ids,
                                            "mxfp4 is what current GPUs multiply natively; mxfp8_e4m3 loses "
                                            "next to nothing; mxint8 has even steps.")};
    }();
    return list;
}

class MxCodec final : public LevelCodec {
public:
    MxCodec(Params params, const MxFormat& format)
        : LevelCodec(std::move(params), format.element ? levelsOf(*smallFloat(format.element)) : int8Levels())
        , format_(format)
        , bits_(format.element ? smallFloat(format.element)->bits() : 8)
        , topExponent_(format.element ? smallFloat(format.element)->topExponent() : 0) {}

    const std::string& id() const override {
        static const std::string name = "mx";
        return name;
    }
    int bits() const override { return bits_; }
    std::string label() const override { return format_.label; }
    DType scaleType() const override { return DType::F32; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        return groupsOf(rows, cols, kGroup);
    }

    void fitRange(float lo, float hi, float& scale, float& zero) const override {
        scale = std::ldexp(1.0f, exponentFor(std::max(-lo, hi)));
        zero = 0;
    }

    size_t fitColumns() const override { return kGroup; }

    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const override {
        const float most = largestMagnitude(values);
        const int k = exponentFor(rule.search ? most : rule.clip * most);
        float scale = std::ldexp(1.0f, k);
        if (rule.search) {
            std::array<float, 3> candidates = {scale, std::ldexp(1.0f, std::min(k + 1, 127)),
                                               std::ldexp(1.0f, std::max(k - 1, -127))};
            scale = bestScale(table(), values, importance, candidates);
        }
        q.scale(row, column / kGroup) = scale;
        q.zero(row, column / kGroup) = 0;
    }

protected:
    uint64_t scaleBits(const GroupLayout& l) const override { return uint64_t(l.scaleRows) * l.groups * 8; }
    bool isStorable(const QuantizedTensor&, size_t, size_t, float scale) const override {
        int exponent = 0;
        return scale > 0 && std::frexp(scale, &exponent) == 0.5f && exponent >= -126 && exponent <= 128;
    }
    std::string scaleRule() const override { return "a power of two, 2^-127 .. 2^127"; }

private:
    int exponentFor(float most) const {
        return most > 0 ? std::clamp(std::ilogb(most) - topExponent_, -127, 127) : -127;
    }

    const MxFormat& format_;
    int bits_, topExponent_;
};

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec mx"));
    const MxFormat& format = formatOf(p.choice("format"));
    return std::make_shared<const MxCodec>(std::move(p), format);
}

Result<Params> withBits(const Params&, int bits) {
    const char* id = bits == 4 ? "mxfp4" : bits == 6 ? "mxfp6_e2m3" : bits == 8 ? "mxfp8_e4m3" : nullptr;
    if (!id)
        return Error::invalid(fmt::format("there is no MX format of {} bits; there are 4, 6 and 8", bits));
    return Params::fromJson(specs(), {{"format", id}}, "codec mx");
}

} // namespace

const CodecDescriptor& codec_mx() {
    static const CodecDescriptor d{
        .id = "mx",
        .label = "Microscaling (MX)",
        .summary = "Blocks of 32 with a power of two as scale: MXFP4, MXFP6, MXFP8, MXINT8",
        .citation = "OCP Microscaling Formats 1.0; Rouhani et al. 2023, arXiv:2310.10537",
        .params = specs(),
        .create = create,
        .withBits = withBits,
        .bits = {4, 6, 8}};
    return d;
}

} // namespace qs
