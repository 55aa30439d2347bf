// SPDX-License-Identifier: Apache-2.0
#include "core/run/token_weights.h"

#include "core/calibrate/attention_received.h"

#include <cmath>

namespace qs {

std::vector<float> tokenWeights(std::span<const double> received, double least) {
    const auto [lo, hi] = std::minmax_element(received.begin(), received.end());
    std::vector<float> out(received.size(), 1.0f);
    for (size_t t = 0; t < out.size() && *hi > *lo; ++t)
        out[t] = float(least + (1 - least) * (received[t] - *lo) / (*hi - *lo));
    return out;
}

Result<void> AttentionWeighting::site(const std::string& site, const Tensor& x) {
    if (site != first_) return pass(site, x);
    waiting_ = x; // not changed before attention has run
    return {};
}

Result<void> AttentionWeighting::attention(const Tensor& q, const Tensor& k, const AttentionShape& shape) {
    Matrix queries(q.rows, q.cols), keys(k.rows, k.cols), bias;
    QS_CHECK(backend_.download(q, queries.view()));
    QS_CHECK(backend_.download(k, keys.view()));
    if (shape.keyBias.buffer) {
        bias = Matrix(shape.keyBias.rows, shape.keyBias.cols);
        QS_CHECK(backend_.download(shape.keyBias, bias.view()));
    }
    roots_.clear();
    const size_t n = shape.windowLength;
    for (size_t first = 0; first < q.rows; first += n) {
        QS_TRY(const auto received,
               attentionReceived(std::as_const(queries).view().block(first, n, 0, q.cols),
                                 std::as_const(keys).view().block(first, n, 0, k.cols),
                                 std::as_const(bias).view(), shape, job_));
        for (const float r : tokenWeights(received, least_))
            roots_.push_back(std::sqrt(r));
    }
    const Tensor x = std::move(waiting_);
    waiting_ = {};
    return pass(first_, x);
}

Result<void> AttentionWeighting::pass(const std::string& site, const Tensor& x) const {
    if (x.rows != roots_.size()) return inner_(site, x);
    Matrix host(x.rows, x.cols);
    QS_CHECK(backend_.download(x, host.view()));
    for (size_t t = 0; t < x.rows; ++t)
        for (size_t c = 0; c < x.cols; ++c)
            host(t, c) *= roots_[t];
    Tensor weighted;
    QS_CHECK(backend_.upload(std::as_const(host).view(), weighted));
    return inner_(site, weighted);
}

} // namespace qs
