// SPDX-License-Identifier: Apache-2.0
// Anatomy: one row's group of weights with the codes that a method chose for it.
#pragma once

#include "core/codec/codec.h"
#include "core/quant/sigma_weights.h"

namespace qs {

/// Which weights share a scale: the columns of one group in one row.
struct GroupSlice {
    size_t row = 0, group = 0;
    std::vector<size_t> columns;
    std::vector<float> weights;
    size_t largest = 0; ///< index into `columns` of the largest |w|: with a min-max grid, what sets the scale
};

/// `weightRow` [cols] is row `row` of the weight. InvalidArgument for a row or group that the tensor does not
/// have.
Result<GroupSlice> groupSlice(const QuantizedTensor& tensor, std::span<const float> weightRow, size_t row,
                              size_t group);

/// What became of the slice in one quantized tensor.
struct GroupCodes {
    float scale = 0; ///< 1 for a group whose scale is 0: all its values are the same
    double zero = 0; ///< Codec::level of the value 0
    std::vector<uint8_t> codes;
    std::vector<float> values; ///< dequantized
    std::vector<bool> nearest; ///< false: another level of this grid is nearer to the weight
    double weightError = 0;    ///< ||w' - w|| / ||w|| over the group
    double outputError = -1;   ///< e Sigma e^T / w Sigma w^T of the whole row; -1 without Sigma
};

/// `tensor` may be grouped otherwise than the slice; scale and zero are then those of the slice's first
/// column.
GroupCodes groupCodes(const QuantizedTensor& tensor, const Codec& codec, std::span<const float> weightRow,
                      const GroupSlice& slice, const SigmaWeights* sigma);

} // namespace qs
