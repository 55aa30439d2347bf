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
            m.data[i] = (m.data[i] + (added.empty() ? 0 : added[i]) + offset) / rows[i] - offset;
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
    assert(added.empty());
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
    const auto divide = [&](const std::string& name, float offset) {
        if (name.empty()) return;
        TensorScaling& t = vector(name);
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

TensorScaling& BlockScaling::vector(const std::string& name) {
    TensorScaling& t = tensors_[name];
    t.vector = true;
    return t;
}

void BlockScaling::addShift(const BlockSpec& block, const FoldSpec& fold, std::span<const float> shift,
                            std::span<const Matrix> weights) {
    assert(canShift(block, fold));
    for (const std::string& site : fold.sites)
        shifts_[site].assign(shift.begin(), shift.end());
    const auto add = [&](const std::string& name, std::vector<float> values) {
        TensorScaling& t = vector(name);
        if (t.rows.empty()) t.rows.assign(values.size(), 1.0f);
        t.added = std::move(values);
    };
    std::vector<float> taken(shift.begin(), shift.end());
    for (float& z : taken)
        z = -z;
    add(fold.norm.bias, std::move(taken));
    const auto readers = readersOf(block, fold);
    for (size_t i = 0; i < readers.size(); ++i) {
        std::vector<float> product(weights[i].rows());
        for (size_t r = 0; r < product.size(); ++r) {
            double sum = 0;
            for (size_t c = 0; c < shift.size(); ++c)
                sum += double(weights[i](r, c)) * double(shift[c]);
            product[r] = float(sum);
        }
        add(readers[i]->bias, std::move(product));
    }
}

const TensorScaling* BlockScaling::find(const std::string& tensor) const {
    const auto it = tensors_.find(tensor);
    return it == tensors_.end() ? nullptr : &it->second;
}

void BlockScaling::scaleSigma(const std::string& site, MatrixD& sigma) const {
    if (const auto it = sites_.find(site); it != sites_.end()) qs::scaleSigma(it->second, sigma);
}

std::span<const float> BlockScaling::shiftOf(const std::string& site) const {
    const auto it = shifts_.find(site);
    return it == shifts_.end() ? std::span<const float>() : it->second;
}

bool canShift(const BlockSpec& block, const FoldSpec& fold) {
    if (fold.producer != FoldSpec::Producer::Norm || fold.norm.bias.empty() || !fold.columns.empty())
        return false;
    const auto readers = readersOf(block, fold);
    return std::none_of(readers.begin(), readers.end(), [](const LinearSpec* l) { return l->bias.empty(); });
}

void shiftSigma(std::span<const float> shift, std::span<const double> sum, uint64_t tokens, MatrixD& sigma) {
    if (shift.empty()) return;
    assert(shift.size() == sigma.rows() && sum.size() == sigma.rows());
    for (size_t i = 0; i < sigma.rows(); ++i)
        for (size_t j = 0; j < sigma.cols(); ++j) {
            const double zi = double(shift[i]), zj = double(shift[j]);
            sigma(i, j) += double(tokens) * zi * zj - zi * sum[j] - sum[i] * zj;
        }
}

void scaleSigma(std::span<const float> factors, MatrixD& sigma) {
    if (factors.empty()) return;
    assert(factors.size() == sigma.rows() && factors.size() == sigma.cols());
    for (size_t i = 0; i < sigma.rows(); ++i)
        for (size_t j = 0; j < sigma.cols(); ++j)
            sigma(i, j) /= double(factors[i]) * double(factors[j]);
}

} // namespace qs
