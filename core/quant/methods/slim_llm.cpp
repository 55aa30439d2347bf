// SPDX-License-Identifier: Apache-2.0
// SliM-LLM: GPTQ into groups whose bits differ (int_mixed). Groups of columns are ordered by their salience,
// sum of w^2 / U_jj^2; the k lowest get a bit less, the k highest a bit more, with the k that leaves the
// least error of the output when all groups are rounded to nearest, tr(E Sigma E^T). (The published code
// compares outputs by the KL divergence of their softmax, which takes samples.) Grids are then searched over
// 0.9 .. 1.1 of the range of their values.
#include "core/codec/mixed_groups.h"
#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_solver.h"

#include <array>
#include <cmath>
#include <numeric>

namespace qs {

namespace {

constexpr int kSteps = 50; ///< to either side of the range

std::vector<float> calibratedShares() {
    std::vector<float> shares = {1};
    for (const float sign : {1.0f, -1.0f})
        for (int i = 1; i <= kSteps; ++i)
            shares.push_back(1 + sign * 0.1f * float(i) / kSteps);
    return shares;
}

/// w^2 / U_jj^2.
Matrix salienceOf(ConstMatrixView weight, std::span<const double> cost) {
    Matrix out(weight.rows, weight.cols);
    for (size_t r = 0; r < weight.rows; ++r)
        for (size_t c = 0; c < weight.cols; ++c)
            out(r, c) = float(double(weight(r, c)) * double(weight(r, c)) * cost[c]);
    return out;
}

/// The error of the output when groups of columns have other bits, one group at a time.
class OutputLoss {
public:
    /// `error` [rows, cols]: W - W'.
    OutputLoss(Matrix error, const MatrixD& sigma)
        : error_(std::move(error))
        , sigma_(sigma.rows(), sigma.cols())
        , product_(error_.rows(), error_.cols()) {
        std::transform(sigma.data(), sigma.data() + sigma.size(), sigma_.data(),
                       [](double v) { return float(v); });
        linalg::gemm(false, false, 1, error_.view(), sigma_.view(), 0, product_.view());
        loss_ = dot(error_.view(), product_.view());
    }
    /// Columns from `first` on get the errors of `other`, [rows, cols] too.
    void replace(const Matrix& other, size_t first, size_t count) {
        Matrix change(error_.rows(), count);
        for (size_t r = 0; r < change.rows(); ++r)
            for (size_t c = 0; c < count; ++c) {
                change(r, c) = other(r, first + c) - error_(r, first + c);
                error_(r, first + c) = other(r, first + c);
            }
        const MatrixView part = product_.view().block(0, product_.rows(), first, count);
        loss_ += dot(change.view(), part);
        linalg::gemm(false, false, 1, change.view(), sigma_.view().block(first, count, 0, sigma_.cols()), 1,
                     product_.view());
        loss_ += dot(change.view(), part);
    }
    double value() const { return loss_; }

private:
    static double dot(ConstMatrixView a, ConstMatrixView b) {
        double sum = 0;
        for (size_t r = 0; r < a.rows; ++r)
            for (size_t c = 0; c < a.cols; ++c)
                sum += double(a(r, c)) * double(b(r, c));
        return sum;
    }
    Matrix error_, sigma_, product_; ///< product_: E Sigma
    double loss_ = 0;
};

/// W - W' with every group at `bits`, rounded to nearest on its whole range.
Matrix errorsAt(int bits, ConstMatrixView weight, size_t group, DType scaleType) {
    constexpr float kWhole[] = {1.0f};
    Matrix out(weight.rows, weight.cols);
    linalg::parallelFor(weight.rows, 8, [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r)
            for (size_t first = 0; first < weight.cols; first += group) {
                const std::span<const float> values(weight.row(r) + first, group);
                const MixedGroup grid = MixedGroup::search(bits, values, {}, kWhole, scaleType);
                for (size_t c = 0; c < group; ++c)
                    out(r, first + c) = values[c] - grid.value(grid.nearest(values[c]));
            }
    });
    return out;
}

/// The bits of every group.
Result<std::vector<int>> allocate(const QuantizeInput& in, const Matrix& salience, size_t group,
                                  const JobContext& job) {
    const int bits = in.codec->bits();
    std::vector<double> ofGroups(in.weight.cols / group);
    for (size_t r = 0; r < salience.rows(); ++r)
        for (size_t c = 0; c < salience.cols(); ++c)
            ofGroups[c / group] += double(salience(r, c));
    const auto errors = [&](int b) { return errorsAt(b, in.weight, group, in.codec->scaleType()); };
    const Matrix less = errors(bits - 1), more = errors(bits + 1);
    OutputLoss loss(errors(bits), *in.sigma);
    std::vector<int> best(ofGroups.size(), bits), last = best;
    double least = loss.value();
    for (size_t count = 1; 2 * count <= ofGroups.size(); ++count) {
        QS_CHECK(job.checkpoint());
        const std::vector<int> now = bitsBySalience(ofGroups, count, bits);
        for (size_t g = 0; g < now.size(); ++g)
            if (now[g] != last[g]) loss.replace(now[g] < bits ? less : more, g * group, group);
        if (loss.value() < least) {
            least = loss.value();
            best = now;
        }
        last = now;
    }
    return best;
}

/// Weights of the errors: `lambda` where the salience is two standard deviations above the mean of its group,
/// all rows together.
Matrix calibrationWeights(const Matrix& salience, size_t group, double lambda) {
    Matrix out(salience.rows(), salience.cols());
    for (size_t first = 0; first < salience.cols(); first += group) {
        double sum = 0, squares = 0;
        const double n = double(salience.rows() * group);
        for (size_t r = 0; r < salience.rows(); ++r)
            for (size_t c = first; c < first + group; ++c) {
                sum += double(salience(r, c));
                squares += double(salience(r, c)) * double(salience(r, c));
            }
        const double bound = sum / n + 2 * std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n)));
        for (size_t r = 0; r < salience.rows(); ++r)
            for (size_t c = first; c < first + group; ++c)
                out(r, c) = double(salience(r, c)) > bound ? float(lambda) : 1.0f;
    }
    return out;
}

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    GptqOptions options;
    options.damping = in.params.real("damping");
    if (in.codec->id() != "int_mixed") { // bits that are all alike leave GPTQ with a searched range
        options.range = RangeRule::Mse;
        QS_CHECK(solveGptq(in, options, q, job));
        return q;
    }
    const size_t group = q.layout.groupSize;
    const DType scaleType = in.codec->scaleType();
    QS_TRY(const std::vector<double> cost, gptqErrorCosts(*in.sigma, options, *in.backend));
    const Matrix salience = salienceOf(in.weight, cost);
    QS_TRY(const std::vector<int> bits, allocate(in, salience, group, job));
    in.codec->allocateParameters(q);
    setGroupBits(bits, q);
    const Matrix weights = calibrationWeights(salience, group, in.params.real("lambda"));
    const std::vector<float> shares = calibratedShares();
    options.prepared = true;
    options.fit = [&](std::span<const float> values, QuantizedTensor& t, size_t row, size_t column) {
        const MixedGroup grid = MixedGroup::search(bits[column / group], values,
                                                   {weights.row(row) + column, group}, shares, scaleType);
        t.scale(row, column / group) = grid.scale;
        t.zero(row, column / group) = grid.zero.pack();
    };
    QS_CHECK(solveGptq(in, options, q, job.part(0.5, 1)));
    return q;
}

} // namespace

const MethodDescriptor& method_slim_llm() {
    static const MethodDescriptor d{
        .id = "slim_llm",
        .label = "SliM-LLM",
        .summary =
            "GPTQ into groups of columns with one bit less, as many, or one more, by what they do to the "
            "output; meant for int_mixed",
        .citation = "Huang et al. 2024, arXiv:2405.14917",
        .needs = Needs::Sigma,
        .params = {ParamSpec::real("damping", "Damping", 0.01, 1e-6, 10.0,
                                   "Added to the Hessian's diagonal, as a fraction of its mean."),
                   ParamSpec::real("lambda", "Weight of the salient", 1, 1e-3, 1e3,
                                   "Weight of the errors of salient weights, those two standard deviations "
                                   "above the mean, when ranges are searched. The published code has 1.")},
        .quantize = quantize,
        .flops = [](size_t rows, size_t cols) {
            const double m = double(rows), n = double(cols);
            return n * n * n + 6.0 * m * n * n + 4e3 * m * n;
        }};
    return d;
}

} // namespace qs
