// SPDX-License-Identifier: Apache-2.0
#include "core/run/run_checks.h"

#include "core/calibrate/imatrix.h"
#include "core/run/run_findings.h"

#include <fmt/format.h>

namespace qs {

namespace {

Result<void> requireNoErrors(const std::vector<LintIssue>& issues) {
    constexpr size_t kShown = 5;
    std::string text;
    size_t count = 0;
    for (const LintIssue& i : issues) {
        if (i.severity != Severity::Error || ++count > kShown) continue;
        text += (text.empty() ? "" : "; ") + (i.where.empty() ? "" : i.where + ": ") + i.message;
    }
    if (count == 0) return {};
    if (count > kShown) text += fmt::format("; and {} more", count - kShown);
    return Error::invalid("the plan has errors: " + text);
}

} // namespace

bool needsInputs(const PlanEntry& e) {
    auto m = findMethod(e.scheme->method);
    return m && (*m)->needs != Needs::Nothing;
}

bool isRecorded(const Calibration* calibration) {
    return calibration && !calibration->info().activations.empty();
}

Result<void> checkPlan(const Model& model, const Plan& plan, const Calibration* calibration,
                       const ImportanceFile* importance) {
    QS_CHECK(requireNoErrors(plan.issues));
    if (plan.tokenWeights && (importance || isRecorded(calibration)))
        return Error::invalid(
            "tokens cannot be weighted by their attention: an importance matrix and recorded "
            "activations have no tokens to run. Calibrate on text, or leave token_weights "
            "out of the recipe");
    if (needsFindings(plan) && (importance || isRecorded(calibration)))
        return Error::invalid(
            "activations that are rounded cannot be measured: an importance matrix and "
            "recorded activations have no tokens to run. Calibrate on text, or leave "
            "keys_static, smooth_channels, key_codebook, search_base and search_range out of "
            "the recipe");
    if (importance && calibration)
        return Error::invalid(
            "give a calibration or an importance matrix, not both: which of them would weigh "
            "the errors?");
    if (importance) return requireNoErrors(lintImportance(plan, *importance));
    if (plan.needsCalibration() && !calibration)
        return Error::invalid("a method, a transform, the KV cache or a search of the plan needs "
                              "calibration, and none was given");
    if (!calibration) return {};
    QS_CHECK(calibration->requireFor(model));
    QS_CHECK(requireNoErrors(lintCalibration(plan, *calibration)));
    if (!isRecorded(calibration)) return {};
    for (const PlanEntry& e : plan.entries)
        if (e.scheme && needsInputs(e) && !calibration->find(e.target.site))
            return Error::invalid(
                fmt::format("{} needs the inputs of {}, and no activation of site {} was recorded",
                            e.scheme->method, e.target.module, e.target.site),
                calibration->file().string());
    return {};
}

} // namespace qs
