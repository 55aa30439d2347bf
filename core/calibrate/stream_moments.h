// SPDX-License-Identifier: Apache-2.0
// Second moments of the residual stream as its norms see it, from a calibration.
#pragma once

#include "core/calibrate/calibration.h"

namespace qs {

/// [hidden, hidden]: the sum of z z^T over the tokens of every site that reads the stream, z the norm's
/// output before its gain and bias: (x - bias) / gain. Channels with a gain of 0 count as 0. InvalidArgument
/// when the calibration is of another model, holds no such site, or the model has no stream whose basis can
/// be changed.
Result<MatrixD> streamMoments(const Calibration& calibration, const Model& model, const JobContext& job);

} // namespace qs
