// SPDX-License-Identifier: Apache-2.0
// The joint error of rounded weights and rounded inputs, measured on the tokens themselves by plain loops.
#pragma once

#include "tests/unit/transform/transform_fixture.h"

namespace qs::test {

/// Of every token x: each x_j / s_j to the nearest of `bits` bits, symmetric, scale max / (2^(bits-1) - 1).
inline Matrix roundedInputs(const TransformCase& c, const std::vector<float>& s, int bits) {
    Matrix x = c.inputs.clone();
    const double top = (1 << (bits - 1)) - 1;
    for (size_t t = 0; t < x.rows(); ++t) {
        double most = 0;
        for (size_t k = 0; k < x.cols(); ++k)
            most = std::max(most, std::fabs(double(x(t, k)) / double(s[k])));
        for (size_t k = 0; k < x.cols(); ++k)
            x(t, k) = float(std::nearbyint(double(x(t, k)) / double(s[k]) / (most / top)) * (most / top));
    }
    return x;
}

/// sum over linears of ||X' Q(W S)^T - X W^T||^2, X' the rounded inputs.
inline double jointError(const TransformCase& c, const std::vector<float>& s, int inputBits) {
    const Matrix x = roundedInputs(c, s, inputBits);
    double sum = 0;
    for (const Matrix& w : c.weights) {
        Matrix scaled = w.clone();
        for (size_t r = 0; r < w.rows(); ++r)
            for (size_t k = 0; k < w.cols(); ++k)
                scaled(r, k) *= s[k];
        const MethodDescriptor* rtn = *findMethod("rtn");
        QuantizeInput in;
        in.weight = scaled.view();
        in.codec = c.codec.get();
        in.params = Params::defaults(rtn->params);
        const Matrix q = c.codec->dequantize(*rtn->quantize(in, {}));
        for (size_t t = 0; t < x.rows(); ++t)
            for (size_t r = 0; r < w.rows(); ++r) {
                double y = 0;
                for (size_t k = 0; k < w.cols(); ++k)
                    y += double(q(r, k)) * double(x(t, k)) - double(w(r, k)) * double(c.inputs(t, k));
                sum += y * y;
            }
    }
    return sum;
}

/// Rounds the inputs of the case's linears to integers of `bits` bits per token.
inline std::shared_ptr<const RowRounder> roundInputs(TransformCase& c, int bits) {
    auto rounder = std::make_shared<const RowRounder>(
        intCodec({{"bits", bits}, {"group", -1}, {"grid", "absmax"}, {"scale_dtype", "f32"}}));
    for (TransformReader& r : c.input.readers)
        r.inputs = rounder.get();
    return rounder;
}

} // namespace qs::test
