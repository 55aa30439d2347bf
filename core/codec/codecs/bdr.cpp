// SPDX-License-Identifier: Apache-2.0
// bdr: block data representation with shared microexponents, MX9, MX6 and MX4 (not the MXFP formats of OCP).
// 16 inputs of a row share an exponent E of 8 bits, -127 .. 127, two of them a shift d of 1 bit; an element
// is a sign and a mantissa k of m = 7, 4 or 2 bits: w' = sign k 2^(E - d - m + 1), k = 0 .. 2^m - 1. E =
// floor(log2 max|w|) of the 16; d = 1 where both of the two are below 2^E. With a search E + 1 and E - 1 and
// the other shifts are tried too.
//
// Groups are the pairs: scale(r, pair) = 2^(E - d), superScale [rows, cols / 16] holds 2^E. Codes count k
// from
// -(2^m - 1) upwards. Stored: m + 1 bits an element, 8 bits per 16, 1 bit per 2: 9, 6 and 4 bits per weight.
#include "core/codec/level_codec.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

constexpr size_t kBlock = 16, kPair = 2;
constexpr int kLargestExponent = 127;

struct BdrFormat {
    const char *id, *label;
    int mantissaBits;
};
constexpr std::array<BdrFormat, 3> kFormats = {{{"mx9", "MX9", 7}, {"mx6", "MX6", 4}, {"mx4", "MX4", 2}}};

const Levels& levelsOf(int mantissaBits) {
    const auto make = [](int m) {
        const int top = (1 << m) - 1;
        std::vector<float> values;
        for (int k = -top; k <= top; ++k)
            values.push_back(std::ldexp(float(k), 1 - m));
        return Levels(std::move(values), [](size_t code, size_t) { return code % 2 == 1; }); // k = 0 is odd
    };
    static const Levels mx9 = make(7), mx6 = make(4), mx4 = make(2);
    return mantissaBits == 7 ? mx9 : mantissaBits == 4 ? mx6 : mx4;
}

const ParamSpecs& specs() {
    static const ParamSpecs list = {ParamSpec::choice("format", "Format", "mx6", {"mx9", "mx6", "mx4"},
                                                      "Bits per weight with everything: mx9 loses next to "
                                                      "nothing, mx6 is for inference, mx4 the smallest.")};
    return list;
}

bool isPowerOfTwo(float v) {
    int exponent = 0;
    return v > 0 && std::frexp(v, &exponent) == 0.5f;
}

class BdrCodec final : public LevelCodec {
public:
    BdrCodec(Params params, const BdrFormat& format)
        : LevelCodec(std::move(params), levelsOf(format.mantissaBits)), format_(format) {}

    const std::string& id() const override {
        static const std::string name = "bdr";
        return name;
    }
    int bits() const override { return format_.mantissaBits + 1; }
    std::string label() const override { return format_.label; }
    DType scaleType() const override { return DType::F32; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        QS_CHECK(groupsOf(rows, cols, kBlock));
        return groupsOf(rows, cols, kPair);
    }

    void fitRange(float lo, float hi, float& scale, float& zero) const override {
        scale = std::ldexp(1.0f, exponentOf(std::max(-lo, hi)));
        zero = 0;
    }

    size_t fitColumns() const override { return kBlock; }

    void allocateParameters(QuantizedTensor& q) const override {
        Codec::allocateParameters(q);
        q.superScale = Matrix(q.rows, q.cols / kBlock);
    }

    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const override {
        const float most = largestMagnitude(values);
        const int exponent = exponentOf(rule.search ? most : rule.clip * most);
        Block best = plainBlock(values, exponent);
        if (rule.search) {
            double least = blockError(values, importance, best);
            for (const int e : {exponent, exponent + 1, exponent - 1}) {
                if (std::abs(e) > kLargestExponent) continue;
                const Block tried = searchedBlock(values, importance, e);
                if (const double error = blockError(values, importance, tried); error < least) {
                    least = error;
                    best = tried;
                }
            }
        }
        q.superScale(row, column / kBlock) = best.scale;
        for (size_t p = 0; p < kBlock / kPair; ++p) {
            q.scale(row, column / kPair + p) = best.ofPair(p);
            q.zero(row, column / kPair + p) = 0;
        }
    }

