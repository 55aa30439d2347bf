// SPDX-License-Identifier: Apache-2.0
// Seeded layers for method tests: heavy-tailed weights, correlated inputs with a few large channels.
#pragma once

#include "core/backend/backend.h"
#include "core/quant/method.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

namespace qs::test {

struct Layer {
    Matrix weight; ///< [rows, cols]
    Matrix inputs; ///< [tokens, cols]
    MatrixD sigma; ///< X^T X by a plain float64 loop
};

inline double gaussian(std::mt19937_64& rng) {
    const double u = (double(rng() >> 11) + 0.5) * 0x1.0p-53, v = double(rng() >> 11) * 0x1.0p-53;
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
}

inline Layer makeLayer(size_t rows, size_t cols, size_t tokens, uint64_t seed) {
    std::mt19937_64 rng(seed);
    Layer l{Matrix(rows, cols), Matrix(tokens, cols), MatrixD(cols, cols)};
    for (float& w : l.weight.span()) {
        const double g = gaussian(rng);
        w = float(0.02 * g * (std::fabs(g) > 2.5 ? 3.0 : 1.0));
    }
    for (size_t t = 0; t < tokens; ++t) {
        const double common = gaussian(rng);
        for (size_t c = 0; c < cols; ++c)
            l.inputs(t, c) = float((0.6 * common + 0.8 * gaussian(rng)) * (c % 17 == 3 ? 8.0 : 1.0));
    }
    for (size_t t = 0; t < tokens; ++t)
        for (size_t i = 0; i < cols; ++i)
            for (size_t j = 0; j < cols; ++j)
                l.sigma(i, j) += double(l.inputs(t, i)) * double(l.inputs(t, j));
    return l;
}

inline std::shared_ptr<const Codec> intCodec(const nlohmann::json& params) {
    const CodecDescriptor* d = *findCodec("int");
    return *d->create(*Params::fromJson(d->params, params, "test"));
}

inline Result<QuantizedTensor> runMethod(const std::string& id, const Layer& l, const Codec& codec,
                                         Backend& backend,
                                         const nlohmann::json& params = nlohmann::json::object(),
                                         const JobContext& job = {}) {
    const MethodDescriptor* m = *findMethod(id);
    QuantizeInput in;
    in.weight = l.weight.view();
    in.codec = &codec;
    in.sigma = &l.sigma;
    in.params = *Params::fromJson(m->params, params, "test");
    in.seed = 1;
    in.backend = &backend;
    return m->quantize(in, job);
}

/// ||X (W - W')^T||^2 / ||X W^T||^2 by plain float64 loops.
inline double outputError(const Layer& l, const Matrix& dequantized) {
    double error = 0, norm = 0;
    for (size_t t = 0; t < l.inputs.rows(); ++t)
        for (size_t r = 0; r < l.weight.rows(); ++r) {
            double e = 0, y = 0;
            for (size_t c = 0; c < l.weight.cols(); ++c) {
                e += double(l.inputs(t, c)) * (double(l.weight(r, c)) - double(dequantized(r, c)));
                y += double(l.inputs(t, c)) * double(l.weight(r, c));
            }
            error += e * e;
            norm += y * y;
        }
    return error / norm;
}

} // namespace qs::test
