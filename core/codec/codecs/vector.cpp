// SPDX-License-Identifier: Apache-2.0
// vector: v rows of one column share an index into a codebook of vectors, w' = s (C[i] + R[k]): s of the
// group, C the codebook, R one for what C leaves, if asked for. Codebooks are fitted to the tensor by
// weighted k-means (VPTQ), or are those that suit normal values (HIGGS), which rotated weights are. With a
// projection C = D P^T: vectors D of fewer dimensions, fitted among the weights' principal axes P (LR2VQ).
//
// Codes: with b bits per weight C has 2^(b v) vectors. Row j of the v holds bits j b .. j b + b - 1 of the
// index, and above them its bits of the index into R. The last vector of a column may have fewer rows, and
// then chooses among the first 2^(b rows).
// Layout: one code of b bits per weight; one scale (f16, bf16 or f32) per group, row or matrix, the root mean
// square of its weights; fitted codebooks in QuantizedTensor::tables [vectors of C and R, v] as f16, with a
// projection of d dimensions D and below it P: [vectors + v, d].
#include "core/codec/gaussian_codebook.h"
#include "core/codec/scale_groups.h"
#include "core/linalg/blas.h"
#include "core/linalg/decompose.h"
#include "core/linalg/kmeans.h"

#include <array>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

namespace qs {

namespace {

constexpr int kMostIndexBits = 12, kMostGaussianBits = 8;
constexpr size_t kMostLength = 8, kPointsPerVector = 64;

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::integer("bits", "Bits", 2, 1, 4, "Bits of the index per weight.", "bit"),
        ParamSpec::choice("length", "Vector length", "4", {"2", "4", "8"},
                          "Output channels that share an index. Bits times length must be at most 12: longer "
                          "vectors fit weights better and cost more time and larger codebooks."),
        ParamSpec::integer("residual", "Residual bits", 0, 0, 4,
                           "Bits per weight of a second codebook for what the first leaves; 0: none.", "bit"),
        ParamSpec::integer(
            "projection", "Projection", 0, 0, 7,
            "Dimensions of the space that the codebook is fitted in, the principal axes of the "
            "vectors; fewer than a vector has. 0: none. Smaller codebooks for long vectors.",
            "dim"),
        ParamSpec::choice(
            "codebook", "Codebook", "fitted", {"fitted", "gaussian"},
            "fitted: to the tensor, weighted by how active inputs are where the method knows it; "
            "stored with it. gaussian: the one that suits normal values, for rotated weights; "
            "at most 8 bits an index, no residual."),
        ScaleGroups::sizeParam(-1, "Inputs that share a scale. -1: those of an output channel; 0: the whole "
                                   "tensor; 128 or 256 where rows are uneven."),
        ScaleGroups::typeParam()};
    return list;
}

/// Both codebooks, ready to be searched.
struct Codebooks {
    linalg::NearestCenter first;
    std::optional<linalg::NearestCenter> residual;

    static Codebooks of(const Matrix& tables, size_t firstCount) {
        const ConstMatrixView all = tables.view();
        Codebooks out{linalg::NearestCenter(all.block(0, firstCount, 0, all.cols)), {}};
        if (all.rows > firstCount)
            out.residual.emplace(all.block(firstCount, all.rows - firstCount, 0, all.cols));
        return out;
    }
};

/// Vectors of a matrix on scales of 1, drawn without repetition where there are many, with their weights.
struct TrainingSet {
    Matrix points;
    std::vector<float> weights;
};

class VectorCodec final : public Codec {
public:
    explicit VectorCodec(Params params, std::shared_ptr<const Codebooks> codebooks = nullptr)
        : params_(std::move(params))
        , groups_(ScaleGroups::of(params_))
        , indexBits_(int(params_.integer("bits")))
        , residualBits_(int(params_.integer("residual")))
        , length_(size_t(params_.choice("length")[0] - '0'))
        , projection_(size_t(params_.integer("projection")))
        , codebooks_(std::move(codebooks)) {}

