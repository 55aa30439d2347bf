// SPDX-License-Identifier: Apache-2.0
#include "core/quant/rounding/coordinate_descent.h"

#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"
#include "core/linalg/transpose.h"
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/row_stripes.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace qs {

namespace {

/// What all rows share: Sigma in float32, scaled to a mean diagonal of 1, where float32 holds the products.
class SharedSigma {
public:
    static Result<SharedSigma> make(const MatrixD& sigma, Backend& backend) {
        const size_t n = sigma.rows();
        double trace = 0;
        for (size_t i = 0; i < n; ++i)
            trace += sigma(i, i);
        const double factor = trace > 0 ? double(n) / trace : 1;
        SharedSigma s;
        QS_TRY(s.values_, backend.allocate(n, n));
        QS_TRY(const MatrixView host, backend.hostStorage(s.values_, s.storage_));
        linalg::parallelFor(n, 16, [&](size_t begin, size_t end) {
            for (size_t i = begin * n; i < end * n; ++i)
                host.data[i] = float(sigma.data()[i] * factor);
        });
        s.host_ = host;
        QS_CHECK(backend.write(host, s.values_));
        return s;
    }

    const Tensor& values() const { return values_; }
    ConstMatrixView host() const { return host_; } ///< the same in main memory
    /// An input that was never active has no evidence for any value: 0 is the cheapest, as in GPTQ.
    bool isDead(size_t column) const { return host_(column, column) <= 0; }

private:
    Tensor values_;
    Matrix storage_;
    ConstMatrixView host_;
};

// Some rows of W, which do not depend on others. Matrices over weights are transposed to [columns, rows], so
// that a column is contiguous.
class Descent {
public:
    Descent(const QuantizeInput& in, const DescentOptions& options, const SharedSigma& sigma,
            const Codec& reader, QuantizedTensor& q, size_t firstRow, size_t rows)
        : in_(in)
        , options_(options)
        , sigma_(sigma)
        , reader_(reader)
        , q_(q)
        , firstRow_(firstRow)
        , rows_(rows)
        , rounded_(q.cols, rows)
        , block_(std::min(options.blockSize, q.cols)) {}

    /// From `start` [rows, cols].
    Result<void> run(ConstMatrixView start, const JobContext& job) {
        QS_CHECK(begin(start));
        QS_TRY(gradient_, in_.backend->allocate(block_, rows_));
        changes_ = Matrix(std::min(kPanel, block_), rows_);
        for (int sweep = 0; sweep < options_.sweeps; ++sweep) {
            const bool relaxed =
                options_.fromWeights && sweep % 3 == 1 && sweep + 1 < options_.sweeps && sweep <= 25;
            for (size_t first = 0; first < q_.cols; first += block_) {
                QS_CHECK(job.checkpoint());
                QS_CHECK(sweepBlock(first, std::min(block_, q_.cols - first), relaxed));
            }
            job.report("Coordinate descent", double(sweep + 1), double(options_.sweeps));
        }
        return {};
    }

private:
    Result<void> begin(ConstMatrixView start) {
        QS_TRY(difference_, in_.backend->allocate(q_.cols, rows_));
        QS_TRY(differenceHost_, in_.backend->hostStorage(difference_, differenceStorage_));
        linalg::transpose(start, rounded_.view());
        linalg::transpose(in_.weight.block(firstRow_, rows_, 0, q_.cols), differenceHost_);
        linalg::parallelFor(q_.cols, 8, [&](size_t from, size_t to) {
            for (size_t c = from; c < to; ++c) {
                float *rounded = rounded_.row(c), *difference = differenceHost_.row(c);
                if (sigma_.isDead(c)) {
                    std::fill_n(difference, rows_, 0.0f);
                    if (options_.fromWeights) std::fill_n(rounded, rows_, 0.0f);
                }
                for (size_t r = 0; r < rows_; ++r)
                    difference[r] -= rounded[r];
            }
        });
        return in_.backend->write(differenceHost_, difference_);
    }

    /// Columns whose changes reach the later ones of their block together, as one product.
    static constexpr size_t kPanel = 16;

    Result<void> sweepBlock(size_t first, size_t n, bool relaxed) {
        QS_TRY(const MatrixView gradient, gradientOf(first, n));
        for (size_t begin = 0; begin < n; begin += kPanel) {
            const size_t end = std::min(n, begin + kPanel);
            sweepPanel(first + begin, gradient.block(begin, end - begin, 0, rows_), relaxed);
            if (end < n)
                linalg::gemm(true, false, -1.0f,
                             sigma_.host().block(first + begin, end - begin, first + end, n - end),
                             changes_.view().block(0, end - begin, 0, rows_), 1.0f,
                             gradient.block(end, n - end, 0, rows_));
        }
        return in_.backend->write(differenceHost_.block(first, n, 0, rows_),
                                  TensorBlock(difference_).rowsOf(first, n));
    }

    /// D Sigma of the n columns from `first` on, in host memory.
    Result<MatrixView> gradientOf(size_t first, size_t n) {
        Backend& be = *in_.backend;
        const TensorBlock gradient = TensorBlock(gradient_).rowsOf(0, n);
        QS_TRY(const MatrixView host, be.hostStorage(gradient, gradientStorage_));
        std::fill_n(host.data, host.size(), 0.0f);
        QS_CHECK(be.write(host, gradient));
        QS_CHECK(be.addProduct(1.0f, gradient, TensorBlock(sigma_.values()).block(0, q_.cols, first, n),
                               difference_));
        if (!gradientStorage_.empty()) QS_CHECK(be.download(gradient, host));
        return host;
    }

    /// The columns from `first` on, whose D Sigma is `gradient`; what they change is in changes_ then.
    void sweepPanel(size_t first, MatrixView gradient, bool relaxed) {
        const size_t n = gradient.rows;
        const size_t vector = in_.codec->vectorRows(), grain = std::max<size_t>(1, 64 / vector);
        linalg::parallelFor((rows_ + vector - 1) / vector, grain, [&](size_t from, size_t to) {
            const size_t begin = from * vector, end = std::min(rows_, to * vector);
            std::vector<float> target(end - begin);
            PanelRows rows(n, end - begin);
            for (size_t j = 0; j < n; ++j) {
                const size_t column = first + j;
                const float inverse = sigma_.isDead(column) ? 0.0f : 1.0f / sigma_.host()(column, column);
                float* value = rounded_.row(column) + begin;
                const std::span<float> change(changes_.row(j) + begin, end - begin);
                for (size_t i = 0; i < target.size(); ++i) {
                    target[i] = value[i] + gradient(j, begin + i) * inverse;
                    change[i] = value[i];
                }
                if (relaxed)
                    std::copy(target.begin(), target.end(), value);
                else
                    roundColumn(column, j, begin, target, rows, value);
                for (size_t i = 0; i < change.size(); ++i)
                    change[i] = value[i] - change[i];
                applyChange(j, n, first, begin, change, gradient);
            }
            if (!relaxed) // row by row: those of one column lie in as many cache lines as it has rows
                for (size_t i = 0; i < target.size(); ++i)
                    for (size_t j = 0; j < n; ++j)
                        q_.codes[(firstRow_ + begin + i) * q_.cols + first + j] =
                            rows.codes[j * target.size() + i];
        });
    }

    /// Some rows of a panel: the parameters of the group that was read last, and codes [columns, rows].
    struct PanelRows {
        PanelRows(size_t columns, size_t rows) : scale(rows), zero(rows), codes(columns * rows) {}
        std::vector<float> scale, zero;
        std::optional<size_t> group;
        std::vector<uint8_t> codes;
    };

    /// Column `column`, which is number j of its panel.
    void roundColumn(size_t column, size_t j, size_t begin, std::span<const float> target, PanelRows& rows,
                     float* value) {
        const size_t group = q_.groupOf(column), n = target.size();
        for (size_t i = 0; i < n && rows.group != group; ++i) {
            const size_t p = q_.parameterRow(firstRow_ + begin + i);
            rows.scale[i] = q_.scale(p, group);
            rows.zero[i] = q_.zero(p, group);
        }
        rows.group = group;
        reader_.round(target.data(), n, rows.scale.data(), rows.zero.data(), rows.codes.data() + j * n,
                      value);
    }

    /// D and, for the columns of the panel that are still to come, D Sigma.
    void applyChange(size_t j, size_t n, size_t first, size_t begin, std::span<const float> change,
                     MatrixView gradient) {
        float* difference = differenceHost_.row(first + j) + begin;
        for (size_t i = 0; i < change.size(); ++i)
            difference[i] -= change[i];
        for (size_t k = j + 1; k < n; ++k) {
            const float s = sigma_.host()(first + j, first + k);
            float* later = gradient.row(k) + begin;
            for (size_t i = 0; i < change.size(); ++i)
                later[i] -= s * change[i];
        }
    }

    const QuantizeInput& in_;
    const DescentOptions& options_;
    const SharedSigma& sigma_;
    const Codec& reader_;
    QuantizedTensor& q_;
    size_t firstRow_, rows_;
    Tensor difference_;                          ///< W - W'
    Tensor gradient_;                            ///< D Sigma of the present block
    MatrixView differenceHost_;                  ///< the same in host memory
    Matrix differenceStorage_, gradientStorage_; ///< of these where a device has its own
    Matrix rounded_;                             ///< W'
    Matrix changes_;                             ///< of the present panel
    size_t block_;
};

} // namespace

Result<void> descend(const QuantizeInput& input, const DescentOptions& options, QuantizedTensor& q,
                     const JobContext& job) {
    QS_TRY(const SharedSigma sigma, SharedSigma::make(*input.sigma, *input.backend));
    Matrix values;
    if (!options.fromWeights) values = input.codec->dequantize(q);
    const ConstMatrixView start = options.fromWeights ? input.weight : ConstMatrixView(values.view());
    const TensorCodec reader(*input.codec, q);
    return forRowStripes(q.rows, input.codec->vectorRows(), *input.backend, job,
                         [&](size_t first, size_t rows, const JobContext& stripe) {
                             return Descent(input, options, sigma, *reader, q, first, rows)
                                 .run(start.block(first, rows, 0, q.cols), stripe);
                         });
}

} // namespace qs
