// SPDX-License-Identifier: Apache-2.0
// How runtimes round the inputs of packed linears before they multiply them.
#pragma once

#include "core/codec/row_rounder.h"
#include "core/model/packed/packed_parts.h"
#include "core/model/packed/packed_settings.h"

namespace qs {

struct PackedInputs {
    std::shared_ptr<const RowRounder> rounder; ///< null: inputs stay as they are
    std::string words;                         ///< for people: "int8 per token"
};

/// compressed-tensors' input_activations, per module X:
///   int, 2 to 8 bits, "token" dynamic     one scale a token: max|x| / (2^(b-1) - 1), or a range with zero
///   point int, "group" dynamic                  the same per group of channels int, "tensor" static
///   X.input_scale F32 [1], asymmetric X.input_zero_point I8 [1] float of 8 bits (E4M3), "token" or "group"
///   dynamic: max|x| / 448; "tensor" static: X.input_scale "mxfp8-quantized", "mxfp4-pack-quantized": "group"
///   of 32 dynamic, a power of two each "nvfp4-pack-quantized": "tensor_group" of 16, "local": E4M3 scales
///   against X.input_global_scale F32 [1]
/// quant_method "fp8": activation_scheme "dynamic", E4M3 per token, or per block's columns of a token where
/// weights lie in blocks; "static": X.input_scale (vLLM) or X.activation_scale (transformers).
/// GPTQ, AWQ and bitsandbytes leave inputs as they are.
/// Unsupported for anything else, among it scales that depend on the other tokens of a batch; Corrupt when a
/// scale is missing, misshapen or not above 0. Errors name module, field or tensor, and value.
Result<PackedInputs> packedInputs(const PackedParts& parts, const PackedSettings& settings,
                                  const PackedInfo& info);

} // namespace qs
