// SPDX-License-Identifier: Apache-2.0
// TensorPlaces: where the checkpoint stores what a WeightSource names.
#pragma once

#include "core/model/model.h"

#include <unordered_map>

namespace qs {

/// Of a model with a forward pass, which must outlive it.
class TensorPlaces {
public:
    explicit TensorPlaces(const Model& model);
    /// Of a linear's weight or bias by its logical name, of any other tensor by its own. Kind Absent when
    /// there is none.
    WeightPlace of(const std::string& tensor) const;

private:
    const Checkpoint& checkpoint_;
    std::unordered_map<std::string, const WeightPlace*> linears_;
};

/// Rows and columns of what a Stored place holds, as readPlace() gives it: a vector is one row.
std::pair<size_t, size_t> placeShape(const Checkpoint& checkpoint, const WeightPlace& place);

/// Its values can be replaced: the elements are stored as float32, float16 or bfloat16, or read as one of
/// these from the blocks that encode them.
bool isReplaceable(const Checkpoint& checkpoint, const WeightPlace& place);

} // namespace qs
