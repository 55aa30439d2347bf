// SPDX-License-Identifier: Apache-2.0
// Codes and scales of one packed linear, read through once.
#pragma once

#include "core/base/job.h"
#include "core/model/packed/packed_linear.h"

#include <map>

namespace qs {

struct PackedDetails {
    std::map<int, uint64_t> codeCounts; ///< codes that occur, see PackedCodes
    size_t scaleCount = 0;
    float scaleMin = 0, scaleMax = 0;
    float zeroMin = 0, zeroMax = 0; ///< both 0 without zero points
};

/// O(out in). Memory: a quarter of a million codes at a time, and the scales.
Result<PackedDetails> measurePacked(const PackedLinear& linear, const JobContext& job);

} // namespace qs
