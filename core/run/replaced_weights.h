// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/model/weights.h"

#include <map>

namespace qs {

/// Some tensors with other values. Both must outlive it.
class ReplacedWeights final : public WeightSource {
public:
    ReplacedWeights(const WeightSource& base, const std::map<std::string, Matrix>& values)
        : base_(base), values_(values) {}
    Result<Matrix> matrix(const std::string& name) const override {
        const auto it = values_.find(name);
        if (it == values_.end()) return base_.matrix(name);
        return it->second.clone();
    }
    Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& weight) const override {
        return base_.inputRounder(weight);
    }
    std::shared_ptr<const RowRounder> outputRounder(const std::string& weight) const override {
        return base_.outputRounder(weight);
    }
    std::string fingerprint() const override { return {}; } // used for one block, compared with nothing
    std::string label() const override { return base_.label(); }

private:
    const WeightSource& base_;
    const std::map<std::string, Matrix>& values_;
};

} // namespace qs
