// SPDX-License-Identifier: Apache-2.0
#include "core/quant/rounding/gptq_factor.h"

#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

namespace qs {

namespace {

std::vector<uint32_t> columnOrder(const MatrixD& sigma, bool actOrder) {
    std::vector<uint32_t> order(sigma.rows());
    std::iota(order.begin(), order.end(), uint32_t(0));
    if (actOrder)
        std::stable_sort(order.begin(), order.end(),
                         [&](size_t a, size_t b) { return sigma(a, a) > sigma(b, b); });
    return order;
}

/// u [n, n], zeros so far, becomes r^-1.
Result<void> invertUpper(const MatrixD& r, MatrixView u) {
    const size_t n = r.rows();
    MatrixD lower(n, n); // rows and columns in reverse
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j <= i; ++j)
            lower(i, j) = r(n - 1 - i, n - 1 - j);
    QS_CHECK(linalg::invertLower(lower.view()));
    for (size_t i = 0; i < n; ++i)
        for (size_t j = i; j < n; ++j)
            u(i, j) = float(lower(n - 1 - i, n - 1 - j));
    return {};
}

} // namespace

// Inputs that never fire (zero row and column) get the mean as their diagonal: they neither give nor take
// updates.
Result<GptqFactor> GptqFactor::make(const MatrixD& sigma, bool actOrder, double damping, Backend& backend) {
    GptqFactor out(backend, columnOrder(sigma, actOrder));
    const size_t n = sigma.rows();
    double trace = 0;
    out.active_.resize(n);
    for (size_t i = 0; i < n; ++i) {
        if (!std::isfinite(sigma(i, i)) || sigma(i, i) < 0)
            return Error::invalid(fmt::format("diagonal entry {} of Sigma is {}", i, sigma(i, i)));
        trace += sigma(i, i);
        out.active_[i] = sigma(i, i) != 0;
    }
    const double mean = trace > 0 ? trace / double(n) : 1.0;
    std::vector<double> diagonal(n);
    for (double tried = damping;; tried *= 10) {
        for (size_t i = 0; i < n; ++i) {
            const size_t c = out.order_[i];
            diagonal[i] = (out.active_[c] ? sigma(c, c) : mean) + tried * mean;
        }
        auto factor = backend.upperFactor(sigma, out.order_, diagonal);
        if (!factor && factor.error().code == ErrorCode::Backend && tried < 1.0) continue;
        QS_TRY(out.factor_, std::move(factor));
        QS_TRY(out.values_, out.factor_->values());
        return out;
    }
}

std::vector<uint32_t> GptqFactor::activeColumns(size_t first, size_t count) const {
    std::vector<uint32_t> out(order_.begin() + ptrdiff_t(first), order_.begin() + ptrdiff_t(first + count));
    for (uint32_t& c : out)
        if (!active_[c]) c = kNoColumn;
    return out;
}

Result<void> GptqFactor::invertBlocks(const std::vector<size_t>& firsts, size_t most) {
    const size_t n = order_.size();
    std::vector<MatrixD> blocks;
    for (size_t i = 0; i < firsts.size(); ++i) {
        const size_t end = i + 1 < firsts.size() ? firsts[i + 1] : n;
        QS_TRY(MatrixD r, factor_->block(firsts[i], end - firsts[i]));
        blocks.push_back(std::move(r));
    }
    Matrix storage;
    QS_TRY(inverses_, backend_->allocate(n, most));
    QS_TRY(const MatrixView all, backend_->hostStorage(inverses_, storage));
    std::vector<Result<void>> done(blocks.size());
    linalg::parallelFor(blocks.size(), 1, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
            const size_t count = blocks[i].rows();
            done[i] = invertUpper(blocks[i], all.block(firsts[i], count, 0, count));
        }
    });
    for (auto& d : done)
        QS_CHECK(std::move(d));
    return backend_->write(all, inverses_);
}

Result<Tensor> GptqFactor::inverse(size_t first, size_t count) const {
    QS_TRY(const MatrixD r, factor_->block(first, count));
    Matrix u(count, count);
    QS_CHECK(invertUpper(r, u.view()));
    Tensor t;
    QS_CHECK(backend_->upload(u.view(), t));
    return t;
}

Result<std::vector<double>> GptqFactor::errorCosts() const {
    std::vector<double> cost(order_.size());
    for (size_t first = 0, count = 0; first < order_.size(); first += count) {
        count = std::min<size_t>(256, order_.size() - first);
        QS_TRY(const MatrixD r, factor_->block(first, count));
        for (size_t i = 0; i < count; ++i)
            cost[order_[first + i]] = r(i, i) * r(i, i);
    }
    return cost;
}

} // namespace qs
