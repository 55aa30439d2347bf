// SPDX-License-Identifier: Apache-2.0
// QuIP: GPTQ in coordinates in which neither weights nor inputs stand out.
#include "core/quant/quantize_common.h"
#include "core/quant/rounding/gptq_solver.h"

#include <cmath>

namespace qs {

namespace {

/// D = (diag Sigma / diag W^T W)^(1/4) per input, of mean logarithm 0 among the inputs that have both; the
/// others keep 1.
std::vector<float> balance(ConstMatrixView weight, const MatrixD& sigma) {
    std::vector<double> logs(weight.cols, 0.0);
    double sum = 0;
    size_t count = 0;
    for (size_t c = 0; c < weight.cols; ++c) {
        double square = 0;
        for (size_t r = 0; r < weight.rows; ++r)
            square += double(weight(r, c)) * double(weight(r, c));
        if (!(square > 0 && sigma(c, c) > 0)) continue;
        logs[c] = 0.25 * (std::log(sigma(c, c)) - std::log(square));
        sum += logs[c];
        ++count;
    }
    std::vector<float> out(weight.cols, 1.0f);
    for (size_t c = 0; c < weight.cols && count > 0; ++c)
        if (logs[c] != 0) // within what float16 holds without loss of digits
            out[c] = keptValue(float(std::exp(std::clamp(logs[c] - sum / double(count), -9.0, 9.0))));
    return out;
}

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    const InputRotation rotation{in.seed, balance(in.weight, *in.sigma)};
    const RotationMap map(rotation, q.cols);
    const Matrix weight = turned(in.weight, map);
    MatrixD sigma = in.sigma->clone();
    map.turnSigma(sigma);
    QS_CHECK(job.checkpoint());
    QuantizeInput inner = in;
    inner.weight = weight.view();
    inner.sigma = &sigma;
    GptqOptions options;
    options.damping = in.params.real("damping");
    options.range = rangeChoice(in.params);
    QS_CHECK(solveGptq(inner, options, q, job.part(0.2, 1)));
    q.extras.rotation = rotation;
    return q;
}

} // namespace

const MethodDescriptor& method_quip() {
    static const MethodDescriptor d{
        .id = "quip",
        .label = "QuIP",
        .summary = "Scales and rotates the inputs at random, so that nothing stands out, then GPTQ",
        .citation = "Chee et al. 2023, arXiv:2307.13304",
        .needs = Needs::Sigma,
        .params = {ParamSpec::real("damping", "Damping", 0.01, 1e-6, 10.0,
                                   "Added to the Hessian's diagonal, as a fraction of its mean."),
                   rangeParam(), clipParam()},
        .quantize = quantize,
        .extras = [](const Params&, size_t, size_t) { return ExtrasSize{.rotated = true, .scaled = true}; },
        .flops =
            [](size_t rows, size_t cols) {
                const double m = double(rows), n = double(cols);
                return 2.0 * n * n * n / 3.0 + 2.0 * m * n * n + 100.0 * (m + n) * n;
            }};
    return d;
}

} // namespace qs
