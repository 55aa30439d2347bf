// SPDX-License-Identifier: Apache-2.0
#include "app/cli/compared_runs.h"

#include "core/export/exporter.h"

namespace qs::cli {

namespace {

std::string folderName(const std::string& path) {
    const std::filesystem::path p = std::filesystem::path(path).lexically_normal();
    return (p.filename().empty() ? p.parent_path() : p).filename().string();
}

Result<std::shared_ptr<const WeightSource>> originalOf(const std::vector<Subject>& subjects,
                                                       const std::string& reference) {
    if (!reference.empty()) {
        QS_TRY(const Subject given, openComputable(reference));
        return given.weights;
    }
    for (const Subject& s : subjects)
        if (s.original) return s.original;
    return Error::invalid("none of them is a run, so their original is not known", "--reference");
}

} // namespace

Result<ComparedRuns> measureRuns(const std::vector<std::string>& paths, const std::string& reference,
                                 const TokenOptions& tokens, Backend& backend, const JobContext& job) {
    std::vector<Subject> subjects;
    for (const std::string& path : paths) {
        QS_TRY(Subject s, openComputable(path));
        subjects.push_back(std::move(s));
    }
    QS_TRY(const auto original, originalOf(subjects, reference));
    ComparedRuns out;
    out.model = subjects.front().model;
    QS_TRY(const TokenInput input, TokenInput::load(tokens, *out.model));
    out.source = input.source;
    out.runs.push_back({"A", "original", nullptr, nullptr, nullptr});
    for (size_t i = 0; i < subjects.size(); ++i) {
        const Subject& s = subjects[i];
        ReportRun r{std::string(1, char('B' + i)), folderName(paths[i]), s.run, nullptr, nullptr};
        if (s.run) {
            QS_TRY(Plan plan, planOfRun(*s.run, *s.model));
            r.plan = std::make_shared<const Plan>(std::move(plan));
        }
        const double n = double(subjects.size());
        QS_TRY(Evaluation e, evaluate(out.model->spec(), *s.weights, original.get(), input.windows, {},
                                      backend, job.part(double(i) / n, double(i + 1) / n)));
        e.source = input.source;
        if (!out.runs.front().evaluation)
            out.runs.front().evaluation = std::make_shared<const Evaluation>(evaluationOfReference(e));
        r.evaluation = std::make_shared<const Evaluation>(std::move(e));
        out.runs.push_back(std::move(r));
    }
    return out;
}

} // namespace qs::cli
