// SPDX-License-Identifier: Apache-2.0
// The rules that planning applies to one target and to one fused group.
#pragma once

#include "core/recipe/recipe.h"

#include <functional>
#include <span>

namespace qs {

struct TargetRuling {
    uint64_t bytesAfter = 0;        ///< `bytesBefore` when the scheme cannot be applied
    std::optional<LintIssue> issue; ///< severity Error; `where` is the module
};

/// What the scheme (null: kept) makes of a target that is stored in `bytesBefore`.
TargetRuling ruleOnTarget(const QuantTarget& target, const Scheme* scheme, uint64_t bytesBefore,
                          const Model& model);

/// Runtimes that fuse these linears want one format for all; said here once, as a warning. Exporters decide
/// what is an error. `members` and `schemes` (null: kept) belong to each other.
std::optional<LintIssue> ruleOnFusedGroup(const std::string& name,
                                          std::span<const QuantTarget* const> members,
                                          std::span<const Scheme* const> schemes);

/// What speaks against the transforms, or, as a warning, that they change nothing. `quantized(module)` tells
/// which linears have a scheme.
std::vector<LintIssue> ruleOnTransforms(const std::vector<TransformUse>& transforms, const Model& model,
                                        const std::function<bool(const std::string& module)>& quantized);

/// What rounds rows in this format; null without one. `choice`: what is chosen instead of the format's own.
Result<std::shared_ptr<const RowRounder>> rounderOf(const std::optional<InputScheme>& format,
                                                    const RowChoice* choice = nullptr);

/// What speaks against rounding the KV cache as the settings say.
std::optional<LintIssue> ruleOnKvCache(const ModelSettings& settings, const Model& model);
/// What speaks against rounding the probabilities of attention so.
std::optional<LintIssue> ruleOnProbabilities(const ModelSettings& settings, const Model& model);

/// A warning where the checkpoint has a kv_cache_scheme: its runtime rounds keys and values by it, the
/// forward pass here keeps them.
std::optional<LintIssue> ruleOnStoredCache(const Model& model);

} // namespace qs
