// SPDX-License-Identifier: Apache-2.0
// PB-LLM: GPTQ where the most salient weights become 8-bit integers and all others what the format has, which
// is meant to be one bit: mean + mean|w - mean| sign(w - mean) of the others of a group (bcq with 1 bit and
// no rounds). The published code counts zeros in place of the salient weights into both means; here they have
// no part in them. Salience is compared across the whole matrix, as there without groups.
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_solver.h"

namespace qs {

namespace {

size_t salientCount(const Params& params, size_t rows, size_t cols) {
    return rows * cols - countOfShare(params.real("low_frac"), rows * cols);
}

/// w^2 / U_jj^2, what setting the weight to 0 would cost.
Result<Matrix> costsOfRemoval(const QuantizeInput& in, const GptqOptions& options) {
    QS_TRY(const std::vector<double> cost, gptqErrorCosts(*in.sigma, options, *in.backend));
    Matrix out(in.weight.rows, in.weight.cols);
    for (size_t r = 0; r < out.rows(); ++r)
        for (size_t c = 0; c < out.cols(); ++c)
            out(r, c) = float(double(in.weight(r, c)) * double(in.weight(r, c)) * cost[c]);
    return out;
}

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    QS_CHECK(checkSingleCodes(*in.codec));
    GptqOptions options;
    options.damping = in.params.real("damping");
    options.range = rangeChoice(in.params);
    options.keptInt8 = true;
    const size_t count = salientCount(in.params, q.rows, q.cols);
    if (in.params.choice("salience") == "magnitude") {
        options.kept = KeptMask::largest(in.weight, count);
    } else if (count > 0) {
        QS_TRY(const Matrix salience, costsOfRemoval(in, options));
        options.kept = KeptMask::highest(salience.view(), count);
    }
    QS_CHECK(job.checkpoint());
    QS_CHECK(solveGptq(in, options, q, job.part(0.4, 1)));
    return q;
}

} // namespace

const MethodDescriptor& method_pb_llm() {
    static const MethodDescriptor d{
        .id = "pb_llm",
        .label = "PB-LLM",
        .summary = "GPTQ with the most salient weights as 8-bit integers; the others are meant to be one bit "
                   "each",
        .citation = "Shang et al. 2023, arXiv:2310.00034",
        .needs = Needs::Sigma,
        .params =
            {ParamSpec::real("low_frac", "Share of low bits", 0.9, 0.5, 1,
                             "Share of the weights that get the format's codes, those of the least salience. "
                             "Each of the others takes 8 bits more, and all a bit that tells them apart. "
                             "0.7 to 0.95 in the paper."),
             ParamSpec::choice("salience", "Salience", "sigma", {"sigma", "magnitude"},
                               "sigma: what setting the weight to 0 costs the layer's output. magnitude: the "
                               "weight's own size."),
             ParamSpec::real("damping", "Damping", 0.01, 1e-6, 10.0,
                             "Added to the Hessian's diagonal, as a fraction of its mean."),
             rangeParam(), clipParam()},
        .quantize = quantize,
        .extras =
            [](const Params& params, size_t rows, size_t cols) {
                const size_t count = salientCount(params, rows, cols);
                return ExtrasSize{.kept = count, .keptInt8 = count > 0};
            },
        .flops =
            [](size_t rows, size_t cols) {
                const double m = double(rows), n = double(cols);
                return n * n * n + 2.0 * m * n * n + 30.0 * m * n;
            }};
    return d;
}

} // namespace qs
