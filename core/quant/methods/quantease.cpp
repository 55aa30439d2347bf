// SPDX-License-Identifier: Apache-2.0
// QuantEase: coordinate descent on the layer's output error.
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/coordinate_descent.h"
#include "core/quant/rounding/gptq_solver.h"

namespace qs {

namespace {

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    DescentOptions options;
    options.sweeps = int(in.params.integer("sweeps"));
    options.fromWeights = in.params.choice("start") == "weights";
    const RangeChoice range = rangeChoice(in.params);
    if (options.fromWeights) {
        fitGroups(*in.codec, range, in.weight, q);
    } else {
        GptqOptions gptq;
        gptq.range = range;
        QS_CHECK(solveGptq(in, gptq, q, job.part(0, 0.4)));
    }
    QS_CHECK(descend(in, options, q, options.fromWeights ? job : job.part(0.4, 1)));
    return q;
}

} // namespace

const MethodDescriptor& method_quantease() {
    static const MethodDescriptor d{
        .id = "quantease",
        .label = "QuantEase",
        .summary =
            "Coordinate descent: every column in turn takes the best value given all others, from GPTQ's "
            "solution or from the weights",
        .citation = "Behdin et al. 2023, arXiv:2309.01885",
        .needs = Needs::Sigma,
        .params =
            {ParamSpec::choice("start", "Start", "gptq", {"gptq", "weights"},
                               "gptq: improve GPTQ's result, never worse than it. weights: the published "
                               "form, from the weights themselves; wants 25 to 30 sweeps."),
             ParamSpec::integer("sweeps", "Sweeps", 2, 1, 100,
                                "Passes over all columns. From GPTQ two give most of the gain; each costs "
                                "about as much as GPTQ."),
             rangeParam(), clipParam()},
        .notWorseThanRtn = true,
        .quantize = quantize,
        .flops = [](size_t rows, size_t cols) {
            const double m = double(rows), n = double(cols);
            return 2.0 * n * n * n / 3.0 + 6.0 * m * n * n;
        }};
    return d;
}

} // namespace qs
