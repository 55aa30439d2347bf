// SPDX-License-Identifier: Apache-2.0
// The parts of the `gptq` exporter that work on an ExportSource. Layout: see core/model/packed/gptq.cpp.
#pragma once

#include "core/export/packed_format.h"

#include <nlohmann/json_fwd.hpp>

namespace qs {

/// quantization_config for `settings`, one per entry of the plan (none: kept). `dynamic` rules carry the
/// linears that differ from the most common setting.
nlohmann::ordered_json gptqConfig(const Plan& plan, const std::vector<std::optional<IntSetting>>& settings);
std::vector<LintIssue> lintGptq(const Model& model, const Plan& plan);
std::unique_ptr<PackedFormat> makeGptqFormat(const ExportSource& source);

} // namespace qs
