// SPDX-License-Identifier: Apache-2.0
// What every layout of packed integers asks of a plan before anything is written.
#pragma once

#include "core/export/exporter.h"

#include <functional>

namespace qs {

/// Issues under the rule ids of one format, "gptq-bits".
class LintList {
public:
    explicit LintList(std::string format) : format_(std::move(format)) {}
    /// `rule` after the format's name and a dash.
    void error(const char* rule, const std::string& where, std::string message) {
        issues_.push_back({Severity::Error, format_ + "-" + rule, where, std::move(message)});
    }
    void warn(const char* rule, std::string message) {
        issues_.push_back({Severity::Warning, format_ + "-" + rule, "", std::move(message)});
    }
    /// A rule that is not this format's own.
    void general(const char* rule, const std::string& where, std::string message) {
        issues_.push_back({Severity::Error, rule, where, std::move(message)});
    }
    std::vector<LintIssue> take() { return std::move(issues_); }

private:
    std::string format_;
    std::vector<LintIssue> issues_;
};

struct PackedRules {
    std::string format;            ///< exporter id
    std::string label;             ///< "GPTQ"
    std::vector<int> bits;         ///< of integers
    std::vector<DType> scaleTypes; ///< of integers
    /// Codecs it takes beside "int", which the format's own rules check.
    std::vector<std::string> floats = {};
    bool integers = true; ///< whether it takes "int"
    /// Runtimes round inputs where the scheme says so; else that is warned of.
    bool inputs = false;
    size_t outMultiple = 1, inMultiple = 1; ///< what shapes must be multiples of
};

/// One quantized entry of the plan, with its codec.
struct LintEntry {
    const PlanEntry* entry;
    std::shared_ptr<const Codec> codec;
    GroupLayout layout;
};

/// The first linear whose inputs the plan rounds, for formats that cannot say so; "" when there is none.
std::string firstRoundedInputs(const Plan& plan);
/// The same of outputs.
std::string firstRoundedOutputs(const Plan& plan);

/// What no file says of a plan: how outputs, the KV cache and probabilities are rounded.
void lintActivations(const Plan& plan, LintList& list);

/// Formats of codes alone have no place for weights that are kept or corrections of low rank.
void lintExtras(const Plan& plan, const std::string& label, LintList& list);

/// Quantized linears that `field`, which lists what is kept and matches parts of names, would keep too.
void lintPartialNames(const Model& model, const Plan& plan, const std::vector<LintEntry>& entries,
                      const char* field, LintList& list);

/// Fused linears that differ, shapes, codecs and names. `runtimes` adds what is particular to the format; it
/// is shown the entries that have a codec and a layout.
std::vector<LintIssue>
lintPacked(const Model& model, const Plan& plan, const PackedRules& rules,
           const std::function<void(const std::vector<LintEntry>&, LintList&)>& runtimes);

} // namespace qs
