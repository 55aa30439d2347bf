// SPDX-License-Identifier: Apache-2.0
// QuantEase: coordinate descent on the layer's output error.
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/coordinate_descent.h"
#include "core/quant/rounding/gptq_solver.h"
#include "core/quant/rounding/outlier_descent.h"

namespace qs {

namespace {

/// Whole columns: as many as make up the share.
size_t outlierCount(const Params& params, size_t rows, size_t cols) {
    return params.choice("outlier_shape") == "columns" ? rows * keptCount(params, 1, cols)
                                                       : keptCount(params, rows, cols);
}

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    if (const size_t count = outlierCount(in.params, q.rows, q.cols); count > 0) {
        OutlierDescentOptions options;
        options.count = count;
        options.wholeColumns = in.params.choice("outlier_shape") == "columns";
        options.turns = int(in.params.integer("sweeps"));
        options.range = rangeChoice(in.params);
        QS_CHECK(descendWithOutliers(in, options, q, job));
        return q;
    }
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

ParamSpec outlierShape() {
    return ParamSpec::choice("outlier_shape", "Shape of what is kept", "single", {"single", "columns"},
                             "single: weights anywhere. columns: whole input channels.")
        .asAdvanced();
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
             ParamSpec::real("outliers", "Kept weights", 0, 0, 0.5,
                             "Share of the weights that keep their values in float16, 32 bits each; which "
                             "ones is part of the solution. 0.01 is the published choice; it wants 10 or "
                             "more sweeps. 0: none."),
             outlierShape(), rangeParam(), clipParam()},
        .notWorseThanRtn = true,
        .quantize = quantize,
        .extras =
            [](const Params& params, size_t rows, size_t cols) {
                return ExtrasSize{outlierCount(params, rows, cols), 0};
            },
        .flops =
            [](size_t rows, size_t cols) {
                const double m = double(rows), n = double(cols);
                return 2.0 * n * n * n / 3.0 + 6.0 * m * n * n;
            }};
    return d;
}

} // namespace qs
