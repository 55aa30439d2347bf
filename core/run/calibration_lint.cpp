// SPDX-License-Identifier: Apache-2.0
#include "core/calibrate/imatrix.h"
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
        if (!method || (*method)->needs == Needs::Nothing) continue;
        issues.push_back(
            {Severity::Error, "no-tokens", e.target.module,
             fmt::format("No token of the calibration reached this expert, and {} needs some. Calibrate "
                         "on more text, or choose a data-free method such as rtn for it.",
                         (*method)->label)});
    }
    return issues;
}

std::vector<LintIssue> lintImportance(const Plan& plan, const ImportanceFile& file) {
    std::vector<LintIssue> issues;
    const auto refuse = [&](const char* rule, const std::string& module, std::string message) {
        issues.push_back({Severity::Error, rule, module, std::move(message)});
    };
    if (!plan.transforms.empty())
        refuse(
            "needs-calibration", "",
            fmt::format("{} chooses its factors from statistics of a calibration; an importance matrix has "
                        "only the mean squares of inputs. Calibrate, or leave the transform out.",
                        plan.transforms.front().id));
    for (const PlanEntry& e : plan.entries) {
        const auto method =
            e.scheme ? findMethod(e.scheme->method) : Result<const MethodDescriptor*>(Error::notFound({}));
        if (!method || (*method)->needs == Needs::Nothing) continue;
        const std::string& module = e.target.module;
        if ((*method)->needs == Needs::Sigma) {
            refuse("needs-sigma", module,
                   fmt::format("{} needs Sigma, how inputs go together; an importance matrix has only its "
                               "diagonal. Calibrate, or choose the method imatrix.",
                               (*method)->label));
            continue;
        }
        const auto it = file.modules.find(module);
        if (it == file.modules.end())
            refuse(
                "no-importance", module,
                "The importance matrix does not mention this linear. Choose a data-free method such as rtn "
                "for it.");
        else if (!(it->second.tokens > 0))
            refuse("no-tokens", module,
                   "No token of the importance matrix reached this expert. Choose a data-free method such as "
                   "rtn for it.");
    }
    return issues;
}

} // namespace qs
