// SPDX-License-Identifier: Apache-2.0
// The files that come with the program: the sample model and the built-in texts.
#pragma once

#include "core/base/result.h"

#include <filesystem>

namespace qs::cli {

/// `relative` inside the resources folder, looked for in QS_RESOURCES, then beside the installed program
/// (<exe>/../share/quantoscope), then in the source tree it was built from. NotFound names the places.
Result<std::filesystem::path> resourcePath(const std::string& relative);

inline constexpr const char* kSampleModel = "sample/model";
inline constexpr const char* kCalibrationText = "sample/texts/calibration.txt";
inline constexpr const char* kEvaluationText = "sample/texts/evaluation.txt";

} // namespace qs::cli
