// SPDX-License-Identifier: Apache-2.0
// SparseGPT with 2:4 sparsity on a quantized grid: two of every four weights become 0, the rest gets codes.
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_solver.h"

namespace qs {

namespace {

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    QS_CHECK(checkSingleCodes(*in.codec));
    if (!in.codec->hasLevels())
        return Error::invalid(fmt::format("{} has no code that is sure to mean 0", in.codec->label()));
    if (q.cols % 4 != 0) return Error::invalid(fmt::format("row length {} is not a multiple of 4", q.cols));
    if (fittedTogether(*in.codec, q.layout) % 4 != 0)
        return Error::invalid(fmt::format(
            "groups of {} columns do not hold whole fours: choose a multiple of 4", q.layout.groupSize));
    GptqOptions options;
    options.damping = in.params.real("damping");
    options.range = rangeChoice(in.params);
    options.zerosOfFour = 2;
    QS_CHECK(solveGptq(in, options, q, job));
    return q;
}

} // namespace

const MethodDescriptor& method_sparse24() {
    static const MethodDescriptor d{
        .id = "sparse24",
        .label = "2:4 sparse GPTQ",
        .summary =
            "Of every four inputs of a row the two that matter least become 0, the others are rounded, "
            "and later columns absorb the error of both. Stored densely",
        .citation = "Frantar and Alistarh 2023 (SparseGPT), arXiv:2301.00774; Mishra et al. 2021, "
                    "arXiv:2104.08378",
        .needs = Needs::Sigma,
        .params = {ParamSpec::real("damping", "Damping", 0.01, 1e-6, 10.0,
                                   "Added to the Hessian's diagonal, as a fraction of its mean."),
                   rangeParam(), clipParam()},
        .quantize = quantize,
        .flops = [](size_t rows, size_t cols) {
            const double m = double(rows), n = double(cols);
            return 2.0 * n * n * n / 3.0 + 2.0 * m * n * n;
        }};
    return d;
}

} // namespace qs
