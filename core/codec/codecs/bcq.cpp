// SPDX-License-Identifier: Apache-2.0
// bcq: binary-coded weights, w' = z + sum_i a_i b_i, b_i in {-1, +1}, i = 1 .. b, b = 1..4: every group of
// inputs of a row has its own b scales, the largest first, and an offset. Found greedily and then by
// alternating least squares (binary_fit.h); with 1 bit and no such round it is XNOR's mean + mean|w - mean|
// sign(w - mean). Codes are the b signs, a_1's the highest bit, 1 for +1.
//
// Layout: b bit planes; per group a_1 as f16 or f32 (`scale`), and `zero`. With 1 bit that is z in the same
// type. With more it is an integer of 24 bits, which float32 holds exactly, in b fields of f = 24 / b bits
// from the lowest on: a_2 .. a_b as k / 2^(f-1) of a_1, k = 0 .. 2^(f-1); then z as (k - 2^(f-1)) / 2^(f-1)
// of a_1, k = 0 .. 2^f - 1.
#include "core/codec/binary_packing.h"
#include "core/codec/bits_param.h"
#include "core/codec/scale_groups.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::integer("bits", "Bits", 2, 1, kMostPlanes, "Signs, and scales per group, of a weight.",
                           "bit"),
        ParamSpec::integer("group", "Group size", 128, 8, 1 << 20,
                           "Inputs that share the scales and the offset. Must divide the row length."),
        ParamSpec::integer("rounds", "Rounds", 15, 0, 100,
                           "Of alternating least squares, at most. 0 keeps the greedy start: with 1 bit the "
                           "binarization of XNOR-Net."),
        ParamSpec::choice("scale_dtype", "Scale type", "f16", {"f16", "f32"},
                          "How the first scale of a group is stored, the others as shares of it.")
            .asAdvanced()};
    return list;
}

class BcqCodec final : public Codec {
public:
    BcqCodec(Params params, int bits, size_t group, int rounds, DType type)
        : params_(std::move(params))
        , bits_(bits)
        , group_(group)
        , rounds_(rounds)
        , type_(type)
        , packing_(bits, type) {}

    const std::string& id() const override {
        static const std::string name = "bcq";
        return name;
    }
    const Params& params() const override { return params_; }
    int bits() const override { return bits_; }
    int levels() const override { return 1 << bits_; }
    std::string label() const override {
        return fmt::format("bcq{} g{}{}", bits_, group_, rounds_ == 0 ? " greedy" : "");
    }
    DType scaleType() const override { return type_; }
    bool symmetric() const override { return false; }
    bool isIntegerGrid() const override { return false; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        return groupsOf(rows, cols, group_);
    }

    Result<StoredBits> storedBits(size_t rows, size_t cols, bool withIndex) const override {
        QS_TRY(const GroupLayout l, layout(rows, cols));
        const uint64_t groups = uint64_t(l.scaleRows) * l.groups;
        StoredBits out;
        out.codes = uint64_t(rows) * cols * uint64_t(bits_);
        out.scales = groups * packing_.scaleBits();
        out.zeros = groups * packing_.zeroBits();
        if (withIndex) out.index = uint64_t(cols) * 32;
        return out;
    }

    void fitRange(float lo, float hi, float& scale, float& zero) const override {
        // Even levels from lo to hi: each plane half as large as the one before.
        BinaryBasis basis{bits_};
        basis.offset = (double(lo) + double(hi)) / 2;
        for (int p = 0; p < bits_; ++p)
            basis.scales[size_t(p)] =
                (double(hi) - double(lo)) / 2 * (1 << (bits_ - 1 - p)) / ((1 << bits_) - 1);
        packing_.pack(basis, scale, zero);
    }

    size_t fitColumns() const override { return group_; }

    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const override {
        std::vector<float> inside(values.begin(), values.end());
        if (!rule.search && rule.clip < 1) {
            const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
            const float low = *lo < 0 ? rule.clip * *lo : *lo, high = *hi > 0 ? rule.clip * *hi : *hi;
            for (float& v : inside)
                v = std::clamp(v, low, high);
        }
        BinaryBasis basis = fitBinary(inside, importance, bits_, rounds_);
        // Values far from 0 that differ little: the offset takes a plane of its own.
        if (!packing_.holdsOffset(basis))
            basis = offsetAsPlane(fitBinary(inside, importance, bits_ - 1, rounds_));
        packing_.pack(basis, q.scale(row, column / group_), q.zero(row, column / group_));
    }

    void round(const float* values, size_t n, const float* scale, const float* zero, uint8_t* codes,
               float* out) const override {
        for (size_t begin = 0, end = 0; begin < n; begin = end) {
            while (end < n && scale[end] == scale[begin] && zero[end] == zero[begin])
                ++end;
            const BinaryLevels levels = packing_.unpack(scale[begin], zero[begin]).levels();
            for (size_t i = begin; i < end; ++i) {
                codes[i] = levels.nearest(double(values[i]));
                out[i] = float(levels.values[codes[i]]);
            }
        }
    }

    float decode(uint8_t code, float scale, float zero) const override {
        return float(packing_.unpack(scale, zero).value(code));
    }

    /// Among the sorted values; codes need not be in their order.
    double level(double value, float scale, float zero) const override {
        const BinaryLevels levels = packing_.unpack(scale, zero).levels();
        std::vector<float> sorted(levels.values.begin(), levels.values.begin() + levels.count);
        std::sort(sorted.begin(), sorted.end());
        sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
        return sorted.size() < 2 ? 0 : Levels(std::move(sorted)).position(value);
    }

    Result<void> checkParameters(const QuantizedTensor& q) const override {
        QS_CHECK(Codec::checkParameters(q));
        for (size_t r = 0; r < q.scale.rows(); ++r)
            for (size_t g = 0; g < q.scale.cols(); ++g)
                if (const std::string fault = packing_.fault(q.scale(r, g), q.zero(r, g)); !fault.empty())
                    return Error::invalid(fmt::format("group [{}, {}]: {}", r, g, fault));
        return {};
    }

private:
    Params params_;
    int bits_;
    size_t group_;
    int rounds_;
    DType type_;
    BinaryPacking packing_;
};

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec bcq"));
    const int bits = int(p.integer("bits")), rounds = int(p.integer("rounds"));
    const size_t group = size_t(p.integer("group"));
    const DType type = p.choice("scale_dtype") == "f16" ? DType::F16 : DType::F32;
    return std::make_shared<const BcqCodec>(std::move(p), bits, group, rounds, type);
}

} // namespace

const CodecDescriptor& codec_bcq() {
    static const CodecDescriptor d{
        .id = "bcq",
        .label = "Binary-coded",
        .summary = "An offset and a sum of 1 to 4 signed scales per group, by alternating least squares",
        .citation =
            "Xu et al. 2018, arXiv:1802.00150; Rastegari et al. 2016, arXiv:1603.05279 (XNOR-Net); Park et "
            "al. 2022, arXiv:2206.09557 (LUT-GEMM)",
        .params = specs(),
        .create = create,
        .withBits = [](const Params& params,
                       int bits) { return withBitsParam(specs(), params, bits, "bcq"); },
        .bits = {1, 2, 3, 4}};
    return d;
}

} // namespace qs
