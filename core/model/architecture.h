// SPDX-License-Identifier: Apache-2.0
// Architecture registry: one entry per model family (architectures.def + architectures/<id>.cpp).
#pragma once

#include "core/model/model.h"

#include <span>

namespace qs {

struct ArchitectureDescriptor {
    std::string id; ///< stored on disk, never renamed
    std::string label;
    std::string summary;                 ///< which published models
    std::vector<std::string> classNames; ///< config.json `architectures[0]`
    std::vector<std::string> modelTypes; ///< config.json `model_type`, asked when no class name matches
    /// Fills the spec from config and tensor shapes. Errors name the field, the rule and the value.
    Result<ModelSpec> (*resolve)(const Checkpoint& checkpoint) = nullptr;
    std::string refuses;                 ///< one line for the manual: options of the family that are refused
    std::string head = "lm_head.weight"; ///< name of the output head where it is a tensor of its own
};

std::span<const ArchitectureDescriptor* const> architectures();
/// The entry for a config.json; NotFound names what the config says.
Result<const ArchitectureDescriptor*> architectureFor(const Checkpoint& checkpoint);

} // namespace qs
