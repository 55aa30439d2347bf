// SPDX-License-Identifier: Apache-2.0
// lut: every output channel, or group of its inputs, has a table of 2^b values of its own, b = 1..8, in
// ascending order; codes count them. The values are the best there are for the weights: exact weighted
// k-means (SqueezeLLM's non-uniform quantization). Layout: one code of b bits per weight;
// QuantizedTensor::tables [rows x groups, 2^b] in f16, bf16 or f32. `scale` is 1 and `zero` the number of the
// table, row x groups + group: neither is stored.
#include "core/codec/bits_param.h"
#include "core/codec/level_codec.h"
#include "core/linalg/kmeans.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace qs {

namespace {

constexpr int kMostBits = 8;
constexpr uint64_t kMostTables = 1 << 24; // float32 counts no further

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::integer("bits", "Bits", 4, 1, kMostBits, "Bits per weight: the table has 2^bits values.",
                           "bit"),
        ParamSpec::integer(
            "group", "Group size", -1, -1, 1 << 20,
            "Inputs that share a table: 256 to 1024 is usual where rows are long; -1: those of "
            "an output channel. A table of 16 values is 256 bits. 0 is none."),
        ParamSpec::choice("table_dtype", "Table type", "f16", {"f16", "bf16", "f32"},
                          "How the values of tables are stored. Codes are computed against the stored value.")
            .asAdvanced()};
    return list;
}

class LutCodec final : public Codec {
public:
    LutCodec(Params params, const Matrix* tables = nullptr)
        : params_(std::move(params)), group_(params_.integer("group")), tables_(tables) {
        const std::string& type = params_.choice("table_dtype");
        type_ = type == "f16" ? DType::F16 : type == "bf16" ? DType::BF16 : DType::F32;
    }

    const std::string& id() const override {
        static const std::string name = "lut";
        return name;
    }
    const Params& params() const override { return params_; }
    int bits() const override { return int(params_.integer("bits")); }
    int levels() const override { return 1 << bits(); }
    std::string label() const override {
        return group_ > 0 ? fmt::format("lut{} g{}", bits(), group_) : fmt::format("lut{} channel", bits());
    }
    DType scaleType() const override { return DType::F32; }
    bool symmetric() const override { return false; }
    bool isIntegerGrid() const override { return false; }
    bool hasLevels() const override { return false; }

    Result<GroupLayout> layout(size_t rows, size_t cols) const override {
        QS_TRY(GroupLayout l, groupsOf(rows, cols, group_ > 0 ? size_t(group_) : cols));
        if (uint64_t(rows) * l.groups > kMostTables)
            return Error::invalid(fmt::format("[{}, {}] in groups of {} needs {} tables, at most {}", rows,
                                              cols, l.groupSize, uint64_t(rows) * l.groups, kMostTables));
        return l;
    }
    Result<StoredBits> storedBits(size_t rows, size_t cols, bool withIndex) const override {
        QS_TRY(const GroupLayout l, layout(rows, cols));
        StoredBits out;
        out.codes = uint64_t(rows) * cols * uint64_t(bits());
        out.tables = uint64_t(rows) * l.groups * uint64_t(levels()) * uint64_t(dtypeInfo(type_).bits);
        if (withIndex) out.index = uint64_t(cols) * 32;
        return out;
    }

    void fitRange(float, float, float& scale, float& zero) const override {
        scale = 1;
        zero = 0;
    }
    size_t fitColumns() const override {
        return group_ > 0 ? size_t(group_) : std::numeric_limits<size_t>::max();
    }
    void allocateParameters(QuantizedTensor& q) const override {
        const GroupLayout& l = q.layout;
        q.scale = Matrix(l.scaleRows, l.groups);
        q.zero = Matrix(l.scaleRows, l.groups);
        q.tables = Matrix(l.scaleRows * l.groups, size_t(levels()));
        for (size_t i = 0; i < q.scale.size(); ++i) {
            q.scale.data()[i] = 1;
            q.zero.data()[i] = float(i);
        }
    }
    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const override {
        std::vector<float> clipped(values.begin(), values.end());
        if (!rule.search && rule.clip < 1) {
            const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
            for (float& v : clipped)
                v = std::clamp(v, rule.clip * *lo, std::max(rule.clip * *lo, rule.clip * *hi));
        }
        const std::vector<float> centers = linalg::kMeansOfLine(clipped, importance, size_t(levels()));
        float* table = q.tables.row(row * q.layout.groups + column / q.layout.groupSize);
        std::transform(centers.begin(), centers.end(), table, [&](float v) { return stored(v); });
    }

