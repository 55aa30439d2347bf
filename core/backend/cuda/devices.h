// SPDX-License-Identifier: Apache-2.0
// Which GPUs this machine has.
#pragma once

#include "core/base/result.h"

namespace qs::cuda {

/// At least 1. Error::Backend with the reason when there is none: no driver, one that is too old, no device.
Result<int> deviceCount();
/// Error::Backend when this build has no kernels for device `index`.
Result<void> checkUsable(int index);

} // namespace qs::cuda
