// SPDX-License-Identifier: Apache-2.0
// The parts of the `gptq` exporter that work on an ExportSource. Layout: see core/model/packed/gptq.cpp.
#pragma once

#include "core/export/packed_format.h"

namespace qs {

std::vector<LintIssue> lintGptq(const Model& model, const Plan& plan);
/// `dynamic` rules carry the linears that differ from the most common setting.
std::unique_ptr<PackedFormat> makeGptqFormat(const ExportSource& source);

} // namespace qs
