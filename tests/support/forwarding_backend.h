// SPDX-License-Identifier: Apache-2.0
// A backend that hands every operation to the CPU's; tests override the one that they watch or hold up.
#pragma once

#include "core/backend/backend.h"

namespace qs::test {

class ForwardingBackend : public Backend {
public:
    explicit ForwardingBackend(int threads = 0) : m_inner(makeCpuBackend(threads)) {}
    std::string id() const override { return m_inner->id(); }
    std::string description() const override { return m_inner->description(); }
    Precision precision() const override { return m_inner->precision(); }
    Result<Tensor> allocate(size_t r, size_t c) override { return m_inner->allocate(r, c); }
    Result<void> upload(ConstMatrixView from, Tensor& to) override { return m_inner->upload(from, to); }
    Result<void> uploadWeight(ConstMatrixView from, Tensor& to) override {
        return m_inner->uploadWeight(from, to);
    }
    Result<void> download(const Tensor& from, MatrixView to) override { return m_inner->download(from, to); }
    Result<void> linear(const Tensor& x, const Tensor& w, const Tensor* b, Tensor& y) override {
        return m_inner->linear(x, w, b, y);
    }
    Result<void> rmsNorm(const Tensor& x, const Tensor& g, double eps, Tensor& y) override {
        return m_inner->rmsNorm(x, g, eps, y);
    }
    Result<void> layerNorm(const Tensor& x, const Tensor& g, const Tensor& b, double eps,
                           Tensor& y) override {
        return m_inner->layerNorm(x, g, b, eps, y);
    }
    Result<void> rope(Tensor& x, size_t d, const RopeTable& t, size_t n) override {
        return m_inner->rope(x, d, t, n);
    }
    Result<void> attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& shape,
                           Tensor& out) override {
        return m_inner->attention(q, k, v, shape, out);
    }
    Result<void> activate(Activation f, Tensor& x) override { return m_inner->activate(f, x); }
    Result<void> activateMultiply(Activation f, Tensor& gate, const Tensor& up) override {
        return m_inner->activateMultiply(f, gate, up);
    }
    Result<void> softCap(Tensor& x, float cap) override { return m_inner->softCap(x, cap); }
    Result<void> gatherRows(const Tensor& x, std::span<const uint32_t> rows, Tensor& y) override {
        return m_inner->gatherRows(x, rows, y);
    }
    Result<void> addScaledRows(Tensor& x, std::span<const uint32_t> rows, std::span<const float> weights,
                               const Tensor& y) override {
        return m_inner->addScaledRows(x, rows, weights, y);
    }
    Result<void> add(Tensor& x, const Tensor& y) override { return m_inner->add(x, y); }
    Result<void> accumulateSigma(const Tensor& x, MatrixD& sigma) override {
        return m_inner->accumulateSigma(x, sigma);
    }
    Result<MatrixD> upperFactor(MatrixD h) override { return m_inner->upperFactor(std::move(h)); }
    Result<void> addProduct(float alpha, MatrixView c, ConstMatrixView a, ConstMatrixView b) override {
        return m_inner->addProduct(alpha, c, a, b);
    }
    Result<void> gptqColumnBlock(const ColumnBlock& block) override {
        return m_inner->gptqColumnBlock(block);
    }

private:
    std::unique_ptr<Backend> m_inner;
};

} // namespace qs::test
