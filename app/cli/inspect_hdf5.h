// SPDX-License-Identifier: Apache-2.0
// What `inspect` says about an HDF5 file from elsewhere: its tree, and the activations in it.
#pragma once

#include "app/cli/inspect_report.h"
#include "core/calibrate/activation_dump.h"

namespace qs::cli {

/// The reader that would open `path` is the HDF5 one.
bool isHdf5File(const std::filesystem::path& path);
/// `mapFile` "": the sidecar, or the usual names alone.
Result<std::shared_ptr<const MappedHdf5>> openHdf5(const std::filesystem::path& path,
                                                   const std::string& mapFile);

/// Every object: type, shape, stored bytes, and what the mapping makes of it.
std::string treeText(const MappedHdf5& file);
nlohmann::json treeJson(const MappedHdf5& file);

/// The statistics of every activation whose name matches the glob; none when the file has none.
Result<std::vector<ActivationStats>> measureActivations(std::shared_ptr<const MappedHdf5> file,
                                                        const std::string& glob, const JobContext& job);

} // namespace qs::cli
