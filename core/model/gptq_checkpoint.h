// SPDX-License-Identifier: Apache-2.0
// Linears that a checkpoint stores packed in the GPTQ layout (AutoGPTQ, GPTQModel), read back as codes and
// values. Per module X, with N outputs, K inputs, b bits and G groups:
//   X.qweight I32 [K*b/32, N]   codes along K, least significant bit first
//   X.qzeros  I32 [G, N*b/32]   zero points along N; checkpoint_format "gptq" (v1) stores zero - 1, "gptq_v2"
//   zero X.scales  F16 [G, N] X.g_idx   I32 [K]           group of each input; optional here, then k / group
//   size
// W[n, k] = (code[n, k] - zero[g(k), n]) * scale[g(k), n].
#pragma once

#include "core/checkpoint/checkpoint.h"

#include <optional>

namespace qs {

/// Logical shape and parts of one packed linear. Made by `packedGptqLinear`, which has checked all shapes.
struct PackedLinear {
    std::string module;       ///< prefix X of the tensor names
    size_t out = 0, in = 0;   ///< of the weight [out, in] that it stands for
    int bits = 0;             ///< 2, 3, 4 or 8
    size_t groups = 0;        ///< rows of scales
    size_t groupSize = 0;     ///< columns per group when there is no X.g_idx (or it is in order)
    bool zeroMinusOne = true; ///< checkpoint_format "gptq" (v1)
    /// Indices into Checkpoint::tensors(); `groupIndex` is npos when X.g_idx is absent.
    size_t qweight = Checkpoint::npos, qzeros = Checkpoint::npos, scales = Checkpoint::npos,
           groupIndex = Checkpoint::npos;
};

/// The packed linear `module` ("model.layers.0.self_attn.q_proj"), or nullopt when the checkpoint has no
/// `module`.qweight. Reads no tensor data. Bits and K follow from the shapes and must agree with
/// quantization_config in config.json (or quantize_config.json). Corrupt when they do not, or when a part is
/// missing or misshapen; Unsupported for other quant methods and formats.
Result<std::optional<PackedLinear>> packedGptqLinear(const Checkpoint& checkpoint, const std::string& module);

/// Codes and parameters as stored.
struct UnpackedLinear {
    size_t out = 0, in = 0;
    int bits = 0;
    std::vector<uint8_t> codes; ///< [out, in], 0 .. 2^bits - 1
    Matrix scale;               ///< [out, groups]
    Matrix zero;                ///< [out, groups], 0 .. 2^bits; v1 adds one without wrapping, as vLLM does
    std::vector<int32_t> groupOfColumn; ///< [in], each in 0 .. groups - 1
    /// [out, in] values.
    Matrix dequantize() const;
};

/// Corrupt when a group index is out of range or a scale is not finite.
Result<UnpackedLinear> unpackGptq(const Checkpoint& checkpoint, const PackedLinear& linear);

} // namespace qs
