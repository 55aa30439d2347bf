// SPDX-License-Identifier: Apache-2.0
#include "core/model/weights.h"

#include "core/model/gptq_checkpoint.h"

#include <mutex>

namespace qs {

namespace {

class CheckpointWeights final : public WeightSource {
public:
    explicit CheckpointWeights(std::shared_ptr<const Checkpoint> checkpoint)
        : checkpoint_(std::move(checkpoint)) {}

    Result<Matrix> matrix(const std::string& tensor) const override {
        const size_t index = checkpoint_->find(tensor);
        if (index != Checkpoint::npos) return checkpoint_->readMatrix(index);
        constexpr std::string_view suffix = ".weight";
        if (tensor.ends_with(suffix)) {
            const std::string module = tensor.substr(0, tensor.size() - suffix.size());
            QS_TRY(const auto packed, packedGptqLinear(*checkpoint_, module));
            if (packed) {
                QS_TRY(const UnpackedLinear unpacked, unpackGptq(*checkpoint_, *packed));
                return unpacked.dequantize();
            }
        }
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
    mutable std::once_flag once_;
    mutable std::string fingerprint_; ///< "" when the files cannot be read
};

} // namespace

std::shared_ptr<const WeightSource> checkpointWeights(std::shared_ptr<const Checkpoint> checkpoint) {
    return std::make_shared<CheckpointWeights>(std::move(checkpoint));
}

} // namespace qs
