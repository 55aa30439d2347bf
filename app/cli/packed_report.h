// SPDX-License-Identifier: Apache-2.0
// What `inspect` says about linears that the checkpoint stores already quantized.
#pragma once

#include "core/model/model.h"
#include "core/model/packed/packed_details.h"

#include <map>
#include <nlohmann/json_fwd.hpp>

namespace qs::cli {

/// The packed linears of a model by the index of their first part, and which tensors are parts. Damaged ones
/// are left out: the model says what is wrong with them.
struct PackedLinears {
    std::map<size_t, std::shared_ptr<const PackedInfo>> at;
    std::vector<char> isPart;
};
PackedLinears packedLinears(const Model& model);

/// "AWQ 4-bit, group 128, asymmetric (28 linears)", by descending count.
std::vector<std::string> storedForms(const PackedLinears& packed);

/// `details` may be null.
nlohmann::json packedJson(const PackedInfo& info, const PackedDetails* details);

/// One line a linear.
class PackedTable {
public:
    void add(const std::string& tensor, const PackedInfo& info, const PackedDetails& details);
    bool empty() const { return rows_.empty(); }
    std::string text() const;

private:
    std::vector<std::vector<std::string>> rows_;
};

} // namespace qs::cli
