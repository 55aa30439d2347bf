// SPDX-License-Identifier: Apache-2.0
#include "core/quant/rounding/outlier_descent.h"

#include "core/linalg/blas.h"
#include "core/quant/quantize_common.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

/// Of a positive semidefinite matrix: power iteration from below until it gains less than 0.1 %, 30 steps at
/// most, and 5 % more so that steps are not too long.
double largestEigenvalue(const Matrix& m) {
    const size_t n = m.rows();
    std::vector<float> x(n, float(1 / std::sqrt(double(n)))), y(n);
    double value = 0;
    for (int i = 0; i < 30; ++i) {
        std::fill(y.begin(), y.end(), 0.0f);
        for (size_t r = 0; r < n; ++r) // by rows, of which m is symmetric: no sum waits for itself
            for (size_t c = 0; c < n; ++c)
                y[c] += x[r] * m(r, c);
        double square = 0;
        for (const float v : y)
            square += double(v) * double(v);
        const double before = value;
        value = std::sqrt(square);
        if (value == 0) return 0;
        if (value < 1.001 * before) break;
        for (size_t r = 0; r < n; ++r)
            x[r] = float(double(y[r]) / value);
    }
    return 1.05 * value;
}

class OutlierDescent {
public:
    OutlierDescent(const QuantizeInput& in, const OutlierDescentOptions& options, QuantizedTensor& q)
        : in_(in), options_(options), q_(q), rest_(q.rows, q.cols), outliers_(q.rows, q.cols) {}

    Result<void> run(const JobContext& job) {
        start();
        scaleSigma();
        QuantizeInput rest = in_;
        rest.weight = rest_.view();
        fitGroups(*in_.codec, options_.range, rest.weight, q_);
        roundToNearest(*in_.codec, rest.weight, q_);
        for (int turn = 0; turn < options_.turns; ++turn) {
            QS_CHECK(job.checkpoint());
            QS_CHECK(descend(rest, {.sweeps = 1}, q_, job.silent()));
            if (turn + 1 < options_.turns) threshold();
            job.report("Coordinate descent", double(turn + 1), double(options_.turns));
        }
        keep();
        return {};
    }

private:
    void scaleSigma() {
        const MatrixD& s = *in_.sigma;
        double top = 0; // of the diagonal: squares of the products stay in float32's range
        for (size_t i = 0; i < q_.cols; ++i)
            top = std::max(top, s(i, i));
        sigma_ = Matrix(q_.cols, q_.cols);
        if (!(top > 0)) return;
        for (size_t i = 0; i < s.size(); ++i)
            sigma_.data()[i] = float(s.data()[i] / top);
        const float lambda = float(largestEigenvalue(sigma_));
        for (size_t i = 0; i < sigma_.size(); ++i)
            sigma_.data()[i] /= lambda;
    }

    void start() {
        Matrix magnitudes(q_.rows, q_.cols);
        for (size_t r = 0; r < q_.rows; ++r)
            for (size_t c = 0; c < q_.cols; ++c)
                magnitudes(r, c) = std::fabs(in_.weight(r, c));
        split(in_.weight, magnitudes);
    }

    /// H = the largest of `values`, rest = W - H.
    void split(ConstMatrixView values, const Matrix& magnitudes) {
        if (options_.wholeColumns) {
            std::vector<double> norms(q_.cols);
            for (size_t r = 0; r < q_.rows; ++r)
                for (size_t c = 0; c < q_.cols; ++c)
                    norms[c] += double(magnitudes(r, c)) * double(magnitudes(r, c));
            mask_ = KeptMask::columns(q_.rows, norms, options_.count / q_.rows);
        } else {
            mask_ = KeptMask::highest(magnitudes.view(), options_.count);
        }
        for (size_t r = 0; r < q_.rows; ++r)
            for (size_t c = 0; c < q_.cols; ++c) {
                outliers_(r, c) = mask_.at(r, c) ? values(r, c) : 0.0f;
                rest_(r, c) = in_.weight(r, c) - outliers_(r, c);
            }
    }

    void threshold() {
        // D, then |H + D Sigma / lambda|
        Matrix step = residual(std::as_const(rest_).view(), in_.codec->dequantize(q_));
        Matrix moved = outliers_.clone();
        linalg::gemm(false, false, 1, step.view(), sigma_.view(), 1, moved.view());
        for (size_t i = 0; i < step.size(); ++i)
            step.data()[i] = std::fabs(moved.data()[i]);
        split(moved.view(), step);
    }

    void keep() {
        const Matrix codes = in_.codec->dequantize(q_);
        KeptWeights list = mask_.places();
        for (size_t r = 0; r < q_.rows; ++r)
            for (size_t i = list.rowStart[r]; i < list.rowStart[r + 1]; ++i) {
                const size_t c = list.columns[i];
                list.values[i] = keptValue(codes(r, c) + outliers_(r, c));
            }
        q_.extras.kept = std::move(list);
    }

    const QuantizeInput& in_;
    const OutlierDescentOptions& options_;
    QuantizedTensor& q_;
    KeptMask mask_;
    Matrix rest_, outliers_; ///< W - H, H
    Matrix sigma_;           ///< over its largest eigenvalue
};

} // namespace

Result<void> descendWithOutliers(const QuantizeInput& input, const OutlierDescentOptions& options,
                                 QuantizedTensor& q, const JobContext& job) {
    return OutlierDescent(input, options, q).run(job);
}

} // namespace qs
