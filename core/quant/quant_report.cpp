// SPDX-License-Identifier: Apache-2.0
#include "core/quant/quant_report.h"

#include "core/metrics/histogram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace qs {

namespace {

constexpr size_t kBlockWeights = size_t(1) << 18;
constexpr size_t kMaxCodeBins = 1024;

struct Range {
    double lo = INFINITY, hi = -INFINITY;
    void add(double v) {
        lo = std::min(lo, v);
        hi = std::max(hi, v);
    }
    bool empty() const { return !(lo <= hi); }
};

/// The outermost levels of a codec and the steps beside them, for any scale and zero.
struct GridEnds {
    uint8_t low = 0, aboveLow = 0, high = 0, belowHigh = 0; ///< codes

    explicit GridEnds(const Codec& codec) {
        std::vector<std::pair<float, uint8_t>> levels;
        for (int code = 0; code < codec.levels(); ++code)
            levels.push_back({codec.decode(uint8_t(code), 1, 0), uint8_t(code)});
        std::sort(levels.begin(), levels.end());
        low = levels.front().second;
        aboveLow = levels[std::min<size_t>(1, levels.size() - 1)].second;
        high = levels.back().second;
        belowHigh = levels[levels.size() - std::min<size_t>(2, levels.size())].second;
    }
};

/// Sums over the rows of a weight and of its quantized form.
class Reporter {
public:
    Reporter(const QuantReportInput& in, QuantReport& out)
        : in_(in), out_(out), axis_(in.axis ? in.axis : in.tensor) {
        out_.rows = in.rows;
        out_.cols = in.cols;
        if (!in.tensor) return;
        out_.layout = in.tensor->layout;
        out_.levels = in.codec->levels();
        out_.groupError = Matrix(in.rows, out_.layout.groups);
        out_.groupSquare = Matrix(in.rows, out_.layout.groups);
        scaleChannel_ = MatrixT<uint32_t>(in.rows, out_.layout.groups);
        out_.columnRms.assign(in.cols, 0.0f);
        out_.columnMax.assign(in.cols, 0.0f);
        columnSquare_.assign(in.cols, 0.0);
        if (in.sigma) columnOutput_.assign(in.cols, 0.0);
        if (in.codec->hasLevels()) ends_.emplace(*in.codec);
        reader_.emplace(*in.codec, *axis_);
    }

    Result<void> run(const JobContext& job) {
        const size_t step = std::clamp<size_t>(kBlockWeights / in_.cols, 1, in_.rows);
        dequantized_ = Matrix(in_.tensor ? step : 0, in_.cols);
        difference_ = Matrix(in_.tensor ? step : 0, in_.cols);
        units_.resize(in_.cols);
        for (const bool measuring : {true, false}) {
            for (size_t first = 0; first < in_.rows; first += step) {
                QS_CHECK(job.checkpoint());
                const size_t n = std::min(step, in_.rows - first);
                QS_TRY(const ConstMatrixView w, in_.weight(first, n));
                const MatrixView q = in_.tensor ? dequantized_.view().block(0, n, 0, in_.cols) : MatrixView();
                if (in_.tensor) in_.codec->dequantizeRows(*in_.tensor, first, q);
                measuring ? measure(first, w, q) : count(first, w, q);
                job.report("Compare", double((measuring ? 0 : in_.rows) + first + n), 2.0 * double(in_.rows));
            }
            if (measuring) makeBins();
        }
        finish();
        return {};
    }

private:
    void measure(size_t first, ConstMatrixView w, ConstMatrixView q) {
        for (size_t r = 0; r < w.rows; ++r) {
            for (size_t c = 0; c < w.cols; ++c)
                if (std::isfinite(w(r, c))) weights_.add(w(r, c));
            if (in_.tensor) measureRow(first + r, w.row(r), q.row(r), difference_.row(r));
        }
        if (!in_.tensor || !in_.sigma) return;
        weightOutput_ += in_.sigma->norm(finiteOnly(w));
        errorOutput_ += in_.sigma->norm(difference_.view().block(0, w.rows, 0, w.cols), columnOutput_);
    }

    /// Non-finite weights have no error that could be weighed: they count as 0.
    ConstMatrixView finiteOnly(ConstMatrixView w) {
        bool clean = true;
        for (size_t r = 0; r < w.rows && clean; ++r)
            clean = std::all_of(w.row(r), w.row(r) + w.cols, [](float v) { return std::isfinite(v); });
        if (clean) return w;
        cleaned_ = Matrix(w.rows, w.cols);
        for (size_t r = 0; r < w.rows; ++r)
            std::transform(w.row(r), w.row(r) + w.cols, cleaned_.row(r),
                           [](float v) { return std::isfinite(v) ? v : 0.0f; });
        return cleaned_.view();
    }

