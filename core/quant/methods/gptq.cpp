// SPDX-License-Identifier: Apache-2.0
// GPTQ: error-compensating rounding by the inverse Hessian of the layer's inputs.
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_solver.h"

namespace qs {

namespace {

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    GptqOptions options;
    options.damping = in.params.real("damping");
    options.blockSize = size_t(in.params.integer("block_size"));
    options.actOrder = in.params.boolean("act_order");
    options.range = rangeChoice(in.params);
    QS_CHECK(solveGptq(in, options, q, job));
    return q;
}

} // namespace

const MethodDescriptor& method_gptq() {
    static const MethodDescriptor d{
        .id = "gptq",
        .label = "GPTQ",
        .summary = "Rounds column by column and lets later columns absorb the error, weighted by the inputs' "
                   "second moment",
        .citation = "Frantar et al. 2022, arXiv:2210.17323",
        .needs = Needs::Sigma,
        .params = {ParamSpec::real("damping", "Damping", 0.01, 1e-6, 10.0,
                                   "Added to the Hessian's diagonal, as a fraction of its mean. 0.01 is the "
                                   "published value; raise it when a layer "
                                   "has few calibration tokens."),
                   ParamSpec::boolean("act_order", "Activation order", false,
                                      "Solves the most active inputs first. Groups keep their place (static "
                                      "groups), so every runtime can load "
                                      "the result. Usually a gain at 2 and 3 bits."),
                   rangeParam(), clipParam(),
                   ParamSpec::integer(
                       "block_size", "Block size", 128, 8, 4096,
                       "Columns between lazy updates. Changes speed, not the result (beyond rounding).",
                       "columns")
                       .asAdvanced()},
        .notWorseThanRtn = true,
        .quantize = quantize,
        .flops = [](size_t rows, size_t cols) {
            const double m = double(rows), n = double(cols);
            return 2.0 * n * n * n / 3.0 + 2.0 * m * n * n;
        }};
    return d;
}

} // namespace qs
