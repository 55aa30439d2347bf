// SPDX-License-Identifier: Apache-2.0
// SpQR: GPTQ that keeps the weights whose rounding costs most.
#include "core/quant/outlier/leave_one_out.h"
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_solver.h"

namespace qs {

namespace {

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    QS_CHECK(checkSingleCodes(*in.codec));
    GptqOptions options;
    options.damping = in.params.real("damping");
    options.actOrder = in.params.boolean("act_order");
    options.range = rangeChoice(in.params);
    if (const size_t count = keptCount(in.params, q.rows, q.cols); count > 0) {
        QS_TRY(const std::vector<double> cost, gptqErrorCosts(*in.sigma, options, *in.backend));
        QS_CHECK(job.checkpoint());
        const Matrix gains = leaveOneOutGains(in.weight, *in.codec, options.range, cost, q);
        options.kept = KeptMask::highest(gains.view(), count);
    }
    QS_CHECK(job.checkpoint());
    QS_CHECK(solveGptq(in, options, q, job.part(0.4, 1)));
    return q;
}

} // namespace

const MethodDescriptor& method_spqr() {
    static const MethodDescriptor d{
        .id = "spqr",
        .label = "SpQR",
        .summary = "GPTQ that keeps in float16 the weights whose rounding would cost most; meant for small "
                   "groups",
        .citation = "Dettmers et al. 2023, arXiv:2306.03078",
        .needs = Needs::Sigma,
        .params = {ParamSpec::real("outliers", "Kept weights", 0.01, 0, 0.5,
                                   "Share of the weights that keep their values, by what that saves in the "
                                   "layer's output error. 32 bits each: 0.01 adds a third of a bit per "
                                   "weight. The published threshold leaves about 0.01."),
                   ParamSpec::real(
                       "damping", "Damping", 0.01, 1e-6, 10.0,
                       "Added to the Hessian's diagonal, as a fraction of its mean. The published "
                       "recipe for 4 bits uses 1."),
                   ParamSpec::boolean("act_order", "Activation order", true,
                                      "Solves the most active inputs first; groups keep their place."),
                   rangeParam(), clipParam()},
        .notWorseThanRtn = true,
        .quantize = quantize,
        .extras =
            [](const Params& params, size_t rows, size_t cols) {
                return ExtrasSize{keptCount(params, rows, cols), 0};
            },
        .flops =
            [](size_t rows, size_t cols) {
                const double m = double(rows), n = double(cols);
                return n * n * n + 2.0 * m * n * n + 60.0 * m * n;
            }};
    return d;
}

} // namespace qs