    std::unique_ptr<const Codec> reading(const Matrix& tables) const override {
        return std::make_unique<LutCodec>(params_, &tables);
    }
    void round(const float* values, size_t n, const float*, const float* zero, uint8_t* codes,
               float* out) const override {
        for (size_t i = 0; i < n; ++i) {
            const auto table = tableOf(zero[i]);
            const auto after = std::lower_bound(table.begin(), table.end(), values[i]);
            size_t code = size_t(after - table.begin());
            if (code == table.size() || (code > 0 && values[i] - table[code - 1] <= table[code] - values[i]))
                --code;
            codes[i] = uint8_t(code);
            out[i] = table[code];
        }
    }
    float decode(uint8_t code, float, float zero) const override { return tableOf(zero)[code]; }
    double level(double value, float, float zero) const override {
        if (!tables_) return 0;
        const auto table = tableOf(zero);
        const auto after = std::upper_bound(table.begin(), table.end(), value);
        const size_t i =
            size_t(std::clamp<ptrdiff_t>(after - table.begin() - 1, 0, ptrdiff_t(table.size()) - 2));
        const double step = double(table[i + 1]) - double(table[i]);
        return double(i) + (step > 0 ? (value - double(table[i])) / step : 0);
    }
    Result<void> checkParameters(const QuantizedTensor& q) const override;

private:
    std::span<const float> tableOf(float zero) const {
        assert(tables_);
        return tables_->view().rowSpan(size_t(zero));
    }
    float stored(float v) const {
        if (type_ == DType::F32) return v;
        constexpr float kLargestHalf = 65504;
        return type_ == DType::BF16 ? bfloatToFloat(floatToBfloat(v))
                                    : halfToFloat(floatToHalf(std::clamp(v, -kLargestHalf, kLargestHalf)));
    }

    Params params_;
    long long group_;
    DType type_ = DType::F16;
    const Matrix* tables_;
};

Result<void> LutCodec::checkParameters(const QuantizedTensor& q) const {
    if (q.tables.rows() != q.scale.size() || q.tables.cols() != size_t(levels()))
        return Error::invalid(fmt::format("tables are [{}, {}], expected [{}, {}]", q.tables.rows(),
                                          q.tables.cols(), q.scale.size(), levels()));
    for (size_t i = 0; i < q.scale.size(); ++i) {
        if (q.scale.data()[i] != 1)
            return Error::invalid(
                fmt::format("scale {} is {:.9g}, {} has none but 1", i, q.scale.data()[i], label()));
        if (q.zero.data()[i] != float(i))
            return Error::invalid(fmt::format("zero {} is {:.9g}, expected the number of its table, {}", i,
                                              q.zero.data()[i], i));
        for (size_t k = 0; k < q.tables.cols(); ++k) {
            const float v = q.tables(i, k);
            if (!std::isfinite(v) || stored(v) != v)
                return Error::invalid(
                    fmt::format("tables[{}, {}] = {:.9g} is no finite {}", i, k, v, dtypeInfo(type_).name));
            if (k > 0 && v < q.tables(i, k - 1))
                return Error::invalid(
                    fmt::format("tables[{}, {}] = {:.9g} is below the value before it, {:.9g}", i, k, v,
                                q.tables(i, k - 1)));
        }
    }
    return {};
}

Result<std::shared_ptr<const Codec>> create(const Params& params) {
    QS_TRY(Params p, Params::fromJson(specs(), params.toJson(), "codec lut"));
    if (p.integer("group") == 0)
        return Error::invalid("group must be -1 or a number of inputs above 0, not 0", "codec lut");
    return std::make_shared<const LutCodec>(std::move(p));
}

} // namespace

const CodecDescriptor& codec_lut() {
    static const CodecDescriptor d{
        .id = "lut",
        .label = "Look-up table",
        .summary = "A table of values for every output channel or group, found by exact weighted k-means: "
                   "values lie where weights do",
        .citation = "Kim et al. 2023, arXiv:2306.07629 (SqueezeLLM); Wang and Song 2011 (exact k-means)",
        .params = specs(),
        .create = create,
        .withBits = [](const Params& params,
                       int bits) { return withBitsParam(specs(), params, bits, "lut"); },
        .bits = {1, 2, 3, 4, 5, 6, 7, 8}};
    return d;
}

} // namespace qs
