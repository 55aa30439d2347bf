// SPDX-License-Identifier: GPL-3.0-or-later
// The sample model and texts that come with the program.
#pragma once

#include "core/base/result.h"

#include <QString>
#include <string>

namespace qs::app {

/// Folder with model/ and texts/: beside an installed program, else in the source tree it was built from. ""
/// when absent.
QString sampleFolder();
QString sampleModelPath();

enum class BuiltInText { Calibration, Evaluation, Prompts };
Result<std::string> builtInText(BuiltInText text);

} // namespace qs::app
