// SPDX-License-Identifier: Apache-2.0
// Everything that an export to GGUF has decided before the first byte is written.
#pragma once

#include "core/export/gguf_metadata.h"

namespace qs {

struct GgufLayout {
    const GgufArchitecture* architecture = nullptr;
    GgufOutputs outputs;
    std::vector<GgufItem> items; ///< the outputs, in their order, then what a rotary scaling needs
    std::vector<GgufPart> parts;
    std::shared_ptr<TensorCache> cache; ///< that the items are filled from
};

/// `source` must outlive the result, which stays where it is: the items point into it.
Result<std::unique_ptr<const GgufLayout>> ggufLayout(const ExportSource& source);

/// "" when both compute the same function of the same weights.
std::string ggufSpecDifference(const ModelSpec& a, const ModelSpec& b);

} // namespace qs