    /// What a row collects about one of its groups.
    struct GroupSums {
        double error = 0, weight = 0;            ///< squares
        Range values;                            ///< of w and w', finite ones
        float largest = -1;                      ///< |w|
        double low = -INFINITY, high = INFINITY; ///< weights beyond are clipped, but for the rounding of the
                                                 ///< scale
    };

    GroupSums begin(float scale, float zero) const {
        GroupSums g;
        if (!ends_) return g; // tables and vectors follow the weights
        const Codec& c = *in_.codec;
        const double low = c.decode(ends_->low, scale, zero), high = c.decode(ends_->high, scale, zero);
        g.low = low - 0.5 * (c.decode(ends_->aboveLow, scale, zero) - low);
        g.high = high + 0.5 * (high - c.decode(ends_->belowHigh, scale, zero));
        return g;
    }

    void measureRow(size_t row, const float* w, const float* q, float* difference) {
        const QuantizedTensor& t = *in_.tensor;
        const size_t p = t.parameterRow(row);
        groups_.clear();
        for (size_t g = 0; g < t.layout.groups; ++g)
            groups_.push_back(begin(t.scale(p, g), t.zero(p, g)));
        for (size_t c = 0; c < in_.cols; ++c) {
            difference[c] = 0;
            if (!std::isfinite(w[c])) continue;
            const size_t index = t.groupOf(c);
            GroupSums& g = groups_[index];
            const double weight = w[c], value = q[c], e = value - weight;
            difference[c] = float(e);
            out_.error.maxAbs = std::max(out_.error.maxAbs, std::abs(e));
            g.error += e * e;
            g.weight += weight * weight;
            g.values.add(weight);
            g.values.add(value);
            if (std::abs(w[c]) > g.largest) {
                g.largest = std::abs(w[c]);
                scaleChannel_(row, index) = uint32_t(c);
            }
            const double slack = std::abs(weight) * 0x1p-10;
            out_.clipped += weight > g.high + slack || weight < g.low - slack;
            dot_ += weight * value;
            quantizedSquare_ += value * value;
            columnSquare_[c] += e * e;
            out_.columnMax[c] = std::max(out_.columnMax[c], std::abs(q[c]));
            used_[t.codes[row * in_.cols + c]] = true;
        }
        for (size_t i = 0; i < groups_.size(); ++i)
            finishGroup(row, i, groups_[i]);
    }

    void finishGroup(size_t row, size_t index, const GroupSums& g) {
        errorSquare_ += g.error;
        weightSquare_ += g.weight;
        out_.groupSquare(row, index) = float(g.error);
        out_.groupError(row, index) = g.weight > 0  ? float(std::sqrt(g.error / g.weight))
                                      : g.error > 0 ? std::numeric_limits<float>::quiet_NaN()
                                                    : 0.0f;
        if (g.values.empty()) return;
        const size_t p = axis_->parameterRow(row);
        const float scale = axis_->scale(p, index), zero = axis_->zero(p, index);
        codes_.add((*reader_)->level(g.values.lo, scale, zero));
        codes_.add((*reader_)->level(g.values.hi, scale, zero));
    }

    double codeUnits(size_t row, size_t column, float value) const {
        const size_t p = axis_->parameterRow(row), g = axis_->groupOf(column);
        return (*reader_)->level(value, axis_->scale(p, g), axis_->zero(p, g));
    }

    void makeBins() {
        if (weights_.empty()) weights_ = {0, 0};
        if (!in_.tensor) {
            original_.emplace(weights_.lo, weights_.hi, in_.bins);
            return;
        }
        weights_.add(0);
        if (in_.codec->symmetric()) {
            const double most = std::max(-weights_.lo, weights_.hi);
            weights_ = {-most, most};
        }
        original_.emplace(weights_.lo, weights_.hi, in_.bins);
        quantized_.emplace(weights_.lo, weights_.hi, in_.bins);
        errors_.emplace(-out_.error.maxAbs, out_.error.maxAbs, in_.bins);
        const double levels = out_.levels;
        codes_.add(0);
        codes_.add(levels - 1);
        // From half a code below the first to half a code above the last whole number.
        const double first = std::round(std::max(std::floor(codes_.lo + 0.5), -1.5 * levels));
        const double last = std::round(std::min(std::ceil(codes_.hi - 0.5), 2.5 * levels));
        const double span = last - first + 1;
        size_t perCode = std::max<size_t>(1, size_t(double(kMaxCodeBins) / span));
        perCode -= perCode % 2 == 0;
        for (auto* h : {&originalCodes_, &quantizedCodes_})
            h->emplace(first - 0.5, last + 0.5, size_t(span) * perCode);
    }

