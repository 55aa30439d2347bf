// SPDX-License-Identifier: Apache-2.0
// Importance-weighted rounding: nearest codes on grids that weigh each input's errors by its mean square over
// the calibration. What llama.cpp does with an importance matrix; it sees diag(Sigma) only.
#include "core/quant/quantize_common.h"

namespace qs {

namespace {

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Importance));
    const std::vector<float> importance = importanceOf(in);
    fitGroups(*in.codec, RangeRule::Mse, in.weight, q, importance);
    QS_CHECK(job.checkpoint());
    roundToNearest(*in.codec, in.weight, q);
    return q;
}

} // namespace

const MethodDescriptor& method_imatrix() {
    static const MethodDescriptor d{
        .id = "imatrix",
        .label = "Importance-weighted",
        .summary =
            "Nearest values on grids searched for the least error weighted by how active each input is",
        .citation = "ggml-org/llama.cpp, importance matrices (imatrix); weighted scale search",
        .needs = Needs::Importance,
        .quantize = quantize,
        .flops = [](size_t rows, size_t cols) { return 800.0 * double(rows) * double(cols); }};
    return d;
}

} // namespace qs
