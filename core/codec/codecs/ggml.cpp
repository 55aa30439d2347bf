// SPDX-License-Identifier: Apache-2.0
// ggml: the block formats of llama.cpp as targets of any method. w' = s v(q) - m; the values v of the codes,
// the groups, and what is stored of s and m are those of the chosen type (ggml_grid.h). In the parameter
// matrices `scale` is s and `zero` is m, both as the file gives them.
#include "core/codec/ggml_grid.h"
#include "core/linalg/grid_kernels.h"
#include "core/tensor/ggml_blocks.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

const ParamSpecs& specs() {
    static const ParamSpecs list = [] {
        std::vector<std::string> ids;
        for (const GgmlGrid& g : ggmlGrids())
            ids.emplace_back(g.id);
        return ParamSpecs{ParamSpec::choice(
            "type", "Type", "q4_k", ids,
            "q4_k and its like (K-quants, iq4_xs) keep scales of scales in super-blocks of 256 inputs; the "
            "others need rows of a multiple of 32. q2_k to q6_k, q8_0: by bits; iq4_nl and mxfp4 have uneven "
            "steps.")};
    }();
    return list;
}

/// Of the types that rows of any multiple of 32 can have.
std::string typesOfBlock32() {
    std::string names;
    for (const GgmlGrid& g : ggmlGrids())
        if (g.block == 32) names += (names.empty() ? "" : ", ") + std::string(g.name());
    return names;
}

class GgmlCodec final : public Codec {
public:
    GgmlCodec(Params params, const GgmlGrid& grid) : params_(std::move(params)), grid_(grid) {}

    const std::string& id() const override {
        static const std::string name = "ggml";
        return name;
    }
    const Params& params() const override { return params_; }
    int bits() const override { return grid_.bits; }
    int levels() const override { return grid_.levels; }
    std::string label() const override { return std::string(grid_.name()); }
    DType scaleType() const override { return DType::F32; }
    bool symmetric() const override { return !grid_.offset; }
    bool isIntegerGrid() const override { return false; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        if (rows == 0 || cols == 0)
            return Error::invalid(fmt::format("an empty matrix [{}, {}] cannot be quantized", rows, cols));
        if (cols % grid_.block == 0) return GroupLayout{rows, cols / grid_.group, grid_.group};
        std::string message = fmt::format("row length {} is not a multiple of {}, the block of {}", cols,
                                          grid_.block, grid_.name());
        if (cols % 32 == 0) message += fmt::format("; {} take it", typesOfBlock32());
        return Error::invalid(message);
    }

    Result<StoredBits> storedBits(size_t rows, size_t cols, bool withIndex) const override {
        QS_CHECK(layout(rows, cols));
        StoredBits bits;
        bits.codes = uint64_t(rows) * cols * uint64_t(grid_.bits);
        bits.scales = uint64_t(rows) * (cols / grid_.block) * grid_.ggml().bytes * 8 - bits.codes;
        if (withIndex) bits.index = uint64_t(cols) * 32;
        return bits;
    }

    void fitRange(float lo, float hi, float& scale, float& zero) const override {
        // A block whose groups are all alike.
        std::array<float, 256> values;
        for (size_t i = 0; i < grid_.block; ++i)
            values[i] = i % 2 == 0 ? lo : hi;
        const GgmlScales s = fitGgmlBlock(grid_, {values.data(), grid_.block}, {}, {});
        scale = s.scaleOf(0);
        zero = s.offsetOf(grid_, 0);
    }

    size_t fitColumns() const override { return grid_.block; }

    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const override {
        const GgmlScales s = fitGgmlBlock(grid_, values, importance, rule);
        const size_t first = column / grid_.group;
        for (size_t g = 0; g < grid_.groups(); ++g) {
            q.scale(row, first + g) = s.scaleOf(g);
            q.zero(row, first + g) = s.offsetOf(grid_, g);
        }
        if (!grid_.superBlocks()) return;
        q.superScale(row, column / grid_.block) = s.d;
        if (grid_.offset) q.superZero(row, column / grid_.block) = s.dmin;
    }

    void allocateParameters(QuantizedTensor& q) const override {
        Codec::allocateParameters(q);
        if (!grid_.superBlocks()) return;
        q.superScale = Matrix(q.rows, q.cols / grid_.block);
        if (grid_.offset) q.superZero = Matrix(q.rows, q.cols / grid_.block);
    }

    void round(const float* values, size_t n, const float* scale, const float* zero, uint8_t* codes,
               float* out) const override {
        for (size_t begin = 0, end = 0; begin < n; begin = end) {
            while (end < n && scale[end] == scale[begin] && zero[end] == zero[begin])
                ++end;
            roundToGrid(grid_, values + begin, end - begin, scale[begin], zero[begin], codes + begin);
            if (!grid_.table)
                decodeUniform(codes + begin, end - begin, scale[begin], float(grid_.centre), zero[begin],
                              out + begin);
        }
        for (size_t i = 0; grid_.table && i < n; ++i)
            out[i] = scale[i] * grid_.value(codes[i]) - zero[i];
    }

    float decode(uint8_t code, float scale, float zero) const override {
        return scale * grid_.value(code) - zero;
    }
    double level(double value, float scale, float zero) const override {
        return scale != 0 ? (value + double(zero)) / double(scale) + grid_.centre : grid_.centre;
    }

