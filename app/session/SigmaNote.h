// SPDX-License-Identifier: GPL-3.0-or-later
// Why a preview has no second moment of a tensor's inputs to work with.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/model/model.h"

#include <QString>

namespace qs::app {

/// "" when the calibration has one that previews use (no more than kSigmaLimit inputs). `calibration` may be
/// null.
QString whyNoSigma(const Calibration* calibration, const QuantTarget& target);

} // namespace qs::app
