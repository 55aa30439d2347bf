// SPDX-License-Identifier: Apache-2.0
// The published systems of the field by name, and what of this program implements each.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace qs {

struct PublishedSystem {
    int row = 0; ///< stable number, from 1
    std::string name;
    /// What to choose for it: "method:gptq", "transform:awq", "codec:nf", "inputs:int8" (a preset of rounded
    /// inputs), "kv:int4" (a preset of the KV cache), "rotation:klt" (of the rotate
    /// command), "exporter:gptq". Every one exists.
    std::vector<std::string> ids;
    /// Why there are no ids, or what they leave out: "off-topic", "needs gradients", "training-time only",
    /// "not a quantizer", "not built yet"; with words after a colon where the ids cover a part. "" otherwise.
    std::string reason;
};

/// In the order of their numbers.
std::span<const PublishedSystem> publishedSystems();

} // namespace qs
