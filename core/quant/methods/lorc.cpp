// SPDX-License-Identifier: Apache-2.0
// LoRC: GPTQ, and what it left is made up for by a product of low rank.
#include "core/quant/low_rank/low_rank.h"
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_solver.h"

namespace qs {

namespace {

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    GptqOptions options;
    options.damping = in.params.real("damping");
    options.range = rangeChoice(in.params);
    QS_CHECK(solveGptq(in, options, q, job.part(0, 0.7)));
    const Matrix error = residual(in.weight, in.codec->dequantize(q));
    const bool byInputs = in.params.choice("norm") == "output";
    QS_TRY(q.extras.lowRank, lowRankOf(error.view(), usableRank(in.params.integer("rank"), q.rows, q.cols),
                                       byInputs ? in.sigma : nullptr, in.seed, job.part(0.7, 1)));
    return q;
}

} // namespace

const MethodDescriptor& method_lorc() {
    static const MethodDescriptor d{
        .id = "lorc",
        .label = "LoRC",
        .summary = "GPTQ, then a correction of low rank in float16 for the error that is left",
        .citation = "Yao et al. 2023 (ZeroQuant-V2), arXiv:2303.08302",
        .needs = Needs::Sigma,
        .params = {ParamSpec::integer("rank", "Rank", 8, 1, 1024,
                                      "Columns of the correction. Costs 16 (rows + columns) bits each; 8 is "
                                      "the published value, little changes from 1 to 32."),
                   ParamSpec::choice("norm", "Least error of", "output", {"output", "weight"},
                                     "output: the correction that lowers the layer's output error most. "
                                     "weight: that of the weights themselves, the published form."),
                   ParamSpec::real("damping", "Damping", 0.01, 1e-6, 10.0,
                                   "Of GPTQ: added to the Hessian's diagonal, as a fraction of its mean."),
                   rangeParam(), clipParam()},
        .notWorseThanRtn = true,
        .quantize = quantize,
        .extras =
            [](const Params& params, size_t rows, size_t cols) {
                return ExtrasSize{0, usableRank(params.integer("rank"), rows, cols)};
            },
        .flops =
            [](size_t rows, size_t cols) {
                const double m = double(rows), n = double(cols);
                return 2.0 * n * n * n / 3.0 + 2.0 * m * n * n + 300.0 * n * (4 * m + 2 * n);
            }};
    return d;
}

} // namespace qs
