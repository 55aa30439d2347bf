// SPDX-License-Identifier: Apache-2.0
#include "core/quant/method.h"

#include "core/quant/sigma_weights.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

#define QS_ENTRY(id) const MethodDescriptor& method_##id();
#include "qs/methods.inc"
#undef QS_ENTRY

std::span<const MethodDescriptor* const> methods() {
#define QS_ENTRY(id) &method_##id(),
    static const MethodDescriptor* const table[] = {
#include "qs/methods.inc"
    };
#undef QS_ENTRY
    return table;
}

Result<const MethodDescriptor*> findMethod(const std::string& id) {
    std::string known;
    for (const MethodDescriptor* d : methods()) {
        if (d->id == id) return d;
        known += (known.empty() ? "" : ", ") + d->id;
    }
    return Error::notFound(fmt::format("no method '{}'; known: {}", id, known));
}

const char* needsName(Needs needs) {
    return needs == Needs::Sigma ? "sigma" : needs == Needs::Importance ? "importance" : "data-free";
}

Result<QuantError> measureError(ConstMatrixView weight, ConstMatrixView dequantized, const MatrixD* sigma) {
    if (weight.rows != dequantized.rows || weight.cols != dequantized.cols)
        return Error::invalid("weight and dequantized matrix differ in shape");
    QuantError e;
    Matrix difference(weight.rows, weight.cols);
    double errorSum = 0, weightSum = 0;
    for (size_t r = 0; r < weight.rows; ++r)
        for (size_t c = 0; c < weight.cols; ++c) {
            const float d = weight(r, c) - dequantized(r, c);
            difference(r, c) = d;
            errorSum += double(d) * double(d);
            weightSum += double(weight(r, c)) * double(weight(r, c));
            if (!(std::fabs(double(d)) <= e.maxAbs)) e.maxAbs = std::fabs(double(d)); // keeps a NaN
        }
    e.weight = weightSum > 0 ? errorSum / weightSum : errorSum;
    if (!sigma) return e;
    QS_TRY(const auto weights, SigmaWeights::make(*sigma, weight.cols));
    if (!weights) return e;
    const double reference = weights->norm(weight);
    e.output = reference > 0 ? std::max(0.0, weights->norm(difference.view())) / reference : 0;
    return e;
}

} // namespace qs
