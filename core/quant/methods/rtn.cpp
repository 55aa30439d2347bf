// SPDX-License-Identifier: Apache-2.0
// RTN: every weight to the nearest code of its group's grid; the range by minimum and maximum or by search.
#include "core/quant/quantize_common.h"

namespace qs {

namespace {

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    return quantizeToNearest(in.weight, *in.codec, rangeChoice(in.params), job);
}

} // namespace

const MethodDescriptor& method_rtn() {
    static const MethodDescriptor d{
        .id = "rtn",
        .label = "Round to nearest",
        .summary = "Nearest grid value for every weight; no data needed",
        .citation = "baseline; range search as in Frantar et al. 2022, arXiv:2210.17323",
        .needs = Needs::Nothing,
        .params = {rangeParam(), clipParam()},
        .notWorseThanRtn = false,
        .quantize = quantize,
        .flops = [](size_t rows, size_t cols) { return 8.0 * double(rows) * double(cols); }};
    return d;
}

} // namespace qs
