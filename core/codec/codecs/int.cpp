// SPDX-License-Identifier: Apache-2.0
// int: uniform integer codes 0 .. 2^b - 1 with a scale s and a zero point z (a code): w' = s (q - z), b
// = 2..8. Range of values: s (0 - z) .. s (2^b - 1 - z). Layout: one code per weight, one scale (f16, bf16 or
// f32) and one zero point (b bits; none stored for the symmetric grids) per group; groups run along the input
// dimension, or cover a row, or the whole matrix. Grids, as in the methods' own code (METHODS G1; maxq = 2^b
// - 1):
//   asymmetric  lo = min(0, w), hi = max(0, w); s = (hi - lo) / maxq; z = round(-lo / s); all-zero group:
//   range -1..1   [GPTQ] symmetric   s = 2 max|w| / maxq; z = 2^(b-1): the positive end is clipped by half a
//   step                            [GPTQ sym] absmax      s = max|w| / (2^(b-1) - 1); z = 2^(b-1): zero and
//   both ends are exact                                   [SmoothQuant] minmax      lo, hi without 0; s =
//   max((hi - lo) / maxq, 1e-5); z = clamp(round(-lo / s), 0, maxq)                   [AWQ]
#include "core/codec/bits_param.h"
#include "core/codec/level_codec.h"
#include "core/linalg/grid_kernels.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

enum class Grid { Asymmetric, Symmetric, Absmax, MinMax };

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::integer("bits", "Bits", 4, 2, 8,
                           "Bits per weight. 4 is the usual trade; 3 and 2 need a data-driven method.",
                           "bit"),
        ParamSpec::integer("group", "Group size", 128, -1, 1 << 20,
                           "Inputs that share a scale: 32 to 128 is usual. -1: one scale per output channel; "
                           "0: one for the whole tensor. "
                           "Must divide the row length."),
        ParamSpec::choice("grid", "Grid", "asymmetric", {"asymmetric", "symmetric", "absmax", "minmax"},
                          "asymmetric: range with 0 inside and a zero point (GPTQ). symmetric: centred, no "
                          "zero point, what vLLM loads. "
                          "absmax: centred, both ends exact (SmoothQuant). minmax: range as it is (AWQ)."),
        ParamSpec::choice(
            "scale_dtype", "Scale type", "f16", {"f16", "bf16", "f32"},
            "How scales are stored. Codes are computed against the stored value; GPTQ files need f16.")
            .asAdvanced()};
    return list;
}

class IntCodec final : public Codec {
public:
    IntCodec(Params params, int bits, long long group, Grid grid, DType scaleType)
        : params_(std::move(params)), bits_(bits), group_(group), grid_(grid), scaleType_(scaleType) {}

    const std::string& id() const override {
        static const std::string name = "int";
        return name;
    }
    const Params& params() const override { return params_; }
    int bits() const override { return bits_; }
    int levels() const override { return 1 << bits_; }
    DType scaleType() const override { return scaleType_; }
    bool symmetric() const override { return grid_ == Grid::Symmetric || grid_ == Grid::Absmax; }

