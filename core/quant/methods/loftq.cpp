// SPDX-License-Identifier: Apache-2.0
// LoftQ and LQ-LoRA: nearest codes and a product of low rank found in turn, without data.
#include "core/quant/low_rank/low_rank.h"
#include "core/quant/quantize_common.h"

namespace qs {

namespace {

double squaredNorm(const Matrix& m) {
    double sum = 0;
    for (const float v : m.span())
        sum += double(v) * double(v);
    return sum;
}

/// W - A B
Matrix withoutProduct(ConstMatrixView weight, const LowRank& product) {
    Extras extras;
    extras.lowRank = {product.a.clone(), product.b.clone()};
    Matrix values(weight.rows, weight.cols);
    applyExtras(extras, 0, values.view());
    return residual(weight, std::move(values));
}

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor best, beginTensor(in, Needs::Nothing));
    const size_t rank = usableRank(in.params.integer("rank"), best.rows, best.cols);
    const int iterations = int(in.params.integer("iterations"));
    double least = -1;
    LowRank product;
    for (int i = 0; i < iterations; ++i) {
        const JobContext part = job.part(double(i) / iterations, double(i + 1) / iterations);
        QS_CHECK(part.checkpoint());
        const Matrix target = withoutProduct(in.weight, product); // at first W itself
        QS_TRY(QuantizedTensor q,
               quantizeToNearest(target.view(), *in.codec, rangeChoice(in.params), part.silent()));
        const Matrix left = residual(in.weight, in.codec->dequantize(q));
        QS_TRY(product, lowRankOf(left.view(), rank, nullptr, in.seed, part));
        q.extras.lowRank = {product.a.clone(), product.b.clone()};
        const double error = squaredNorm(residual(in.weight, in.codec->dequantize(q)));
        if (least >= 0 && error >= least) break;
        least = error;
        best = std::move(q);
    }
    return best;
}

} // namespace

const MethodDescriptor& method_loftq() {
    static const MethodDescriptor d{
        .id = "loftq",
        .label = "LoftQ / LQ-LoRA",
        .summary = "Nearest codes and a float16 correction of low rank in turn, each for what the other left",
        .citation = "Li et al. 2023, arXiv:2310.08659; Guo et al. 2023, arXiv:2311.12023",
        .params = {ParamSpec::integer("rank", "Rank", 16, 1, 1024,
                                      "Columns of the correction. Costs 16 (rows + columns) bits each; 16 to "
                                      "64 are usual."),
                   ParamSpec::integer("iterations", "Iterations", 5, 1, 100,
                                      "Turns; they end when the error no longer falls. 1: round once, then "
                                      "correct."),
                   rangeParam(), clipParam()},
        .quantize = quantize,
        .extras =
            [](const Params& params, size_t rows, size_t cols) {
                return ExtrasSize{0, usableRank(params.integer("rank"), rows, cols)};
            },
        .flops =
            [](size_t rows, size_t cols) {
                const double m = double(rows), n = double(cols);
                return 5.0 * 200.0 * n * 4 * m;
            }};
    return d;
}

} // namespace qs
