// SPDX-License-Identifier: Apache-2.0
#include "core/run/run.h"

#include <fmt/format.h>

namespace qs {

std::vector<LintIssue> lintCalibration(const Plan& plan, const Calibration& calibration) {
    std::vector<LintIssue> issues;
    for (const PlanEntry& e : plan.entries) {
        if (!e.scheme) continue;
        const auto method = findMethod(e.scheme->method);
        if (!method || (*method)->needs != Needs::Sigma) continue;
        const SiteRecord* site = calibration.find(e.target.site);
        if (!site || site->tokens > 0) continue;
        issues.push_back(
            {Severity::Error, "no-tokens", e.target.module,
             fmt::format("No token of the calibration reached this expert, and {} needs some. Calibrate "
                         "on more text, or choose a data-free method such as rtn for it.",
                         (*method)->label)});
    }
    return issues;
}

} // namespace qs
