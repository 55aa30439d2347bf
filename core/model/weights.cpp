// SPDX-License-Identifier: Apache-2.0
#include "core/model/weights.h"

#include "core/model/packed/packed_linear.h"

#include <mutex>
#include <unordered_map>

namespace qs {

namespace {

/// X of "X.weight", or "".
std::string moduleOf(const std::string& tensor) {
    constexpr std::string_view suffix = ".weight";
    return tensor.ends_with(suffix) ? tensor.substr(0, tensor.size() - suffix.size()) : std::string();
}

class CheckpointWeights final : public WeightSource {
public:
    explicit CheckpointWeights(std::shared_ptr<const Checkpoint> checkpoint)
        : checkpoint_(std::move(checkpoint)), packed_(*checkpoint_) {}

    Result<Matrix> matrix(const std::string& tensor) const override {
        // Packed first: an 8-bit weight has values only together with its scales.
        if (const std::string module = moduleOf(tensor); !module.empty()) {
            QS_TRY(const auto packed, packed_.find(module));
            if (packed) return packed->dequantize();
        }
        const size_t index = checkpoint_->find(tensor);
        if (index != Checkpoint::npos) return checkpoint_->readMatrix(index);
        return Error::notFound("no tensor " + tensor, checkpoint_->displayName());
    }

    Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& tensor) const override {
        const std::string module = moduleOf(tensor);
        return module.empty() ? std::shared_ptr<const RowRounder>() : packed_.inputRounder(module);
    }

    std::string fingerprint() const override {
        std::call_once(once_, [this] {
            auto result = checkpoint_->fingerprint();
            if (result) fingerprint_ = *result;
        });
        return fingerprint_;
    }

    std::string label() const override { return checkpoint_->displayName(); }
    const PackedReader& packed() const { return packed_; }

private:
    std::shared_ptr<const Checkpoint> checkpoint_;
    PackedReader packed_;
    mutable std::once_flag once_;
    mutable std::string fingerprint_; ///< "" when the files cannot be read
};

class ModelWeights final : public WeightSource {
public:
    explicit ModelWeights(const Model& model)
        : stored_(std::make_shared<const CheckpointWeights>(model.checkpointPtr())) {
        if (!model.hasForward()) return;
        const auto add = [&](const LinearSpec& l) {
            if (!l.place.whole()) places_[l.weight] = l.place;
            if (!l.biasPlace.whole()) places_[l.bias] = l.biasPlace;
        };
        for (const BlockSpec& b : model.spec().blocks)
            for (const LinearSpec* l : b.linears())
                add(*l);
    }

    Result<Matrix> matrix(const std::string& name) const override {
        const auto it = places_.find(name);
        return it == places_.end() ? stored_->matrix(name) : readPlace(stored_->packed(), it->second);
    }
    Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& name) const override {
        const auto it = places_.find(name);
        if (it == places_.end()) return stored_->inputRounder(name);
        if (it->second.kind != WeightPlace::Kind::Packed) return std::shared_ptr<const RowRounder>();
        return stored_->packed().inputRounder(it->second.tensor);
    }
    std::string fingerprint() const override { return stored_->fingerprint(); }
    std::string label() const override { return stored_->label(); }

private:
    std::shared_ptr<const CheckpointWeights> stored_;
    std::unordered_map<std::string, WeightPlace> places_; ///< of weights that are no stored tensor as it is
};

} // namespace

std::shared_ptr<const WeightSource> checkpointWeights(std::shared_ptr<const Checkpoint> checkpoint) {
    return std::make_shared<CheckpointWeights>(std::move(checkpoint));
}

std::shared_ptr<const WeightSource> modelWeights(const Model& model) {
    return std::make_shared<ModelWeights>(model);
}

} // namespace qs
