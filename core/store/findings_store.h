// SPDX-License-Identifier: Apache-2.0
// What a run learnt from its calibration text to round activations with, in an HDF5 file:
//   /blocks/<i>/keys_low, keys_high, values_low, values_high   float32 [channels]
//   /blocks/<i>/codebook/whiten, unwhiten [heads d, d], centers [n, length]; attribute heads
//   /bases   JSON: {"inputs": {module: choice}, "probabilities": [base of each block]}: bases of log grids; a
//            choice is a base, or an object with those of base, format, no_sign, range, shift,
//            channels ([first, second] of a reassembly) and fixed ([scale, zero]) that differ from
//            RowChoice's defaults
// The file's attributes: schema = "quantoscope-findings", schema_version.
#pragma once

#include "core/model/cache_format.h"

#include <filesystem>
#include <map>

namespace qs {

struct RunFindings {
    std::vector<CacheFindings> blocks;       ///< one per block of the model
    std::map<std::string, RowChoice> inputs; ///< by module, where something is searched
    std::vector<int> probabilityBase;        ///< per block; empty where it is not searched
};

/// Appears under `path` whole or not at all; the same content gives the same bytes.
Result<void> writeFindings(const std::filesystem::path& path, const RunFindings& findings);

/// Of a model with `blocks` blocks. NotFound when the file is missing; Corrupt when a shape does not fit
/// another, a value is not finite, a range is upside down, or a base is no
/// positive number. Whether the channels are those of the model
/// shows when the cache is rounded.
Result<RunFindings> readFindings(const std::filesystem::path& path, size_t blocks);

} // namespace qs
