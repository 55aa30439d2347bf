// SPDX-License-Identifier: Apache-2.0
// Reader registry: one entry per weight file format (readers.def + readers/<id>.cpp).
#pragma once

#include "core/checkpoint/checkpoint.h"

#include <span>

namespace qs {

struct ReaderDescriptor {
    std::string id;                      ///< stored on disk, never renamed
    std::string label;                   ///< "Safetensors"
    std::string summary;                 ///< one line: what it opens
    std::vector<std::string> extensions; ///< with the dot, lower case; for file dialogs and single files
    /// True when this reader is the one for `path` (a file or a folder). Looks at names and magic bytes only.
    bool (*accepts)(const std::filesystem::path& path) = nullptr;
    Result<std::shared_ptr<const Checkpoint>> (*open)(const std::filesystem::path& path) = nullptr;
    std::string refuses; ///< one line for the manual: what of this format is refused, with a reason
};

/// The file's ending with its dot, in lower case.
std::string lowerExtension(const std::filesystem::path& path);

/// In the order of readers.def.
std::span<const ReaderDescriptor* const> readers();

} // namespace qs
