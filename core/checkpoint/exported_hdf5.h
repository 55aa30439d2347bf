// SPDX-License-Identifier: Apache-2.0
// Models in HDF5 files that this program exported (schema "quantoscope-model", version 1). '/' and '%' of
// names are written as %2F and %25; every object says its real name in an attribute.
//
//   /tensors/<tensor>   An array: a tensor as the source has it (ranks 0 and above 4 as [rows, cols]).
//                       Or a group: a quantized one. Its arrays codes, scale, zero, super_scale, super_zero
//                       and group_of_column are those of core/store/quantized_store.h. Where linears are
//                       parts of a fused or transposed tensor, it holds one such group per linear instead,
//                       and `kept`, the tensor as it was, where they leave some of it out.
//     attributes        name; shape, "[64,64]"; format, "int4 g128 sym"; qs_dtype of arrays whose type HDF5
//     does
//                       not have ("BF16")
//     of a linear       also module, codec, codec_params, rows, cols, group_size, groups, scale_rows,
//     block_rows
//                       (rows that share a scale); values, the formula of a weight: "scale * (code - zero)",
//                       "scale * level - zero" with the table that levels names, or "table[row, group,
//                       code]" with float32 table [scale_rows, groups, codes]; stored: "whole", "rows"
//                       or "transposed"; of the latter two, row_ranges int32 [n, 2] says first and count of
//                       its outputs in the tensor, in order; extras, the formulas of what follows
//     beside codes      In this order, where the method kept it (n outputs, m inputs, m = p q, p the largest
//                       power of two in m):
//                       rotation_signs int8 [m], 1 or -1; rotation_q float64 [q, q], where q > 1;
//                       rotation_scale float16 [m], where there is one: the codes' values V were made in
//                       rotated coordinates, W = V kron(H, rotation_q) rotation_signs / sqrt(p) /
//                       rotation_scale, H the Hadamard matrix of p; rotation_seed uint64 [1] made them, and
//                       is not read
//                       low_rank_a float16 [n, r], low_rank_b float16 [r, m]: W += A B
//                       kept_start int32 [n + 1], kept_column uint16 (int32 where m > 65536), kept_value
//                       float16: weights with values of their own, row by row (CSR)
//   /levels/<n>         float32, the values of the codes of a format
//   /scaling/<weight>/  rows, columns: the factors of transforms, as in core/store/folded_store.h
//   /files/<name>       uint8: config.json, tokenizer files, ...
//   /manifest           uint8, JSON: where the model comes from, recipe, calibration, versions
#pragma once

#include "core/checkpoint/checkpoint.h"
#include "core/hdf5/h5_import.h"

namespace qs {

inline constexpr const char* kExportedSchema = "quantoscope-model";
inline constexpr const char* kIntegerValues = "scale * (code - zero)";
inline constexpr const char* kLevelValues = "scale * level - zero";
inline constexpr const char* kTableValues = "table[row, group, code]";
/// Rows of rotation_q, at most: a row length that is odd and larger is not rotated by anybody.
inline constexpr uint64_t kExportedMaxRotation = 4096;

/// The listed file is one.
bool isExportedModel(const H5Listing& listing);

/// Opens it: values of quantized tensors are computed, and float32. Corrupt, naming the object, when it
/// breaks a rule above; Unsupported for another version.
Result<std::shared_ptr<const Checkpoint>> exportedCheckpoint(std::unique_ptr<H5Import> file);

} // namespace qs
