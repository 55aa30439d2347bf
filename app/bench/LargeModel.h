// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint with as many tensors as the largest mixtures have, of which only the header is on the disk.
#pragma once

#include "core/base/result.h"

#include <filesystem>

namespace qs::app {

struct LargeModelShape {
    int layers = 80;
    int experts = 414; ///< per layer: 3 linears each, 4 of the attention, 5 more tensors
    int hidden = 256, intermediate = 128;

    int tensors() const { return layers * (3 * experts + 9) + 3; }
    /// Linears of the blocks.
    int linears() const { return layers * (3 * experts + 4); }
};

/// Writes config.json and model.safetensors (Qwen3-MoE, BF16, all zeros, in a sparse file) into an existing
/// folder.
Result<void> writeLargeModel(const std::filesystem::path& folder, const LargeModelShape& shape);

} // namespace qs::app
