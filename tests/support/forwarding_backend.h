// SPDX-License-Identifier: Apache-2.0
// A backend that hands every operation to the CPU's; tests override the one that they watch or hold up.
#pragma once

#include "core/backend/codes.h"
#include "core/backend/sums.h"

namespace qs::test {

class ForwardingBackend : public Backend {
public:
    explicit ForwardingBackend(int threads = 0) : m_inner(makeCpuBackend(threads)) {}
    std::string id() const override { return m_inner->id(); }
    bool inMainMemory() const override { return m_inner->inMainMemory(); }
    std::string description() const override { return m_inner->description(); }
    Precision precision() const override { return m_inner->precision(); }
    std::vector<std::string> takeNotes() override { return m_inner->takeNotes(); }
    Result<Tensor> allocate(size_t r, size_t c) override { return m_inner->allocate(r, c); }
    Result<void> upload(ConstMatrixView from, Tensor& to) override { return m_inner->upload(from, to); }
    Result<void> uploadWeight(ConstMatrixView from, Tensor& to) override {
        return m_inner->uploadWeight(from, to);
    }
    Result<void> download(const TensorBlock& from, MatrixView to) override {
        return m_inner->download(from, to);
    }
    Result<void> write(ConstMatrixView from, const TensorBlock& to) override {
        return m_inner->write(from, to);
    }
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
    Result<std::unique_ptr<SecondMoment>> secondMoment(size_t channels) override {
        return m_inner->secondMoment(channels);
    }
    Result<LogitScores> scoreLogits(const Tensor& logits, std::span<const uint32_t> rows,
                                    std::span<const uint32_t> targets, const Tensor* reference) override {
        return m_inner->scoreLogits(logits, rows, targets, reference);
    }
    Result<TensorBlock> borrow(ConstMatrixView from) override { return m_inner->borrow(from); }
    Result<void> copy(const TensorBlock& from, const TensorBlock& to) override {
        return m_inner->copy(from, to);
    }
    Result<std::unique_ptr<UpperFactor>> upperFactor(const MatrixD& sigma, std::span<const uint32_t> order,
                                                     std::span<const double> diagonal) override {
        return m_inner->upperFactor(sigma, order, diagonal);
    }
    Result<void> gatherColumns(const TensorBlock& x, std::span<const uint32_t> columns,
                               const TensorBlock& out) override {
        return m_inner->gatherColumns(x, columns, out);
    }
    Result<void> columnRanges(const TensorBlock& x, std::span<float> low, std::span<float> high) override {
        return m_inner->columnRanges(x, low, high);
    }
    Result<void> addProduct(float alpha, const TensorBlock& c, const TensorBlock& a,
                            const TensorBlock& b) override {
        return m_inner->addProduct(alpha, c, a, b);
    }
    Result<void> gptqColumnBlock(const ColumnBlock& block) override {
        return m_inner->gptqColumnBlock(block);
    }
    Result<void> groupRanges(const Tensor& x, size_t groupSize, MatrixView low, MatrixView high) override {
        return m_inner->groupRanges(x, groupSize, low, high);
    }
    Result<CodeTensor> allocateCodes(size_t rows, size_t cols) override {
        return m_inner->allocateCodes(rows, cols);
    }
    Result<void> uploadCodes(MatrixViewT<const uint8_t> from, CodeTensor& to) override {
        return m_inner->uploadCodes(from, to);
    }
    Result<void> downloadCodes(const CodeTensor& from, MatrixViewT<uint8_t> to) override {
        return m_inner->downloadCodes(from, to);
    }
    Result<void> downloadTransposed(const CodeTensor& from, MatrixViewT<uint8_t> to) override {
        return m_inner->downloadTransposed(from, to);
    }
    Result<void> roundToGrid(const Tensor& x, const CodeGrid& grid, const CodeGroups& groups,
                             CodeTensor& codes, Tensor* values) override {
        return m_inner->roundToGrid(x, grid, groups, codes, values);
    }
    Result<void> decodeCodes(const CodeTensor& codes, const CodeGrid& grid, const CodeGroups& groups,
                             Tensor& values) override {
        return m_inner->decodeCodes(codes, grid, groups, values);
    }
    Result<ColumnSums> columnSums(const Tensor& x, std::span<const float> shift) override {
        return m_inner->columnSums(x, shift);
    }
    Result<ValueCounts> countValues(const Tensor& x, double lo, double hi, size_t bins) override {
        return m_inner->countValues(x, lo, hi, bins);
    }
    Result<KMeansStep> kMeansStep(const Tensor& points, const Tensor* weights,
                                  ConstMatrixView centers) override {
        return m_inner->kMeansStep(points, weights, centers);
    }
    Result<void> rotateRows(Tensor& x, std::span<const float> signs, const MatrixD& orthogonal,
                            bool back) override {
        return m_inner->rotateRows(x, signs, orthogonal, back);
    }

private:
    std::unique_ptr<Backend> m_inner;
};

} // namespace qs::test
