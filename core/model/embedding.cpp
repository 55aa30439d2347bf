// SPDX-License-Identifier: Apache-2.0
#include "core/model/embedding.h"

#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kBatchRows = 2048;

void addTo(float* x, const float* y, size_t n) {
    for (size_t i = 0; i < n; ++i)
        x[i] += y[i];
}

} // namespace

Result<Embedding> Embedding::load(const ModelSpec& spec, const WeightSource& weights, Backend& backend) {
    Embedding e;
    e.spec_ = &spec.embedding;
    e.backend_ = &backend;
    QS_TRY(e.tokens_, weights.matrix(spec.embedding.tokens));
    if (!spec.embedding.positions.empty()) {
        QS_TRY(e.positions_, weights.matrix(spec.embedding.positions));
    }
    if (!spec.embedding.types.empty()) {
        QS_TRY(e.types_, weights.matrix(spec.embedding.types));
    }
    QS_TRY(e.norm_, loadNorm(spec.embedding.norm, weights, backend));
    if (!spec.embedding.projection.empty()) {
        QS_TRY(e.projection_, loadWeight(spec.embedding.projection, weights, backend));
    }
    return e;
}

Result<void> Embedding::embed(std::span<const int32_t> ids, size_t windowLength, MatrixView out) {
    const size_t offset = spec_->positionOffset;
    if (!positions_.empty() && windowLength + offset > positions_.rows())
        return Error::invalid(
            fmt::format("windows of {} tokens are too long: the model has {} learned positions", windowLength,
                        positions_.rows() - offset));
    for (size_t first = 0; first < ids.size(); first += kBatchRows) {
        const MatrixView rows = out.block(first, std::min(kBatchRows, ids.size() - first), 0, out.cols);
        QS_CHECK(lookUp(ids.subspan(first, rows.rows), first, rows));
        for (size_t i = 0; i < rows.rows; ++i) {
            if (!positions_.empty())
                addTo(rows.row(i), positions_.row((first + i) % windowLength + offset), out.cols);
            if (!types_.empty()) addTo(rows.row(i), types_.row(0), out.cols);
        }
        if (norm_.kind == NormSpec::Kind::None) continue;
        Tensor x;
        QS_CHECK(backend_->upload(rows, x));
        QS_CHECK(norm_.apply(*backend_, x, x));
        QS_CHECK(backend_->download(x, rows));
    }
    return {};
}

/// The tokens' own vectors; `first` is the position of ids[0], for errors.
Result<void> Embedding::lookUp(std::span<const int32_t> ids, size_t first, MatrixView out) {
    const float multiplier = float(spec_->multiplier);
    Matrix narrow(projection_.buffer ? ids.size() : 0, tokens_.cols());
    const MatrixView to = projection_.buffer ? narrow.view() : out;
    for (size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] < 0 || size_t(ids[i]) >= tokens_.rows())
            return Error::invalid(fmt::format("token id {} at position {} is outside the vocabulary of {}",
                                              ids[i], first + i, tokens_.rows()));
        for (size_t c = 0; c < tokens_.cols(); ++c)
            to(i, c) = tokens_(size_t(ids[i]), c) * multiplier;
    }
    if (!projection_.buffer) return {};
    Tensor x;
    QS_CHECK(backend_->upload(to, x));
    QS_TRY(Tensor y, backend_->allocate(x.rows, projection_.rows));
    QS_CHECK(backend_->linear(x, projection_, nullptr, y));
    return backend_->download(y, out);
}

Result<Head> Head::create(const ModelSpec& spec, const WeightSource& weights, Backend& backend) {
    Head h;
    h.spec_ = &spec.head;
    h.backend_ = &backend;
    if (spec.head.weight.empty())
        return Error::unsupported("the checkpoint has no output head, so nothing can be predicted with it",
                                  weights.label());
    QS_TRY(h.norm_, loadNorm(spec.head.norm, weights, backend));
    if (!spec.head.transform.weight.empty()) {
        QS_TRY(h.transform_, loadLinear(spec.head.transform, weights, backend));
    }
    QS_TRY(h.transformNorm_, loadNorm(spec.head.transformNorm, weights, backend));
    if (!spec.head.projection.empty()) {
        QS_TRY(h.projection_, loadWeight(spec.head.projection, weights, backend));
    }
    QS_TRY(h.output_.weight, loadWeight(spec.head.weight, weights, backend));
    if (!spec.head.bias.empty()) {
        QS_TRY(h.output_.bias, loadTensor(spec.head.bias, weights, backend));
    }
    return h;
}

Result<Tensor> Head::apply(ConstMatrixView hidden) {
    Tensor x;
    QS_CHECK(backend_->upload(hidden, x));
    if (norm_.kind != NormSpec::Kind::None) QS_CHECK(norm_.apply(*backend_, x, x));
    if (transform_.weight.buffer) {
        QS_TRY(Tensor y, backend_->allocate(x.rows, transform_.weight.rows));
        QS_CHECK(transform_.apply(*backend_, x, y));
        QS_CHECK(backend_->activate(spec_->activation, y));
        x = y;
    }
    if (transformNorm_.kind != NormSpec::Kind::None) QS_CHECK(transformNorm_.apply(*backend_, x, x));
    if (projection_.buffer) {
        QS_TRY(Tensor y, backend_->allocate(x.rows, projection_.rows));
        QS_CHECK(backend_->linear(x, projection_, nullptr, y));
        x = y;
    }
    QS_TRY(Tensor y, backend_->allocate(x.rows, output_.weight.rows));
    QS_CHECK(output_.apply(*backend_, x, y));
    if (spec_->softCap > 0) QS_CHECK(backend_->softCap(y, float(spec_->softCap)));
    return y;
}

Result<Matrix> Head::logits(ConstMatrixView hidden) {
    QS_TRY(const Tensor y, apply(hidden));
    Matrix out(y.rows, y.cols);
    QS_CHECK(backend_->download(y, out.view()));
    return out;
}

} // namespace qs
