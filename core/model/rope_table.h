// SPDX-License-Identifier: Apache-2.0
// Tables of rotary embeddings in the memory of a backend.
#pragma once

#include "core/backend/backend.h"
#include "core/model/rope.h"

namespace qs {

/// [positions, dims / 2] cosine and sine of positions `first` and on, for windows of `windowLength` tokens.
/// Angles are float32, as the published implementations compute them.
Result<RopeTable> ropeTable(const RopeSpec& spec, size_t windowLength, Backend& backend, size_t first,
                            size_t positions);

} // namespace qs