    std::string label() const override {
        const std::string group = group_ > 0    ? fmt::format("g{}", group_)
                                  : group_ == 0 ? "tensor"
                                                : "channel";
        static const char* const grids[] = {"asym", "sym", "absmax", "minmax"};
        return fmt::format("int{} {} {}", bits_, group, grids[int(grid_)]);
    }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        if (rows == 0 || cols == 0)
            return Error::invalid(fmt::format("an empty matrix [{}, {}] cannot be quantized", rows, cols));
        if (group_ == 0) return GroupLayout{1, 1, cols};
        if (group_ < 0) return GroupLayout{rows, 1, cols};
        if (cols % size_t(group_) != 0)
            return Error::invalid(fmt::format("row length {} is not a multiple of group {}", cols, group_));
        return GroupLayout{rows, cols / size_t(group_), size_t(group_)};
    }

    Result<StoredBits> storedBits(size_t rows, size_t cols, bool withIndex) const override {
        QS_TRY(const GroupLayout l, layout(rows, cols));
        StoredBits bits;
        bits.codes = uint64_t(rows) * cols * uint64_t(bits_);
        bits.scales = uint64_t(l.scaleRows) * l.groups * uint64_t(dtypeInfo(scaleType_).bits);
        if (!symmetric()) bits.zeros = uint64_t(l.scaleRows) * l.groups * uint64_t(bits_);
        if (withIndex) bits.index = uint64_t(cols) * 32;
        return bits;
    }

    void fitRange(float lo, float hi, float& scale, float& zero) const override {
        const float maxq = float(levels() - 1), middle = float(1 << (bits_ - 1));
        if (grid_ != Grid::MinMax) {
            lo = std::min(lo, 0.0f);
            hi = std::max(hi, 0.0f);
            if (lo == 0 && hi == 0) {
                lo = -1;
                hi = 1;
            }
        }
        switch (grid_) {
        case Grid::Asymmetric:
            scale = stored((hi - lo) / maxq);
            zero = std::clamp(std::nearbyint(-lo / scale), 0.0f, maxq);
            return;
        case Grid::Symmetric:
            scale = stored(2.0f * std::max(-lo, hi) / maxq);
            zero = middle;
            return;
        case Grid::Absmax:
            scale = stored(std::max(-lo, hi) / (middle - 1.0f));
            zero = middle;
            return;
        case Grid::MinMax:
            scale = stored(std::max((hi - lo) / maxq, 1e-5f));
            zero = std::clamp(std::nearbyint(-lo / scale), 0.0f, maxq);
            return;
        }
    }

    void round(const float* values, size_t n, const float* scale, const float* zero, uint8_t* codes,
               float* out) const override {
        roundToGrid(values, n, scale, zero, float(levels() - 1), codes, out);
    }

    float decode(uint8_t code, float scale, float zero) const override {
        return scale * (float(code) - zero);
    }
    std::optional<CodeGrid> grid() const override {
        CodeGrid grid;
        grid.maxCode = levels() - 1;
        return grid;
    }

protected:
    // As the general one, without a call and a division per value.
    void decodeRows(const QuantizedTensor& q, size_t firstRow, MatrixView out) const override {
        for (size_t r = 0; r < out.rows; ++r) {
            const size_t row = firstRow + r, p = q.parameterRow(row);
            const uint8_t* codes = q.codes.data() + row * q.cols;
            for (size_t c = 0, next = 0; c < q.cols; c = next) {
                const size_t g = q.groupOf(c);
                next = q.groupOfColumn.empty() ? std::min(q.cols, c + q.layout.groupSize) : c + 1;
                decodeUniform(codes + c, next - c, q.scale(p, g), q.zero(p, g), 0, out.row(r) + c);
            }
        }
    }

private:
    float stored(float scale) const { return storedScale(scale, scaleType_); }

    Params params_;
    int bits_;
    long long group_;
    Grid grid_;
    DType scaleType_;
};

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    // Re-validated, so that a codec can be made from whatever a file held.
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec int"));
    const std::string& grid = p.choice("grid");
    const Grid g = grid == "symmetric" ? Grid::Symmetric
                   : grid == "absmax"  ? Grid::Absmax
                   : grid == "minmax"  ? Grid::MinMax
                                       : Grid::Asymmetric;
    const std::string& type = p.choice("scale_dtype");
    const DType scaleType = type == "f32" ? DType::F32 : type == "bf16" ? DType::BF16 : DType::F16;
    const int bits = int(p.integer("bits"));
    const long long group = p.integer("group");
    return std::make_shared<const IntCodec>(std::move(p), bits, group, g, scaleType);
}

} // namespace

const CodecDescriptor& codec_int() {
    static const CodecDescriptor d{
        .id = "int",
        .label = "Integer",
        .summary = "Uniform integers of 2 to 8 bits with a scale per tensor, channel or group",
        .citation = "Jacob et al. 2018, arXiv:1712.05877; grids as in GPTQ, AWQ and SmoothQuant",
        .params = specs(),
        .create = create,
        .withBits = [](const Params& params,
                       int bits) { return withBitsParam(specs(), params, bits, "int"); },
        .bits = {2, 3, 4, 5, 6, 7, 8}};
    return d;
}

} // namespace qs
