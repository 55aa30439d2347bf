// SPDX-License-Identifier: GPL-3.0-or-later
// A backend that can do nothing, and remembers on which thread it was made and freed.
#pragma once

#include "core/backend/codes.h"
#include "core/backend/sums.h"

#include <QThread>
#include <atomic>

namespace qs::test {

struct BackendLog {
    std::atomic<QThread*> madeOn{nullptr}, freedOn{nullptr};
    std::atomic<int> made{0};
    std::vector<std::string> notes;    ///< for the next job; set while none runs
    std::optional<MemoryState> memory; ///< likewise
};

class FakeBackend : public Backend {
public:
    explicit FakeBackend(BackendLog* log) : log_(log) {
        log_->madeOn = QThread::currentThread();
        ++log_->made;
    }
    ~FakeBackend() override { log_->freedOn = QThread::currentThread(); }
    std::string id() const override { return "fake"; }
    std::string description() const override { return "fake backend"; }
    std::vector<std::string> takeNotes() override { return std::exchange(log_->notes, {}); }
    std::optional<MemoryState> memory() override { return log_->memory; }
    Result<Tensor> allocate(size_t, size_t) override { return no(); }
    Result<void> upload(ConstMatrixView, Tensor&) override { return no(); }
    Result<void> download(const TensorBlock&, MatrixView) override { return no(); }
    Result<void> write(ConstMatrixView, const TensorBlock&) override { return no(); }
    Result<void> linear(const Tensor&, const Tensor&, const Tensor*, Tensor&) override { return no(); }
    Result<void> rmsNorm(const Tensor&, const Tensor&, double, Tensor&) override { return no(); }
    Result<void> layerNorm(const Tensor&, const Tensor&, const Tensor&, double, Tensor&) override {
        return no();
    }
    Result<void> rope(Tensor&, size_t, const RopeTable&, size_t) override { return no(); }
    Result<void> attention(const Tensor&, const Tensor&, const Tensor&, const AttentionShape&,
                           Tensor&) override {
        return no();
    }
    Result<void> activate(Activation, Tensor&) override { return no(); }
    Result<void> activateMultiply(Activation, Tensor&, const Tensor&) override { return no(); }
    Result<void> softCap(Tensor&, float) override { return no(); }
    Result<void> gatherRows(const Tensor&, std::span<const uint32_t>, Tensor&) override { return no(); }
    Result<void> addScaledRows(Tensor&, std::span<const uint32_t>, std::span<const float>,
                               const Tensor&) override {
        return no();
    }
    Result<void> add(Tensor&, const Tensor&) override { return no(); }
    Result<std::unique_ptr<SecondMoment>> secondMoment(size_t) override { return no(); }
    Result<LogitScores> scoreLogits(const Tensor&, std::span<const uint32_t>, std::span<const uint32_t>,
                                    const Tensor*) override {
        return no();
    }
    Result<TensorBlock> borrow(ConstMatrixView) override { return no(); }
    Result<void> copy(const TensorBlock&, const TensorBlock&) override { return no(); }
    Result<std::unique_ptr<UpperFactor>> upperFactor(const MatrixD&, std::span<const uint32_t>,
                                                     std::span<const double>) override {
        return no();
    }
    Result<void> gatherColumns(const TensorBlock&, std::span<const uint32_t>, const TensorBlock&) override {
        return no();
    }
    Result<void> columnRanges(const TensorBlock&, std::span<float>, std::span<float>) override {
        return no();
    }
    Result<void> addProduct(float, const TensorBlock&, const TensorBlock&, const TensorBlock&) override {
        return no();
    }
    Result<void> gptqColumnBlock(const ColumnBlock&) override { return no(); }
    Result<void> groupRanges(const Tensor&, size_t, MatrixView, MatrixView) override { return no(); }
    Result<CodeTensor> allocateCodes(size_t, size_t) override { return no(); }
    Result<void> uploadCodes(MatrixViewT<const uint8_t>, CodeTensor&) override { return no(); }
    Result<void> downloadCodes(const CodeTensor&, MatrixViewT<uint8_t>) override { return no(); }
    Result<void> downloadTransposed(const CodeTensor&, MatrixViewT<uint8_t>) override { return no(); }
    Result<void> roundToGrid(const Tensor&, const CodeGrid&, const CodeGroups&, CodeTensor&,
                             Tensor*) override {
        return no();
    }
    Result<void> decodeCodes(const CodeTensor&, const CodeGrid&, const CodeGroups&, Tensor&) override {
        return no();
    }
    Result<ColumnSums> columnSums(const Tensor&, std::span<const float>) override { return no(); }
    Result<ValueCounts> countValues(const Tensor&, double, double, size_t) override { return no(); }
    Result<KMeansStep> kMeansStep(const Tensor&, const Tensor*, ConstMatrixView) override { return no(); }
    Result<void> rotateRows(Tensor&, std::span<const float>, const MatrixD&, bool) override { return no(); }

private:
    static Error no() { return Error::unsupported("the fake backend computes nothing"); }
    BackendLog* log_;
};

} // namespace qs::test
