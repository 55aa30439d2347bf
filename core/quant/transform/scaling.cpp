// SPDX-License-Identifier: Apache-2.0
#include "core/quant/transform/scaling.h"

#include <algorithm>
#include <cassert>

namespace qs {

namespace {

void multiplyInto(std::vector<float>& product, std::span<const float> factors) {
    if (product.empty()) product.assign(factors.size(), 1.0f);
    assert(product.size() == factors.size());
    for (size_t i = 0; i < factors.size(); ++i)
        product[i] *= factors[i];
}

} // namespace

void TensorScaling::applyRows(size_t firstRow, MatrixView m) const {
    if (vector) {
        assert(m.rows == 1 && m.cols == rows.size());
        for (size_t i = 0; i < m.cols; ++i)
            m.data[i] = (m.data[i] + offset) / rows[i] - offset;
        return;
    }
    assert(columns.empty() || columns.size() == m.cols);
    for (size_t r = 0; r < m.rows; ++r) {
        const float divisor = rows.empty() ? 1.0f : rows[firstRow + r];
        for (size_t c = 0; c < m.cols; ++c)
            m(r, c) = m(r, c) * (columns.empty() ? 1.0f : columns[c]) / divisor;
    }
}

void TensorScaling::undo(MatrixView m) const {
    TensorScaling inverse = *this;
    for (auto* factors : {&inverse.rows, &inverse.columns})
        for (float& f : *factors)
            f = 1 / f;
    inverse.apply(m);
}

std::vector<const LinearSpec*> readersOf(const BlockSpec& block, const FoldSpec& fold) {
    std::vector<const LinearSpec*> readers;
    for (const LinearSpec* l : block.linears())
        if (std::find(fold.sites.begin(), fold.sites.end(), l->site) != fold.sites.end())
            readers.push_back(l);
    return readers;
}

const LinearSpec* producerOf(const BlockSpec& block, const FoldSpec& fold) {
    if (fold.producer != FoldSpec::Producer::Rows) return nullptr;
    for (const LinearSpec* l : block.linears())
        if (l->module == fold.module) return l;
    return nullptr;
}

std::vector<size_t> tiesOf(const FoldSpec& fold, size_t channels) {
    std::vector<size_t> tie;
    if (fold.repeat == 1) return tie;
    for (size_t c = 0; c < channels; ++c)
        tie.push_back(fold.producerOf(c));
    return tie;
}

void BlockScaling::add(const BlockSpec& block, const FoldSpec& fold, std::span<const float> factors) {
    for (const std::string& site : fold.sites)
        multiplyInto(sites_[site], factors);
    for (const LinearSpec* l : readersOf(block, fold))
        multiplyInto(tensors_[l->weight].columns, factors);
    for (const std::string& name : fold.columns)
        multiplyInto(tensors_[name].columns, factors);

    const LinearSpec* producer = producerOf(block, fold);
    std::vector<float> divisors(producer ? producer->out : factors.size(), 1.0f);
    for (size_t c = 0; c < factors.size(); ++c)
        divisors[fold.producerOf(c)] = factors[c];
    const auto divide = [&](const std::string& vector, float offset) {
        if (vector.empty()) return;
        TensorScaling& t = tensors_[vector];
        t.vector = true;
        t.offset = offset;
        multiplyInto(t.rows, divisors);
    };
    if (producer) {
        multiplyInto(tensors_[producer->weight].rows, divisors);
        divide(producer->bias, 0);
    } else {
        divide(fold.norm.gain.front(), fold.norm.plusOne ? 1.0f : 0.0f);
        divide(fold.norm.bias, 0);
    }
}

const TensorScaling* BlockScaling::find(const std::string& tensor) const {
    const auto it = tensors_.find(tensor);
    return it == tensors_.end() ? nullptr : &it->second;
}

void BlockScaling::scaleSigma(const std::string& site, MatrixD& sigma) const {
    if (const auto it = sites_.find(site); it != sites_.end()) qs::scaleSigma(it->second, sigma);
}

void scaleSigma(std::span<const float> factors, MatrixD& sigma) {
    if (factors.empty()) return;
    assert(factors.size() == sigma.rows() && factors.size() == sigma.cols());
    for (size_t i = 0; i < sigma.rows(); ++i)
        for (size_t j = 0; j < sigma.cols(); ++j)
            sigma(i, j) /= double(factors[i]) * double(factors[j]);
}

} // namespace qs
