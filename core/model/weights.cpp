// SPDX-License-Identifier: Apache-2.0
#include "core/model/weights.h"

#include <mutex>
#include <unordered_map>

namespace qs {

namespace {

class CheckpointWeights final : public WeightSource {
public:
    explicit CheckpointWeights(std::shared_ptr<const Checkpoint> checkpoint)
        : checkpoint_(std::move(checkpoint)) {}

    Result<Matrix> matrix(const std::string& name) const override {
        const size_t index = checkpoint_->find(name);
        if (index != Checkpoint::npos) return checkpoint_->readMatrix(index);
        constexpr std::string_view suffix = ".weight";
        if (name.ends_with(suffix)) {
            auto packed = readPackedLinear(*checkpoint_, name.substr(0, name.size() - suffix.size()));
            if (packed || packed.error().code != ErrorCode::NotFound) return packed;
        }
        return Error::notFound("no tensor " + name, checkpoint_->displayName());
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

class ModelWeights final : public WeightSource {
public:
    explicit ModelWeights(const Model& model)
        : checkpoint_(model.checkpointPtr()), stored_(checkpointWeights(checkpoint_)) {
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
        return it == places_.end() ? stored_->matrix(name) : readPlace(*checkpoint_, it->second);
    }
    std::string fingerprint() const override { return stored_->fingerprint(); }
    std::string label() const override { return stored_->label(); }

private:
    std::shared_ptr<const Checkpoint> checkpoint_;
    std::shared_ptr<const WeightSource> stored_;
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
