// SPDX-License-Identifier: Apache-2.0
#include "core/quant/quantize_common.h"

#include "core/linalg/differences.h"
#include "core/linalg/parallel.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

Result<void> checkFinite(ConstMatrixView w) {
    std::atomic<size_t> first{w.rows}; // such row, however the rows are shared out
    linalg::parallelFor(w.rows, 64, [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r) {
            if (countNotFinite(w.row(r), w.cols) == 0) continue;
            for (size_t seen = first; r < seen && !first.compare_exchange_weak(seen, r);) {
            }
            return;
        }
    });
    const size_t r = first;
    for (size_t c = 0; r < w.rows && c < w.cols; ++c)
        if (!std::isfinite(w(r, c)))
            return Error::invalid(fmt::format(
                "weight [{}, {}] is {}; a tensor with NaN or infinity cannot be quantized", r, c, w(r, c)));
    return {};
}

} // namespace

Result<void> requireRange(const Codec& codec, RangeChoice range) {
    if (codec.fitColumns() == 0 ||
        (range.rule != RangeRule::Percentile && range.rule != RangeRule::Divergence))
        return {};
    return Error::invalid(fmt::format("{} fits scales of several groups together: choose range minmax or mse "
                                      "instead of {}",
                                      codec.label(), rangeRuleName(range.rule)));
}

Result<QuantizedTensor> beginTensor(const QuantizeInput& in, Needs needs) {
    const ConstMatrixView& w = in.weight;
    QS_CHECK(requireRange(*in.codec, rangeChoice(in.params)));
    QS_CHECK(checkFinite(w));
    if (needs == Needs::Importance && !in.importance.empty()) {
        if (in.importance.size() != w.cols)
            return Error::invalid(
                fmt::format("importance of {} inputs for a row length of {}", in.importance.size(), w.cols));
    } else if (needs != Needs::Nothing) {
        if (!in.sigma) return Error::invalid("the method needs Sigma: calibrate first");
        if (in.sigma->rows() != w.cols || in.sigma->cols() != w.cols)
            return Error::invalid(fmt::format("Sigma is [{}, {}] for a row length of {}", in.sigma->rows(),
                                              in.sigma->cols(), w.cols));
        if (needs == Needs::Sigma && !in.backend) return Error::internal("no backend was given");
    }
    QuantizedTensor q;
    q.codec = in.codec->id();
    q.codecParams = in.codec->params();
    q.rows = w.rows;
    q.cols = w.cols;
    QS_TRY(q.layout, in.codec->layout(w.rows, w.cols));
    q.codes.resize(w.rows * w.cols);
    return q;
}

namespace {

std::vector<float> weightsOf(std::span<const double> squares) {
    constexpr double kFloor = 1e-4;
    double trace = 0;
    for (const double s : squares)
        trace += std::max(0.0, s);
    const double mean = trace / double(squares.size());
    std::vector<float> out(squares.size(), 1.0f);
    for (size_t i = 0; i < out.size() && mean > 0; ++i)
        out[i] = float(std::max(0.0, squares[i]) / mean + kFloor);
    return out;
}

} // namespace

std::vector<float> importanceOf(const MatrixD& sigma) {
    std::vector<double> diagonal(sigma.rows());
    for (size_t i = 0; i < diagonal.size(); ++i)
        diagonal[i] = sigma(i, i);
    return weightsOf(diagonal);
}

std::vector<float> importanceOf(const QuantizeInput& in) {
    return in.importance.empty() ? importanceOf(*in.sigma) : weightsOf(in.importance);
}

ConstMatrixView coveredWeights(ConstMatrixView weight, const KeptMask& kept, size_t unit, Matrix& storage) {
    if (kept.empty()) return weight;
    storage = Matrix(weight.rows, weight.cols);
    for (size_t r = 0; r < weight.rows; ++r) {
        std::copy_n(weight.row(r), weight.cols, storage.row(r));
        for (size_t c = 0; c < weight.cols; c += unit)
            kept.cover({storage.row(r) + c, std::min(unit, weight.cols - c)}, r, c);
    }
    return storage.view();
}