    Result<void> checkParameters(const QuantizedTensor& q) const override;

protected:
    // As the general one, without a call per value.
    void decodeRows(const QuantizedTensor& q, size_t firstRow, MatrixView out) const override {
        if (grid_.table || !q.groupOfColumn.empty()) return Codec::decodeRows(q, firstRow, out);
        for (size_t r = 0; r < out.rows; ++r) {
            const uint8_t* codes = q.codes.data() + (firstRow + r) * q.cols;
            for (size_t g = 0, c = 0; c < q.cols; ++g, c += grid_.group)
                decodeUniform(codes + c, std::min<size_t>(grid_.group, q.cols - c), q.scale(firstRow + r, g),
                              float(grid_.centre), q.zero(firstRow + r, g), out.row(r) + c);
        }
    }

private:
    Params params_;
    const GgmlGrid& grid_;
};

std::string place(const char* name, size_t row, size_t column) {
    return fmt::format("{}[{}, {}]", name, row, column);
}

bool isPowerOfTwo(float v) {
    int exponent = 0;
    return v > 0 && std::frexp(v, &exponent) == 0.5f && exponent >= -127 && exponent <= 127;
}

/// Every parameter is an integer lo .. hi times the value of its super-block.
Result<void> checkIntegers(const char* name, const Matrix& m, const Matrix& super, int lo, int hi) {
    const size_t perBlock = m.cols() / super.cols();
    for (size_t r = 0; r < m.rows(); ++r)
        for (size_t g = 0; g < m.cols(); ++g) {
            const float d = super(r, g / perBlock), v = m(r, g);
            const float c = d != 0 ? std::nearbyint(v / d) : 0;
            if (c >= float(lo) && c <= float(hi) && c * d == v) continue;
            return Error::invalid(fmt::format("{} = {:.9g} is not {} .. {} times the super-block's {:.9g}",
                                              place(name, r, g), v, lo, hi, d));
        }
    return {};
}

Result<void> checkHalf(const char* name, const Matrix& m) {
    for (size_t i = 0; i < m.size(); ++i)
        if (!isHalf(m.data()[i]))
            return Error::invalid(fmt::format("{} = {:.9g} is not representable as f16",
                                              place(name, i / m.cols(), i % m.cols()), m.data()[i]));
    return {};
}

Result<void> GgmlCodec::checkParameters(const QuantizedTensor& q) const {
    const size_t blocks = grid_.superBlocks() ? q.cols / grid_.block : 0;
    for (const auto& [name, m, wanted] : {std::tuple("super_scale", &q.superScale, blocks),
                                          std::tuple("super_zero", &q.superZero, grid_.offset ? blocks : 0)})
        if (m->cols() != wanted || (wanted > 0 && m->rows() != q.rows))
            return Error::invalid(fmt::format("{} is [{}, {}], {} needs [{}, {}]", name, m->rows(), m->cols(),
                                              label(), wanted > 0 ? q.rows : 0, wanted));
    if (grid_.superBlocks()) {
        QS_CHECK(checkHalf("super_scale", q.superScale));
        QS_CHECK(checkHalf("super_zero", q.superZero));
        QS_CHECK(checkIntegers("scale", q.scale, q.superScale, grid_.scaleLow, grid_.scaleHigh));
        if (grid_.offset) return checkIntegers("zero", q.zero, q.superZero, 0, grid_.offsetHigh);
    } else if (!grid_.powerOfTwo) {
        QS_CHECK(checkHalf("scale", q.scale));
        if (grid_.offset) return checkHalf("zero", q.zero);
    } else {
        for (size_t i = 0; i < q.scale.size(); ++i)
            if (const float v = q.scale.data()[i]; !isPowerOfTwo(v))
                return Error::invalid(fmt::format("{} = {:.9g} is not a power of two",
                                                  place("scale", i / q.scale.cols(), i % q.scale.cols()), v));
    }
    for (size_t i = 0; i < q.zero.size(); ++i)
        if (q.zero.data()[i] != 0)
            return Error::invalid(fmt::format("{} = {:.9g}, {} has no offsets",
                                              place("zero", i / q.zero.cols(), i % q.zero.cols()),
                                              q.zero.data()[i], label()));
    return {};
}

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec ggml"));
    const GgmlGrid& grid = *ggmlGrid(p.choice("type"));
    return std::make_shared<const GgmlCodec>(std::move(p), grid);
}

/// Among types with the same block where there is one: rows keep fitting.
Result<Params> withBits(const Params& params, int bits) {
    QS_TRY(const Params before, Params::fromJson(specs(), params.toJson(), "codec ggml"));
    const uint32_t block = ggmlGrid(before.choice("type"))->block;
    static constexpr std::string_view kSuper[] = {"q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "q8_0"};
    static constexpr std::string_view kPlain[] = {"q4_0", "q5_0", "q8_0"};
    const auto types = block == 256 ? std::span<const std::string_view>(kSuper) : std::span(kPlain);
    for (const std::string_view id : types)
        if (ggmlGrid(id)->bits == bits) return Params::fromJson(specs(), {{"type", id}}, "codec ggml");
    return Error::invalid(
        block == 256 ? fmt::format("there is no type of {} bits; K-quants have 2 to 6, Q8_0 has 8", bits)
                     : fmt::format("no type with blocks of 32 has {} bits; there are 4, 5 and 8 "
                                   "(K-quants, with rows of a multiple of 256, have 2 to 6)",
                                   bits));
}

} // namespace

const CodecDescriptor& codec_ggml() {
    static const CodecDescriptor d{.id = "ggml",
                                   .label = "ggml block (GGUF)",
                                   .summary = "The block formats of llama.cpp, K-quants among them: what a "
                                              "method rounds into is stored as it is in a GGUF file",
                                   .citation = "ggml-org/llama.cpp, ggml-common.h; OCP MX 1.0 for MXFP4",
                                   .params = specs(),
                                   .create = create,
                                   .withBits = withBits,
                                   .bits = {2, 3, 4, 5, 6, 8}};
    return d;
}

} // namespace qs
