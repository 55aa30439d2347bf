// SPDX-License-Identifier: Apache-2.0
#include "core/model/tensor_places.h"

namespace qs {

TensorPlaces::TensorPlaces(const Model& model) : checkpoint_(model.checkpoint()) {
    for (const BlockSpec& b : model.spec().blocks)
        for (const LinearSpec* l : b.linears()) {
            linears_[l->weight] = &l->place;
            if (!l->bias.empty()) linears_[l->bias] = &l->biasPlace;
        }
}

WeightPlace TensorPlaces::of(const std::string& tensor) const {
    if (const auto it = linears_.find(tensor); it != linears_.end()) return *it->second;
    WeightPlace place;
    place.tensor = tensor;
    place.index = checkpoint_.find(tensor);
    if (place.index != Checkpoint::npos) place.kind = WeightPlace::Kind::Stored;
    return place;
}

std::pair<size_t, size_t> placeShape(const Checkpoint& checkpoint, const WeightPlace& place) {
    const TensorInfo& t = checkpoint.tensors().at(place.index);
    const bool vector = t.shape.size() < 2;
    size_t outputs = size_t(vector || place.transposed ? t.cols() : t.rows());
    if (!place.rows.empty()) {
        outputs = 0;
        for (const RowRange& r : place.rows)
            outputs += r.count;
    }
    if (vector) return {1, outputs};
    return {outputs, size_t(place.transposed ? t.rows() : t.cols())};
}

bool isReplaceable(const Checkpoint& checkpoint, const WeightPlace& place) {
    if (place.kind != WeightPlace::Kind::Stored) return false;
    const DType type = checkpoint.tensors()[place.index].dtype;
    return type == DType::F32 || type == DType::F16 || type == DType::BF16;
}

} // namespace qs