    const std::string& id() const override {
        static const std::string name = "vector";
        return name;
    }
    const Params& params() const override { return params_; }
    int bits() const override { return indexBits_ + residualBits_; }
    int levels() const override { return 1 << bits(); }
    std::string label() const override {
        std::string out = fmt::format("vq{}", indexBits_);
        if (residualBits_) out += fmt::format("+{}", residualBits_);
        out += fmt::format(" v{}", length_);
        if (projection_) out += fmt::format(" of {} axes", projection_);
        return out + " " + groups_.label() + (isFitted() ? "" : " gauss");
    }
    DType scaleType() const override { return groups_.type; }
    bool symmetric() const override { return true; }
    bool isIntegerGrid() const override { return false; }
    bool hasLevels() const override { return false; }
    size_t vectorRows() const override { return length_; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override { return groups_.layout(rows, cols); }
    Result<StoredBits> storedBits(size_t rows, size_t cols, bool withIndex) const override {
        QS_TRY(const GroupLayout l, layout(rows, cols));
        StoredBits out;
        out.codes = uint64_t(rows) * cols * uint64_t(bits());
        out.scales = groups_.bits(l);
        if (isFitted()) out.tables = uint64_t(tableRows()) * tableColumns() * 16;
        if (withIndex) out.index = uint64_t(cols) * 32;
        return out;
    }

    void fitRange(float lo, float hi, float& scale, float& zero) const override {
        scale = groups_.stored(std::max(-lo, hi));
        zero = 0;
    }
    size_t fitColumns() const override { return groups_.fitColumns(); }
    void fitBlock(std::span<const float> values, std::span<const float>, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const override {
        q.scale(row, column / q.layout.groupSize) = scaleOf(values, rule.clip);
        q.zero(row, column / q.layout.groupSize) = 0;
    }
    void allocateParameters(QuantizedTensor& q) const override {
        Codec::allocateParameters(q);
        if (isFitted()) q.tables = Matrix(tableRows(), tableColumns());
    }
    void prepareParameters(ConstMatrixView weight, std::span<const float> importance,
                           QuantizedTensor& q) const override {
        allocateParameters(q);
        if (isFitted()) fitCodebooks(weight, importance, q);
    }

    std::unique_ptr<const Codec> reading(const Matrix& tables) const override {
        const Matrix lifted = projection_ ? lift(tables) : Matrix();
        const Matrix& entries = projection_  ? lifted
                                : isFitted() ? tables
                                             : gaussianCodebook(length_, indexBits_ * int(length_));
        return std::make_unique<VectorCodec>(
            params_, std::make_shared<const Codebooks>(Codebooks::of(entries, vectorsOf(indexBits_))));
    }
    void round(const float* values, size_t n, const float* scale, const float*, uint8_t* codes,
               float* out) const override {
        for (size_t i = 0; i < n; i += length_) {
            const size_t count = std::min(length_, n - i);
            roundVector({values + i, count}, {scale + i, count}, codes + i, out + i);
        }
    }
    float decode(uint8_t, float, float) const override { return 0; } // a code alone has no value
    double level(double value, float scale, float) const override {
        return scale != 0 ? value / double(scale) : 0;
    }
    Result<void> checkParameters(const QuantizedTensor& q) const override;

protected:
    void decodeRows(const QuantizedTensor& q, size_t firstRow, MatrixView out) const override {
        for (size_t r = 0; r < out.rows; ++r) {
            const size_t row = firstRow + r, begin = row / length_ * length_;
            const size_t count = std::min(length_, q.rows - begin), p = q.parameterRow(row);
            for (size_t c = 0; c < q.cols; ++c) {
                const uint8_t* codes = q.codes.data() + begin * q.cols + c;
                float value =
                    codebooks_->first.value(index(codes, q.cols, count, 0, indexBits_), row - begin);
                if (codebooks_->residual)
                    value += codebooks_->residual->value(
                        index(codes, q.cols, count, indexBits_, residualBits_), row - begin);
                out(r, c) = q.scale(p, q.groupOf(c)) * value;
            }
        }
    }

private:
    bool isFitted() const { return params_.choice("codebook") == "fitted"; }
    size_t vectorsOf(int bits) const { return bits > 0 ? size_t(1) << (size_t(bits) * length_) : 0; }
    size_t tableRows() const {
        return vectorsOf(indexBits_) + (projection_ ? length_ : vectorsOf(residualBits_));
    }
    size_t tableColumns() const { return projection_ ? projection_ : length_; }

    /// D P^T.
    Matrix lift(const Matrix& tables) const {
        const size_t vectors = vectorsOf(indexBits_);
        Matrix out(vectors, length_);
        linalg::gemm(false, true, 1.0f, tables.view().block(0, vectors, 0, projection_),
                     tables.view().block(vectors, length_, 0, projection_), 0.0f, out.view());
        return out;
    }

    float scaleOf(std::span<const float> values, float clip) const {
        double squares = 0;
        for (const float v : values)
            squares += double(v) * double(v);
        return groups_.stored(clip * float(std::sqrt(squares / double(values.size()))));
    }

    /// The index that `count` rows, `stride` codes apart, hold in bits shift .. shift + bits - 1.
    static size_t index(const uint8_t* codes, size_t stride, size_t count, int shift, int bits) {
        size_t out = 0;
        for (size_t j = 0; j < count; ++j)
            out |= ((size_t(codes[j * stride]) >> shift) & ((size_t(1) << bits) - 1)) << (j * size_t(bits));
        return out;
    }

    void roundVector(std::span<const float> values, std::span<const float> scale, uint8_t* codes,
                     float* out) const {
        const Codebooks& books = *codebooks_;
        const auto among = [&](int bits) { return size_t(1) << (size_t(bits) * values.size()); };
        const size_t i = books.first.nearest(values, scale, among(indexBits_));
        std::array<float, kMostLength> left{};
        for (size_t j = 0; j < values.size(); ++j) {
            out[j] = scale[j] * books.first.value(i, j);
            left[j] = values[j] - out[j];
        }
        size_t k = 0;
        if (books.residual)
            k = books.residual->nearest({left.data(), values.size()}, scale, among(residualBits_));
        const auto part = [](size_t index, size_t j, int bits) {
            return (index >> (j * size_t(bits))) & ((size_t(1) << bits) - 1);
        };
        for (size_t j = 0; j < values.size(); ++j) {
            codes[j] = uint8_t(part(i, j, indexBits_) | part(k, j, residualBits_) << indexBits_);
            if (books.residual) // as decodeRows computes it
                out[j] = scale[j] * (books.first.value(i, j) + books.residual->value(k, j));
        }
    }

    void fitCodebooks(ConstMatrixView weight, std::span<const float> importance, QuantizedTensor& q) const;
    void fitProjected(const TrainingSet& set, QuantizedTensor& q) const;

    Params params_;
    ScaleGroups groups_;
    int indexBits_, residualBits_;
    size_t length_, projection_;
    std::shared_ptr<const Codebooks> codebooks_;
};

TrainingSet drawVectors(ConstMatrixView weight, std::span<const float> importance, const QuantizedTensor& q,
                        size_t length, size_t most) {
    const size_t perColumn = std::max<size_t>(1, weight.rows / length), all = perColumn * weight.cols;
    std::vector<uint64_t> chosen(all);
    std::iota(chosen.begin(), chosen.end(), uint64_t(0));
    std::mt19937_64 random(1);
    const size_t count = std::min(all, most);
    for (size_t i = 0; i < count && count < all; ++i)
        std::swap(chosen[i], chosen[i + random() % (all - i)]);
    TrainingSet out{Matrix(count, length), std::vector<float>(count)};
    for (size_t i = 0; i < count; ++i) {
        const size_t row = chosen[i] / weight.cols * length, column = chosen[i] % weight.cols;
        double squares = 0;
        for (size_t j = 0; j < length && row + j < weight.rows; ++j) {
            const float scale = q.scale(q.parameterRow(row + j), q.groupOf(column));
            out.points(i, j) = weight(row + j, column) / scale;
            squares += double(scale) * double(scale);
        }
        out.weights[i] = float(squares) * (importance.empty() ? 1.0f : importance[column]);
    }
    return out;
}

float halfOf(float v) {
    return halfToFloat(floatToHalf(v));
}

void VectorCodec::fitProjected(const TrainingSet& set, QuantizedTensor& q) const {
    const size_t vectors = vectorsOf(indexBits_);
    MatrixD moments(length_, length_);
    for (size_t n = 0; n < set.points.rows(); ++n)
        for (size_t i = 0; i < length_; ++i)
            for (size_t j = 0; j < length_; ++j)
                moments(i, j) += double(set.weights[n]) * double(set.points(n, i)) * double(set.points(n, j));
    const linalg::SymmetricEigen axes = linalg::symmetricEigen(moments.view());
    for (size_t i = 0; i < length_; ++i)
        for (size_t j = 0; j < projection_; ++j)
            q.tables(vectors + i, j) = halfOf(float(axes.vectors(i, j)));
    Matrix points(set.points.rows(), projection_);
    linalg::gemm(false, false, 1.0f, set.points.view(),
                 std::as_const(q.tables).view().block(vectors, length_, 0, projection_), 0.0f, points.view());
    const Matrix centers = linalg::kMeans(std::as_const(points).view(), set.weights,
                                          {.clusters = vectors, .stop = 1e-3, .seed = 1});
    for (size_t i = 0; i < centers.size(); ++i)
        q.tables.data()[i] = halfOf(centers.data()[i]);
}

void VectorCodec::fitCodebooks(ConstMatrixView weight, std::span<const float> importance,
                               QuantizedTensor& q) const {
    // The scales of the weights as they are; methods may fit them again on the way.
    for (size_t p = 0; p < q.layout.scaleRows; ++p)
        for (size_t g = 0; g < q.layout.groups; ++g) {
            std::vector<float> values;
            const size_t last = q.layout.scaleRows == 1 ? weight.rows : p + 1;
            for (size_t r = p; r < last; ++r)
                values.insert(values.end(), weight.row(r) + g * q.layout.groupSize,
                              weight.row(r) + (g + 1) * q.layout.groupSize);
            q.scale(p, g) = scaleOf(values, 1);
        }
    const auto fit = [&](const TrainingSet& set, size_t first, size_t count) {
        const Matrix centers =
            linalg::kMeans(set.points.view(), set.weights, {.clusters = count, .stop = 1e-3, .seed = 1});
        for (size_t i = 0; i < count; ++i)
            for (size_t j = 0; j < length_; ++j)
                q.tables(first + i, j) = halfOf(centers(i, j));
    };
    const size_t vectors = vectorsOf(indexBits_), more = vectorsOf(residualBits_);
    TrainingSet set = drawVectors(weight, importance, q, length_, kPointsPerVector * std::max(vectors, more));
    if (projection_) return fitProjected(set, q);
    fit(set, 0, vectors);
    if (more == 0) return;
    const linalg::NearestCenter book(q.tables.view().block(0, vectors, 0, length_));
    const std::vector<float> ones(length_, 1.0f);
    for (size_t i = 0; i < set.points.rows(); ++i) {
        const size_t nearest = book.nearest(set.points.view().rowSpan(i), ones, vectors);
        for (size_t j = 0; j < length_; ++j)
            set.points(i, j) -= book.value(nearest, j);
    }
    fit(set, vectors, more);
}

Result<void> VectorCodec::checkParameters(const QuantizedTensor& q) const {
    for (size_t i = 0; i < q.scale.size(); ++i) {
        if (!groups_.isStorable(q.scale.data()[i]))
            return Error::invalid(
                fmt::format("scale {} is {:.9g}, not {}", i, q.scale.data()[i], groups_.rule()));
        if (q.zero.data()[i] != 0)
            return Error::invalid(
                fmt::format("zero {} is {:.9g}, {} has no zero points", i, q.zero.data()[i], label()));
    }
    const size_t rows = isFitted() ? tableRows() : 0, cols = isFitted() ? tableColumns() : 0;
    if (q.tables.rows() != rows || q.tables.cols() != cols)
        return Error::invalid(fmt::format("tables are [{}, {}], expected [{}, {}]", q.tables.rows(),
                                          q.tables.cols(), rows, cols));
    for (size_t i = 0; i < q.tables.size(); ++i)
        if (const float v = q.tables.data()[i]; !std::isfinite(v) || halfToFloat(floatToHalf(v)) != v)
            return Error::invalid(
                fmt::format("tables[{}, {}] = {:.9g} is no finite f16", i / cols, i % cols, v));
    return {};
}

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec vector"));
    const bool fitted = p.choice("codebook") == "fitted";
    const int length = p.choice("length")[0] - '0', most = fitted ? kMostIndexBits : kMostGaussianBits;
    for (const char* key : {"bits", "residual"})
        if (p.integer(key) * length > most)
            return Error::invalid(fmt::format("{} {} with vectors of {}: an index has at most {} bits", key,
                                              p.integer(key), length, most),
                                  "codec vector");
    if (!fitted && p.integer("residual") > 0)
        return Error::invalid("a gaussian codebook has no residual", "codec vector");
    if (const long long d = p.integer("projection");
        d >= length || (d > 0 && (!fitted || p.integer("residual") > 0)))
        return Error::invalid(fmt::format("a projection to {} dimensions: it must be fewer than the {} of a "
                                          "vector, of a fitted codebook without a residual",
                                          d, length),
                              "codec vector");
    return std::make_shared<const VectorCodec>(std::move(p));
}

/// The longest vectors that have so many bits each.
Result<Params> withBits(const Params& params, int bits) {
    nlohmann::json object = params.toJson();
    object["bits"] = bits;
    object["residual"] = 0;
    object["projection"] = 0;
    const int most = object["codebook"] == "fitted" ? kMostIndexBits : kMostGaussianBits;
    int length = int(kMostLength);
    while (length > 2 && length * bits > most)
        length /= 2;
    object["length"] = std::to_string(length);
    return Params::fromJson(specs(), object, "codec vector");
}

} // namespace

const CodecDescriptor& codec_vector() {
    static const CodecDescriptor d{
        .id = "vector",
        .label = "Vector codebook",
        .summary = "Several output channels share an index into a codebook fitted to the tensor, with a "
                   "second one for what is left if asked for, or into one for normal values",
        .citation =
            "Liu et al. 2024, arXiv:2409.17066 (VPTQ); Malinovskii et al. 2024, arXiv:2411.17525 "
            "(HIGGS); Zhu et al. 2022, Learning Low-Rank Representations for Model Compression (LR2VQ)",
        .params = specs(),
        .create = create,
        .withBits = withBits,
        .bits = {1, 2, 3, 4}};
    return d;
}

} // namespace qs