namespace {

/// Vectors run along the rows: column by column.
void roundVectors(const Codec& codec, ConstMatrixView weight, QuantizedTensor& q) {
    const size_t length = codec.vectorRows();
    linalg::parallelFor((weight.rows + length - 1) / length, 4, [&](size_t begin, size_t end) {
        const size_t first = begin * length, n = std::min(weight.rows, end * length) - first;
        std::vector<float> values(n), scale(n), zero(n), rounded(n);
        std::vector<uint8_t> codes(n);
        for (size_t c = 0; c < weight.cols; ++c) {
            const size_t group = q.groupOf(c);
            for (size_t r = 0; r < n; ++r) {
                const size_t p = q.parameterRow(first + r);
                values[r] = weight(first + r, c);
                scale[r] = q.scale(p, group);
                zero[r] = q.zero(p, group);
            }
            codec.round(values.data(), n, scale.data(), zero.data(), codes.data(), rounded.data());
            for (size_t r = 0; r < n; ++r)
                q.codes[(first + r) * q.cols + c] = codes[r];
        }
    });
}

} // namespace

void roundToNearest(const Codec& format, ConstMatrixView weight, QuantizedTensor& q) {
    const TensorCodec reader(format, q);
    const Codec& codec = *reader;
    if (codec.vectorRows() > 1) return roundVectors(codec, weight, q);
    linalg::parallelFor(weight.rows, 8, [&](size_t begin, size_t end) {
        std::vector<float> scale(weight.cols), zero(weight.cols), rounded(weight.cols);
        for (size_t r = begin; r < end; ++r) {
            const size_t p = q.parameterRow(r);
            for (size_t c = 0, next = 0; c < weight.cols; c = next) {
                const size_t g = q.groupOf(c); // one division for a group that lies together
                next = q.groupOfColumn.empty() ? std::min(weight.cols, c + q.layout.groupSize) : c + 1;
                std::fill(scale.begin() + ptrdiff_t(c), scale.begin() + ptrdiff_t(next), q.scale(p, g));
                std::fill(zero.begin() + ptrdiff_t(c), zero.begin() + ptrdiff_t(next), q.zero(p, g));
            }
            codec.round(weight.row(r), weight.cols, scale.data(), zero.data(), q.codes.data() + r * q.cols,
                        rounded.data());
        }
    });
}

Matrix turned(ConstMatrixView weight, const RotationMap& map) {
    Matrix out(weight.rows, weight.cols);
    linalg::parallelFor(weight.rows, 8, [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r) {
            std::copy_n(weight.row(r), weight.cols, out.row(r));
            map.turn(out.row(r));
        }
    });
    return out;
}

size_t keptCount(const Params& params, size_t rows, size_t cols) {
    return countOfShare(params.real("outliers"), rows * cols);
}

Matrix residual(ConstMatrixView weight, Matrix values) {
    for (size_t r = 0; r < weight.rows; ++r)
        for (size_t c = 0; c < weight.cols; ++c)
            values(r, c) = weight(r, c) - values(r, c);
    return values;
}

Result<void> checkSingleCodes(const Codec& codec) {
    if (codec.vectorRows() == 1) return {};
    return Error::invalid(
        fmt::format("{} rounds {} weights together: the method needs a format whose codes stand for one each",
                    codec.label(), codec.vectorRows()));
}

void keepWeights(ConstMatrixView weight, const KeptMask& kept, QuantizedTensor& q) {
    KeptWeights& list = q.extras.kept;
    list = kept.places();
    for (size_t r = 0; !list.empty() && r < q.rows; ++r)
        for (size_t i = list.rowStart[r]; i < list.rowStart[r + 1]; ++i)
            list.values[i] = keptValue(weight(r, list.columns[i]));
}

Result<void> quantizeAround(const QuantizeInput& in, const KeptMask& kept, RangeChoice range,
                            Importance importance, QuantizedTensor& q, const JobContext& job) {
    QS_CHECK(job.checkpoint());
    Matrix storage;
    const size_t unit = fittedTogether(*in.codec, q.layout);
    fitGroups(*in.codec, range, coveredWeights(in.weight, kept, unit, storage), q, importance);
    QS_CHECK(job.checkpoint());
    roundToNearest(*in.codec, in.weight, q);
    keepWeights(in.weight, kept, q);
    return {};
}

Result<QuantizedTensor> quantizeToNearest(ConstMatrixView weight, const Codec& codec, RangeChoice range,
                                          const JobContext& job) {
    QuantizeInput in;
    in.weight = weight;
    in.codec = &codec;
    QS_CHECK(requireRange(codec, range));
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Nothing));
    QS_CHECK(job.checkpoint());
    fitGroups(codec, range, weight, q);
    QS_CHECK(job.checkpoint());
    roundToNearest(codec, weight, q);
    return q;
}

} // namespace qs