    void count(size_t first, ConstMatrixView w, ConstMatrixView q) {
        for (size_t r = 0; r < w.rows; ++r) {
            original_->add(w.rowSpan(r));
            if (!in_.tensor) continue;
            quantized_->add(q.rowSpan(r));
            const size_t row = first + r;
            for (size_t c = 0; c < w.cols; ++c)
                units_[c] = q(r, c) - w(r, c);
            errors_->add(units_);
            for (size_t c = 0; c < w.cols; ++c)
                units_[c] = float(codeUnits(row, c, w(r, c)));
            originalCodes_->add(units_);
            for (size_t c = 0; c < w.cols; ++c)
                units_[c] = float(codeUnits(row, c, q(r, c)));
            quantizedCodes_->add(units_);
        }
    }

    void finish() {
        out_.original = original_->result();
        if (!in_.tensor) return;
        out_.quantized = quantized_->result();
        out_.errors = errors_->result();
        out_.originalCodes = originalCodes_->result();
        out_.quantizedCodes = quantizedCodes_->result();
        out_.error.weight = weightSquare_ > 0 ? errorSquare_ / weightSquare_ : errorSquare_;
        if (in_.sigma)
            out_.error.output = weightOutput_ > 0 ? std::max(0.0, errorOutput_) / weightOutput_ : 0;
        const double norms = std::sqrt(weightSquare_) * std::sqrt(quantizedSquare_);
        out_.cosine = norms > 0 ? dot_ / norms : weightSquare_ == quantizedSquare_ ? 1 : 0;
        out_.codesUsed = int(std::count(used_.begin(), used_.end(), true));
        for (size_t c = 0; c < in_.cols; ++c)
            out_.columnRms[c] = float(std::sqrt(columnSquare_[c] / double(in_.rows)));
        shareOfGroups();
        findWorst();
    }

    void shareOfGroups() {
        out_.groupShare.assign(out_.layout.groups, 0.0);
        const std::vector<double>& by = in_.sigma ? columnOutput_ : columnSquare_;
        double total = 0;
        for (size_t c = 0; c < in_.cols; ++c) {
            out_.groupShare[in_.tensor->groupOf(c)] += by[c];
            total += by[c];
        }
        for (double& share : out_.groupShare)
            share = total > 0 ? share / total : 0;
    }

    void findWorst() {
        const size_t groups = out_.layout.groups;
        std::vector<size_t> order;
        for (size_t i = 0; i < out_.groupError.size(); ++i)
            if (out_.groupError.data()[i] > 0) order.push_back(i);
        const size_t n = std::min(QuantReport::kWorst, order.size());
        std::partial_sort(order.begin(), order.begin() + long(n), order.end(), [&](size_t a, size_t b) {
            const float ea = out_.groupError.data()[a], eb = out_.groupError.data()[b];
            return ea != eb ? ea > eb : a < b;
        });
        for (size_t i = 0; i < n; ++i) {
            const size_t row = order[i] / groups, g = order[i] % groups;
            out_.worst.push_back({row, g, out_.groupError(row, g), scaleChannel_(row, g)});
        }
    }

    const QuantReportInput& in_;
    QuantReport& out_;
    const QuantizedTensor* axis_;
    std::optional<GridEnds> ends_;      ///< of formats whose codes have values of their own
    std::optional<TensorCodec> reader_; ///< of axis_
    Range weights_, codes_;
    Matrix dequantized_, difference_, cleaned_;
    MatrixT<uint32_t> scaleChannel_;
    std::vector<float> units_;
    std::vector<GroupSums> groups_; ///< of the row at hand
    std::vector<double> columnSquare_, columnOutput_;
    std::array<bool, 256> used_{};
    std::optional<HistogramFiller> original_, quantized_, errors_, originalCodes_, quantizedCodes_;
    double errorSquare_ = 0, weightSquare_ = 0, quantizedSquare_ = 0, dot_ = 0, errorOutput_ = 0,
           weightOutput_ = 0;
};

} // namespace

WeightRows rowsOf(ConstMatrixView weight) {
    return [weight](size_t first, size_t count) -> Result<ConstMatrixView> {
        return weight.block(first, count, 0, weight.cols);
    };
}

Result<QuantReport> reportQuantized(const QuantReportInput& in, const JobContext& job) {
    if (in.rows == 0 || in.cols == 0) return Error::invalid("an empty matrix has nothing to report");
    for (const QuantizedTensor* t : {in.tensor, in.axis})
        if (t && (t->rows != in.rows || t->cols != in.cols))
            return Error::invalid(fmt::format("the quantized tensor is [{}, {}], the weight [{}, {}]",
                                              t->rows, t->cols, in.rows, in.cols));
    if (in.axis && in.tensor && in.axis->layout.groups != in.tensor->layout.groups)
        return Error::invalid(fmt::format("code units are counted in {} groups, the tensor has {}",
                                          in.axis->layout.groups, in.tensor->layout.groups));
    QuantReport out;
    QS_CHECK(Reporter(in, out).run(job));
    return out;
}

} // namespace qs
