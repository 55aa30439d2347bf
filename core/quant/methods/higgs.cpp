// SPDX-License-Identifier: Apache-2.0
// HIGGS on grids of single values: rotated inputs make weights normal, and a grid for normal values fits.
#include "core/quant/quantize_common.h"

namespace qs {

namespace {

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Nothing));
    const InputRotation rotation{in.seed, {}};
    const Matrix weight = turned(in.weight, RotationMap(rotation, q.cols));
    QS_CHECK(job.checkpoint());
    fitGroups(*in.codec, rangeChoice(in.params), weight.view(), q);
    QS_CHECK(job.checkpoint());
    roundToNearest(*in.codec, weight.view(), q);
    q.extras.rotation = rotation;
    return q;
}

} // namespace

const MethodDescriptor& method_higgs() {
    static const MethodDescriptor d{
        .id = "higgs",
        .label = "HIGGS (rotated nearest)",
        .summary = "Rotates the inputs at random, then nearest codes, without data; meant for grids that fit "
                   "normal values",
        .citation = "Malinovskii et al. 2024, arXiv:2411.17525",
        .params = {rangeParam(), clipParam()},
        .quantize = quantize,
        .extras = [](const Params&, size_t, size_t) { return ExtrasSize{.rotated = true}; },
        .flops = [](size_t rows, size_t cols) { return 120.0 * double(rows) * double(cols); }};
    return d;
}

} // namespace qs
