// SPDX-License-Identifier: Apache-2.0
// Two linears that read the same channels, with factors that an independent script computed
// (tests/golden/gen/transforms.py).
#pragma once

#include "core/quant/transform/transform.h"
#include "tests/unit/method/method_fixture.h"

#include "core/checkpoint/checkpoint.h"
#include "tests/support/qs_test.h"

namespace qs::test {

struct TransformCase {
    std::shared_ptr<const Checkpoint> file;
    std::vector<Matrix> weights;
    Matrix inputs; ///< [tokens, channels]
    MatrixD sigma;
    std::shared_ptr<const Codec> codec;
    TransformInput input; ///< refers to the members above

    std::vector<float> expected(const std::string& name) const {
        const auto m = file->readMatrix(name);
        if (!m) qFatal("%s", m.error().describe().c_str());
        return {m->span().begin(), m->span().end()};
    }
};

/// tests/golden/transforms/NAME; `scaleType` "f32" is what the script computes with.
inline std::unique_ptr<TransformCase> transformCase(const std::string& name, int bits, int group) {
    auto c = std::make_unique<TransformCase>();
    const auto file = openCheckpoint(sourceDir() / "tests/golden/transforms" / (name + ".safetensors"));
    if (!file) qFatal("%s", file.error().describe().c_str());
    c->file = *file;
    for (const char* w : {"w0", "w1"})
        c->weights.push_back(*c->file->readMatrix(w));
    c->inputs = *c->file->readMatrix("x");
    const size_t n = c->inputs.cols();
    c->sigma = MatrixD(n, n);
    c->codec = intCodec({{"bits", bits}, {"group", group}, {"scale_dtype", "f32"}});
    for (const Matrix& w : c->weights)
        c->input.readers.push_back({w.view(), c->codec.get(), {}, &c->sigma});
    c->input.absmax.assign(n, 0.0f);
    for (size_t t = 0; t < c->inputs.rows(); ++t)
        for (size_t i = 0; i < n; ++i) {
            c->input.absmax[i] = std::max(c->input.absmax[i], std::fabs(c->inputs(t, i)));
            for (size_t j = 0; j < n; ++j)
                c->sigma(i, j) += double(c->inputs(t, i)) * double(c->inputs(t, j));
        }
    for (size_t i = 0; i < n; ++i)
        c->input.rms.push_back(float(std::sqrt(c->sigma(i, i) / double(c->inputs.rows()))));
    if (name == "w3_tied")
        for (const Matrix tie = *c->file->readMatrix("tie"); float t : tie.span())
            c->input.tie.push_back(size_t(t));
    return c;
}

inline double largestRelative(const std::vector<float>& a, const std::vector<float>& b) {
    if (a.size() != b.size()) return INFINITY;
    double worst = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        const double d = std::fabs(double(a[i]) / double(b[i]) - 1);
        if (!(d <= worst)) worst = std::isnan(d) ? INFINITY : d;
    }
    return worst;
}

/// sum over the linears of ||X (Q(W S) S^-1 - W)^T||^2 by plain loops, in nearest rounding.
inline double outputError(const TransformCase& c, const std::vector<float>& s) {
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
        for (size_t t = 0; t < c.inputs.rows(); ++t)
            for (size_t r = 0; r < w.rows(); ++r) {
                double y = 0;
                for (size_t k = 0; k < w.cols(); ++k)
                    y += (double(q(r, k)) / double(s[k]) - double(w(r, k))) * double(c.inputs(t, k));
                sum += y * y;
            }
    }
    return sum;
}

inline Result<std::vector<float>> choose(const char* id, TransformCase& c,
                                         const nlohmann::json& params = nlohmann::json::object()) {
    QS_TRY(const TransformDescriptor* d, findTransform(id));
    QS_TRY(c.input.params, Params::fromJson(d->params, params, "test"));
    return chooseFactors(*d, c.input, {});
}

} // namespace qs::test
