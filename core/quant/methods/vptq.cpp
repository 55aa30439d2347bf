// SPDX-License-Identifier: Apache-2.0
// VPTQ: GPTQ's recursion over columns in the order of their inputs' activity, each rounded to a codebook that
// was fitted with the same weights; whole columns can be kept.
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_solver.h"

namespace qs {

namespace {

size_t keptColumns(const Params& params, size_t cols) {
    return countOfShare(params.real("outliers"), cols);
}

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    GptqOptions options;
    options.damping = in.params.real("damping");
    options.actOrder = true;
    if (const size_t count = keptColumns(in.params, q.cols); count > 0) {
        std::vector<double> activity(q.cols);
        for (size_t c = 0; c < q.cols; ++c)
            activity[c] = (*in.sigma)(c, c);
        options.kept = KeptMask::columns(q.rows, activity, count);
    }
    QS_CHECK(solveGptq(in, options, q, job));
    return q;
}

} // namespace

const MethodDescriptor& method_vptq() {
    static const MethodDescriptor d{
        .id = "vptq",
        .label = "VPTQ",
        .summary = "GPTQ column by column into a codebook weighted by how active inputs are; the most active "
                   "inputs can keep their columns. Meant for vector codebooks",
        .citation = "Liu et al. 2024, arXiv:2409.17066",
        .needs = Needs::Sigma,
        .params = {ParamSpec::real("damping", "Damping", 0.01, 1e-6, 10,
                                   "Added to the diagonal of Sigma, as a share of its mean."),
                   ParamSpec::real("outliers", "Kept columns", 0, 0, 0.5,
                                   "Share of the inputs whose columns keep their values in float16: the most "
                                   "active ones. The paper keeps 0.01 with a codebook of their own; here "
                                   "each weight of them takes about 32 bits.")},
        .quantize = quantize,
        .extras =
            [](const Params& params, size_t rows, size_t cols) {
                return ExtrasSize{keptColumns(params, cols) * rows, 0};
            },
        .flops =
            [](size_t rows, size_t cols) {
                const double m = double(rows), n = double(cols);
                return n * n * n / 3 + m * n * n + 2e3 * m * n;
            }};
    return d;
}

} // namespace qs
