// SPDX-License-Identifier: Apache-2.0
// EasyQuant: data-free; outliers are kept and scales minimize the squared error of the rest.
#include "core/quant/quantize_common.h"

#include <cmath>

namespace qs {

namespace {

/// |w - mean| in standard deviations of its output channel.
Matrix deviations(ConstMatrixView weight) {
    Matrix out(weight.rows, weight.cols);
    for (size_t r = 0; r < weight.rows; ++r) {
        double sum = 0, square = 0;
        for (size_t c = 0; c < weight.cols; ++c)
            sum += double(weight(r, c));
        const double mean = sum / double(weight.cols);
        for (size_t c = 0; c < weight.cols; ++c)
            square += (double(weight(r, c)) - mean) * (double(weight(r, c)) - mean);
        const double sigma = std::sqrt(square / double(weight.cols));
        for (size_t c = 0; c < weight.cols; ++c)
            out(r, c) = sigma > 0 ? float(std::fabs(double(weight(r, c)) - mean) / sigma) : 0.0f;
    }
    return out;
}

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Nothing));
    KeptMask kept;
    if (const size_t count = keptCount(in.params, q.rows, q.cols); count > 0)
        kept = KeptMask::highest(deviations(in.weight).view(), count);
    QS_CHECK(quantizeAround(in, kept, RangeRule::Alternate, {}, q, job));
    return q;
}

} // namespace

const MethodDescriptor& method_easyquant() {
    static const MethodDescriptor d{
        .id = "easyquant",
        .label = "EasyQuant",
        .summary = "Keeps the outliers of every output channel in float16; the scales of the rest minimize "
                   "the squared error",
        .citation = "Tang et al. 2023 (EMNLP), arXiv:2403.02775",
        .params = {ParamSpec::real(
            "outliers", "Kept weights", 0.003, 0, 0.5,
            "Share of the weights that keep their values: those furthest from the mean "
            "of their output channel, in its standard deviations. 0.003 is about "
            "what lies beyond three in a normal distribution.")},
        .quantize = quantize,
        .extras =
            [](const Params& params, size_t rows, size_t cols) {
                return ExtrasSize{keptCount(params, rows, cols), 0};
            },
        .flops = [](size_t rows, size_t cols) { return 120.0 * double(rows) * double(cols); }};
    return d;
}

} // namespace qs
