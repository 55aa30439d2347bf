// SPDX-License-Identifier: Apache-2.0
// Steps that methods share.
#pragma once

#include "core/quant/method.h"
#include "core/quant/outlier/kept_mask.h"
#include "core/quant/range/range_search.h"

namespace qs {

/// InvalidArgument for a rule that the format does not know: those that fit several groups together have a
/// search of their own.
Result<void> requireRange(const Codec& codec, RangeChoice range);
/// Checks the input (finite weights, shapes, Sigma where needed) and returns a tensor with codec, parameters,
/// shape and layout set.
Result<QuantizedTensor> beginTensor(const QuantizeInput& input, Needs needs);

/// Weights of squared errors from second moments: diag(Sigma) over its mean, with a floor that gives inputs
/// which hardly fired a say among themselves. [cols]
std::vector<float> importanceOf(const MatrixD& sigma);
/// The same of what the input has: input.importance, else input.sigma.
std::vector<float> importanceOf(const QuantizeInput& input);

/// The weights with those that are kept covered in every `unit` columns (KeptMask::cover), in `storage`; the
/// weights themselves when none is.
ConstMatrixView coveredWeights(ConstMatrixView weight, const KeptMask& kept, size_t unit, Matrix& storage);

/// Nearest codes of all rows with the tensor's scales; fills q.codes.
void roundToNearest(const Codec& codec, ConstMatrixView weight, QuantizedTensor& q);

/// The rows of a weight in the coordinates of a rotation.
Matrix turned(ConstMatrixView weight, const RotationMap& map);

/// InvalidArgument for formats whose codes make several weights together.
Result<void> checkSingleCodes(const Codec& codec);

/// How many weights the parameter "outliers", a share, stands for.
size_t keptCount(const Params& params, size_t rows, size_t cols);

/// weight - values, in place of the values.
Matrix residual(ConstMatrixView weight, Matrix values);

/// What is kept, with its own values, into q.extras.
void keepWeights(ConstMatrixView weight, const KeptMask& kept, QuantizedTensor& q);

/// Grids fitted without what is kept, then nearest codes; what is kept keeps its values.
Result<void> quantizeAround(const QuantizeInput& in, const KeptMask& kept, RangeChoice range,
                            Importance importance, QuantizedTensor& q, const JobContext& job);

/// Grids by `range`, then nearest codes. InvalidArgument for weights that are not finite or a group that does
/// not divide the row.
Result<QuantizedTensor> quantizeToNearest(ConstMatrixView weight, const Codec& codec, RangeChoice range,
                                          const JobContext& job);

} // namespace qs
