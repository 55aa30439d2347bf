// SPDX-License-Identifier: Apache-2.0
#include "core/model/weights.h"

#include "core/model/packed/packed_linear.h"

#include <mutex>

namespace qs {

namespace {

/// The packed linear behind "X.weight", or nullptr.
Result<std::unique_ptr<PackedLinear>> findPacked(const PackedReader& packed, const std::string& tensor) {
    constexpr std::string_view suffix = ".weight";
    if (!tensor.ends_with(suffix)) return std::unique_ptr<PackedLinear>();
    return packed.find(tensor.substr(0, tensor.size() - suffix.size()));
}

class CheckpointWeights final : public WeightSource {
public:
    explicit CheckpointWeights(std::shared_ptr<const Checkpoint> checkpoint)
        : checkpoint_(std::move(checkpoint)), packed_(*checkpoint_) {}

    Result<Matrix> matrix(const std::string& tensor) const override {
        // Packed first: an 8-bit weight has values only together with its scales.
        QS_TRY(const auto packed, findPacked(packed_, tensor));
        if (packed) return packed->dequantize();
        const size_t index = checkpoint_->find(tensor);
        if (index != Checkpoint::npos) return checkpoint_->readMatrix(index);
        return Error::notFound("no tensor " + tensor, checkpoint_->displayName());
    }

    std::string fingerprint() const override {
        std::call_once(once_, [this] {
            auto result = checkpoint_->fingerprint();
            if (result) fingerprint_ = *result;
        });
        return fingerprint_;
    }

    std::string label() const override { return checkpoint_->displayName(); }

private:
    std::shared_ptr<const Checkpoint> checkpoint_;
    PackedReader packed_;
    mutable std::once_flag once_;
    mutable std::string fingerprint_; ///< "" when the files cannot be read
};

} // namespace

std::shared_ptr<const WeightSource> checkpointWeights(std::shared_ptr<const Checkpoint> checkpoint) {
    return std::make_shared<CheckpointWeights>(std::move(checkpoint));
}

Result<RowReader> targetRows(const Model& model, const QuantTarget& target) {
    QS_TRY(std::shared_ptr<const PackedLinear> packed, findPacked(model.packed(), target.tensor));
    if (packed)
        return RowReader([packed](uint64_t first, MatrixView out) { return packed->readRows(first, out); });
    const Checkpoint& checkpoint = model.checkpoint();
    const size_t index = target.tensorIndex;
    if (index == Checkpoint::npos)
        return Error::notFound("no tensor " + target.tensor, checkpoint.displayName());
    return RowReader([&checkpoint, index](uint64_t first, MatrixView out) {
        return checkpoint.readRows(index, first, out);
    });
}

} // namespace qs
