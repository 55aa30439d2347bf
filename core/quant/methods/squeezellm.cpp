// SPDX-License-Identifier: Apache-2.0
// SqueezeLLM, dense and sparse: tables of values that weigh each weight's error by its sensitivity, with the
// largest weights kept beside them. Sensitivity is how active the input is, the part of the Fisher
// information that needs no gradients.
#include "core/quant/quantize_common.h"

namespace qs {

namespace {

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Importance));
    KeptMask kept;
    if (const size_t count = keptCount(in.params, q.rows, q.cols); count > 0)
        kept = KeptMask::largest(in.weight, count);
    QS_CHECK(quantizeAround(in, kept, RangeRule::Mse, importanceOf(in), q, job));
    return q;
}

} // namespace

const MethodDescriptor& method_squeezellm() {
    static const MethodDescriptor d{
        .id = "squeezellm",
        .label = "SqueezeLLM (dense and sparse)",
        .summary = "Keeps the largest weights in float16 and rounds the others to grids that weigh errors by "
                   "how active inputs are; meant for look-up tables",
        .citation = "Kim et al. 2023, arXiv:2306.07629",
        .needs = Needs::Importance,
        .params = {ParamSpec::real("outliers", "Kept weights", 0.0045, 0, 0.5,
                                   "Share of the weights that keep their values: those of the largest "
                                   "magnitudes. 0.0045 as in the paper; each takes about 32 bits.")},
        .quantize = quantize,
        .extras =
            [](const Params& params, size_t rows, size_t cols) {
                return ExtrasSize{keptCount(params, rows, cols), 0};
            },
        .flops = [](size_t rows, size_t cols) { return 800.0 * double(rows) * double(cols); }};
    return d;
}

} // namespace qs
