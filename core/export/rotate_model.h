// SPDX-License-Identifier: Apache-2.0
// A rotated copy of a model: an ordinary Hugging Face folder that computes the same from weights and a
// residual stream in which no channel stands out (see ModelRotation). Everything that reads such folders
// reads it, this program's quantization and exports among them.
#pragma once

#include "core/backend/backend.h"
#include "core/quant/transform/model_rotation.h"

#include <filesystem>

namespace qs {

struct RotateRequest {
    std::shared_ptr<const Model> model;
    std::filesystem::path directory; ///< must not exist, or be an empty folder
    RotationKind kind = RotationKind::Hadamard;
    uint64_t seed = 0;
    bool heads = false;                ///< ModelRotationOptions::heads
    std::optional<DType> dtype;        ///< of the tensors that change: F32, F16 or BF16; none: the source's
    std::filesystem::path calibration; ///< of the model; needed by Klt, else unused
};

struct RotatedModel {
    std::filesystem::path directory; ///< absolute
    uint64_t bytes = 0;              ///< of the weight files
    uint64_t headBytes = 0;          ///< of them for a head that was tied to the embedding before; 0: none
    size_t tensors = 0;              ///< stored ones that changed, and the head
    /// Root mean square of (copy's logits - model's logits) over that of the model's, for random tokens, both
    /// computed in float32 from the files.
    double difference = 0;
};

/// Checks the free space, writes to a temporary sibling, reopens it, compares logits, renames. On error or
/// cancel nothing remains. Tokenizer and other files beside the weights are copied; quantoscope.json says
/// what was done; config.json changes where the head is untied or `dtype` given. Memory: a few tensors, or a
/// block. InvalidArgument when the source is no Hugging Face folder of plain floats, the architecture cannot
/// be rotated exactly, or the copy computes something else (then the type holds too few digits).
Result<RotatedModel> rotateModel(const RotateRequest& request, Backend& backend, const JobContext& job);

} // namespace qs
