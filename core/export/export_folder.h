// SPDX-License-Identifier: Apache-2.0
// Everything in an exported folder that is not a weight: config.json, companion files, the sidecar.
#pragma once

#include "core/export/export_source.h"

#include <nlohmann/json_fwd.hpp>

namespace qs {

/// The folder that holds the source's companion files; empty when a lone weight file was opened.
std::filesystem::path companionFolder(const Checkpoint& source);

/// The source's config.json with its key order; null when there is none.
Result<nlohmann::ordered_json> sourceConfig(const Checkpoint& source);

/// Says in a config.json that the weights are of `type` (F32, F16 or BF16), under the name that it uses.
void setConfigDtype(nlohmann::ordered_json& config, DType type);

/// config.json (byte for byte when `config` is null: unchanged), companion files, and `sidecar` as
/// quantoscope.json.
Result<void> writeFolderFiles(const Checkpoint& source, const nlohmann::ordered_json* config,
                              const std::string& sidecar, const std::filesystem::path& into);

/// Bytes that writeFolderFiles will need, about; for the check of free space.
uint64_t folderFileBytes(const Checkpoint& source);

} // namespace qs
