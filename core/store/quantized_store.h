// SPDX-License-Identifier: Apache-2.0
// Quantized tensors in an HDF5 file. For every module a group "/<module>" ('/' and '%' of the name as %2F,
// %25):
//   codes            uint8 [rows, cols], of codecs with more than 128 codes; of others
//   packed_codes     uint8 [rows, bytes]: each row's codes as one stream of fields of as many bits as the
//                    largest code needs (core/codec/packing.h), in whole little-endian words of 32 bits
//   scale            [scale_rows, groups], float16, float32, or uint16 with attribute qs_dtype = "bf16", by
//                    the codec's parameter scale_dtype (float32 when it has none); exact
//   zero             [scale_rows, groups], uint8 when all are integers in 0 .. 255, else float32
//   super_scale      float32 [rows, super-blocks], only for codecs that have them; super_zero the same, where
//                    they have offsets
//   group_of_column  int32 [cols], only when columns are not grouped in order
//   kept_start       int32 [rows + 1], kept_column uint16 (int32 in rows of more than 65536) [count],
//   kept_value       float16 [count]: weights that keep their own values (CSR), only when there are any
//   kept_scale       float16 [rows], kept_mask uint8 [rows cols / 8, rounded up], kept_code uint8 [count]:
//                    the same for values of 8 bits, scale (code - 128) in row order; the weight's place in
//                    the matrix is that of its bit, the lowest of a byte first
//   low_rank_a       float16 [rows, rank], low_rank_b [rank, cols]: added to the dequantized values, only
//   when
//                    there is such a correction
//   channels_first, channels_second   uint16 (int32 in rows of more than 65536) [cols], where the channels of
//                    the inputs are reassembled
//   rotation_seed    uint16 [4], lowest word first, where the inputs were rotated; rotation_scale float16
//                    [cols] where they were scaled before
//   attributes       module, codec, codec_params (JSON), rows, cols, group_size, groups, scale_rows
// The file's attributes: schema = "quantoscope-tensors", schema_version, and the caller's. Version 1 has
// codes of every codec as `codes`. Codes are not compressed: packed they are about as small, and deflating
// them took longer than finding them.
// What is read (and written) has consistent shapes, the groups that its codec makes of them, finite
// parameters, group indices in range, and no code that the codec does not have.
#pragma once

#include "core/base/result.h"
#include "core/codec/codec.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace qs {

using StoreAttributes = std::vector<std::pair<std::string, std::string>>;

/// Appears under `path` whole or not at all; the same tensors give the same bytes. InvalidArgument when a
/// tensor breaks a rule above or a scale is not representable in the declared type. Thread-safe.
Result<void> writeQuantizedTensors(const std::filesystem::path& path,
                                   const std::vector<std::pair<std::string, const QuantizedTensor*>>& tensors,
                                   const StoreAttributes& attributes = {});

/// NotFound when the file or the module is missing; Unsupported when the codec is not known; Corrupt, naming
/// the dataset, the place in it and the value, when the file is damaged. Thread-safe.
Result<QuantizedTensor> readQuantizedTensor(const std::filesystem::path& path, const std::string& module);

} // namespace qs
