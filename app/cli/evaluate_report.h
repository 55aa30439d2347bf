// SPDX-License-Identifier: Apache-2.0
// How an evaluation is written for people.
#pragma once

#include "core/evaluate/evaluate.h"

namespace qs::cli {

std::string evaluationText(const Evaluation& e, const std::string& source);

} // namespace qs::cli
