// SPDX-License-Identifier: Apache-2.0
// The report: model, runs, what they cost and where, as one HTML file. It needs nothing else: no scripts, no
// files from elsewhere (its own Content-Security-Policy forbids both), pictures inside. It can be sent by
// mail and opened in ten years.
#pragma once

#include "core/evaluate/compare.h"
#include "core/report/plan_summary.h"
#include "core/run/run.h"

namespace qs {

struct ReportRun {
    std::string letter; ///< "A" is the original
    std::string name;
    std::shared_ptr<const Run> run;               ///< null: the original
    std::shared_ptr<const Plan> plan;             ///< of the run
    std::shared_ptr<const Evaluation> evaluation; ///< null: not measured
};

/// A picture made by the caller: SVG text, shown as an image (scripts in it are dead).
struct ReportPicture {
    std::string title, svg;
};

struct ReportInput {
    std::shared_ptr<const Model> model;
    std::string title;           ///< of the model, for people
    std::vector<ReportRun> runs; ///< the first is the original
    size_t against = 0;          ///< index of the run that the others are compared with
    std::vector<ReportPicture> pictures;
    std::string createdUtc; ///< "2026-01-31T12:00:00Z"
    BootstrapOptions bootstrap;
    size_t worstTokens = 20; ///< listed per run
};

/// The page. Work: the bootstrap of every comparable pair.
Result<std::string> reportHtml(const ReportInput& input, const JobContext& job);
/// The same into a file, which appears whole or not at all.
Result<void> writeReport(const std::filesystem::path& file, const ReportInput& input, const JobContext& job);

} // namespace qs
