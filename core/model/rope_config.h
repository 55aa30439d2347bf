// SPDX-License-Identifier: Apache-2.0
// Rotary embedding as config.json spells it: transformers v4 (`rope_theta` beside `rope_scaling`, which may
// be null) and v5 (`rope_parameters`, flat or one object per layer type).
#pragma once

#include "core/model/config_reader.h"
#include "core/model/rope.h"

namespace qs {

struct RopeDefaults {
    double theta = 10000.0;
    size_t context = 0;   ///< max_position_embeddings
    double partial = 1.0; ///< rotated share of the head
    const char* thetaKey = "rope_theta";
    const char* partialKey = "partial_rotary_factor";
};

/// `layerType` ("full_attention") chooses in a v5 object per layer type; "" for models with one kind of
/// layer. Errors name the field: Unsupported for unknown types, Corrupt for values out of range.
Result<RopeSpec> ropeFromConfig(const ConfigReader& config, size_t headDim, const RopeDefaults& defaults,
                                const std::string& layerType = {});

} // namespace qs