    Result<void> checkParameters(const QuantizedTensor& q) const override {
        if (q.superScale.rows() != q.rows || q.superScale.cols() != q.cols / kBlock || !q.superZero.empty())
            return Error::invalid(fmt::format("super_scale is [{}, {}], {} of [{}, {}] has one per {} inputs",
                                              q.superScale.rows(), q.superScale.cols(), label(), q.rows,
                                              q.cols, kBlock));
        for (size_t r = 0; r < q.superScale.rows(); ++r)
            for (size_t b = 0; b < q.superScale.cols(); ++b)
                if (const float v = q.superScale(r, b);
                    !isPowerOfTwo(v) || std::abs(std::ilogb(v)) > kLargestExponent)
                    return Error::invalid(fmt::format(
                        "super_scale[{}, {}] = {:.9g} is not a power of two, 2^-127 .. 2^127", r, b, v));
        return LevelCodec::checkParameters(q);
    }

protected:
    uint64_t scaleBits(const GroupLayout& l) const override {
        return uint64_t(l.scaleRows) * (l.groups * kPair / kBlock * 8 + l.groups);
    }
    bool isStorable(const QuantizedTensor& q, size_t row, size_t group, float scale) const override {
        const float shared = q.superScale(row, group * kPair / kBlock);
        return scale == shared || scale == shared / 2;
    }
    std::string scaleRule() const override { return "super_scale or half of it"; }

private:
    struct Block {
        float scale = 0;                          ///< 2^E
        std::array<bool, kBlock / kPair> shift{}; ///< d
        float ofPair(size_t p) const { return shift[p] ? scale / 2 : scale; }
    };

    static int exponentOf(float most) {
        return most > 0 ? std::clamp(std::ilogb(most), -kLargestExponent, kLargestExponent)
                        : -kLargestExponent;
    }

    static Block plainBlock(std::span<const float> values, int exponent) {
        Block b{std::ldexp(1.0f, exponent)};
        for (size_t p = 0; p < b.shift.size(); ++p)
            b.shift[p] = largestMagnitude(values.subspan(p * kPair, kPair)) < b.scale;
        return b;
    }

    Block searchedBlock(std::span<const float> values, std::span<const float> importance,
                        int exponent) const {
        Block b{std::ldexp(1.0f, exponent)};
        for (size_t p = 0; p < b.shift.size(); ++p)
            b.shift[p] =
                pairError(values, importance, p, b.scale / 2) < pairError(values, importance, p, b.scale);
        return b;
    }

    double pairError(std::span<const float> values, std::span<const float> importance, size_t pair,
                     float scale) const {
        std::array<uint8_t, kPair> codes;
        return squaredError(table(), values.subspan(pair * kPair, kPair),
                            importance.empty() ? importance : importance.subspan(pair * kPair, kPair), scale,
                            codes);
    }

    double blockError(std::span<const float> values, std::span<const float> importance,
                      const Block& b) const {
        double sum = 0;
        for (size_t p = 0; p < b.shift.size(); ++p)
            sum += pairError(values, importance, p, b.ofPair(p));
        return sum;
    }

    const BdrFormat& format_;
};

const BdrFormat& formatOf(const std::string& id) {
    return *std::find_if(kFormats.begin(), kFormats.end(), [&](const auto& f) { return id == f.id; });
}

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec bdr"));
    const BdrFormat& format = formatOf(p.choice("format"));
    return std::make_shared<const BdrCodec>(std::move(p), format);
}

Result<Params> withBits(const Params&, int bits) {
    for (const BdrFormat& f : kFormats)
        if (f.mantissaBits + 1 == bits) return Params::fromJson(specs(), {{"format", f.id}}, "codec bdr");
    return Error::invalid(fmt::format(
        "elements of MX4, MX6 and MX9 have 3, 5 and 8 bits beside what they share, not {}", bits));
}

} // namespace

const CodecDescriptor& codec_bdr() {
    static const CodecDescriptor d{
        .id = "bdr",
        .label = "Shared microexponents (MX9, MX6, MX4)",
        .summary = "An exponent for 16 inputs, a shift of one bit for two, mantissas of 7, 4 or 2 bits",
        .citation =
            "Rouhani et al. 2023, With Shared Microexponents, A Little Shifting Goes a Long Way, ISCA, "
            "arXiv:2302.08007",
        .params = specs(),
        .create = create,
        .withBits = withBits,
        .bits = {3, 5, 8}};
    return d;
}

} // namespace qs
