// SPDX-License-Identifier: Apache-2.0
// Runtimes, and what each makes of a plan in the formats that it opens. An exporter's lint says what a format
// can hold; a profile says whether the runtime then loads it. Rules are those of the version that the profile
// names.
#pragma once

#include "core/export/exporter.h"

#include <functional>

namespace qs {

/// Other schemes for all linears that break a rule; no entries: there is none.
struct SchemeFix {
    std::string label;                                             ///< for a button: "Make symmetric"
    std::vector<std::pair<size_t, std::optional<Scheme>>> schemes; ///< by index in Plan::entries
    bool empty() const { return schemes.empty(); }
};

struct RuntimeIssue {
    LintIssue issue;
    SchemeFix fix; ///< of its rule, with the first issue of that rule
};

/// What a runtime makes of a plan in one format.
struct FormatVerdict {
    std::string exporter; ///< id
    std::vector<RuntimeIssue> issues;
    bool loads() const; ///< no issue is an Error
    /// "loads", "loads, 2 remarks", "does not load: q and k differ".
    std::string text() const;
};

struct RuntimeProfile {
    std::string id;    ///< stored on disk, never renamed
    std::string label; ///< "vLLM"
    std::string version;
    std::vector<std::string> exporters; ///< formats that it opens, the best supported first
    /// The runtime's own rules for one of them. Null: the format's rules say it all.
    std::vector<RuntimeIssue> (*rules)(const Plan& plan, const std::string& exporter) = nullptr;
    bool formatWarnings = false; ///< warnings of its formats are about this runtime
};

std::span<const RuntimeProfile> runtimeProfiles();
/// NotFound lists the known ids.
Result<const RuntimeProfile*> findRuntimeProfile(const std::string& id);

/// The lint of a format.
using FormatIssues = std::function<std::vector<LintIssue>(const ExporterDescriptor& exporter)>;

/// One verdict per format of the profile, in its order: the format's objections, then the runtime's.
std::vector<FormatVerdict> checkRuntime(const RuntimeProfile& profile, const Plan& plan,
                                        const FormatIssues& formatIssues);
std::vector<FormatVerdict> checkRuntime(const RuntimeProfile& profile, const Model& model, const Plan& plan);

} // namespace qs
