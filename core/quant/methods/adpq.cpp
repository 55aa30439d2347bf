// SPDX-License-Identifier: Apache-2.0
// AdpQ: outliers by the adaptive LASSO, min ||W - V||^2 + lambda sum |V / W|: V is not 0 exactly where w^2 >
// lambda / 2, so that lambda stands for a share of the weights, the largest ones. The rest is rounded to
// nearest. Data-free.
#include "core/quant/quantize_common.h"

namespace qs {

namespace {

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Nothing));
    KeptMask kept;
    if (const size_t count = keptCount(in.params, q.rows, q.cols); count > 0)
        kept = KeptMask::largest(in.weight, count);
    QS_CHECK(quantizeAround(in, kept, rangeChoice(in.params), {}, q, job));
    return q;
}

} // namespace

const MethodDescriptor& method_adpq() {
    static const MethodDescriptor d{
        .id = "adpq",
        .label = "AdpQ",
        .summary =
            "Keeps the outliers that the adaptive LASSO finds in float16 and rounds the rest to nearest, "
            "without data",
        .citation = "Ghaffari et al. 2024, arXiv:2405.13358",
        .params = {ParamSpec::real(
                       "outliers", "Kept weights", 0.02, 0, 0.5,
                       "Share of the weights that keep their values: those of the largest "
                       "magnitudes, the solution of the adaptive LASSO for the penalty that leaves "
                       "so many. Each takes about 32 bits; the paper rounds them too."),
                   rangeParam(), clipParam()},
        .quantize = quantize,
        .extras =
            [](const Params& params, size_t rows, size_t cols) {
                return ExtrasSize{keptCount(params, rows, cols), 0};
            },
        .flops = [](size_t rows, size_t cols) { return 20.0 * double(rows) * double(cols); }};
    return d;
}

} // namespace qs
