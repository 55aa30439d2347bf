// SPDX-License-Identifier: Apache-2.0
#include "core/run/run.h"

#include <fmt/format.h>
#include <set>

namespace qs {

std::vector<LintIssue> lintCalibration(const Plan& plan, const Calibration& calibration) {
    std::vector<LintIssue> issues;
    std::set<std::string> unseen;
    for (const SiteRecord& r : calibration.sites())
        if (r.tokens == 0) unseen.insert(r.site);
    if (unseen.empty()) return issues;
    for (const PlanEntry& e : plan.entries) {
        if (!e.scheme || !unseen.count(e.target.site)) continue;
        const auto method = findMethod(e.scheme->method);
        if (!method || (*method)->needs != Needs::Sigma) continue;
        issues.push_back(
            {Severity::Error, "no-tokens", e.target.module,
             fmt::format("No token of the calibration reached this expert, and {} needs some. Calibrate "
                         "on more text, or choose a data-free method such as rtn for it.",
                         (*method)->label)});
    }
    return issues;
}

} // namespace qs
