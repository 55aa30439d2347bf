// SPDX-License-Identifier: Apache-2.0
// The rules of runtimes beyond what formats can hold, for runtime_profiles.cpp. Sources: vLLM's quantization
// layers and pull requests 38288, 46389, 46390; transformers' integrations; GPTQModel's kernels; llama.cpp
// b10572.
#pragma once

#include "core/export/runtime_profiles.h"

namespace qs {

/// Linears with one key become one layer of a runtime: those that it fuses, and the experts of a layer, which
/// it stacks. "" when the linear stands alone.
std::string stackOf(const QuantTarget& target);

std::vector<RuntimeIssue> vllmRules(const Plan& plan, const std::string& exporter);
std::vector<RuntimeIssue> transformersRules(const Plan& plan, const std::string& exporter);

/// Every linear that a runtime fuses, or every expert of a layer, gets the scheme of the first of them.
SchemeFix unifyFix(const Plan& plan);
/// ggml types whose blocks do not divide the rows become the type that llama.cpp itself falls back to.
SchemeFix ggmlFallbackFix(const Plan& plan);

} // namespace qs
