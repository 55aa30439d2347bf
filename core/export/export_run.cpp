// SPDX-License-Identifier: Apache-2.0
#include "core/export/export_folder.h"
#include "core/export/export_target.h"
#include "core/export/verify.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;

namespace {

Result<void> lintForExport(const ExporterDescriptor& exporter, const ExportRequest& request) {
    QS_TRY(const Plan plan, planOfRun(*request.run, *request.model));
    std::string errors;
    for (const LintIssue& issue : exporter.lint(*request.model, plan))
        if (issue.severity == Severity::Error)
            errors += fmt::format("\n- {}{}{} [{}]", issue.where, issue.where.empty() ? "" : ": ",
                                  issue.message, issue.rule);
    if (errors.empty()) return {};
    return Error::invalid("the format cannot hold this run:" + errors, exporter.id);
}

Result<std::vector<TransformUse>> transformsOf(const ExportRequest& request) {
    QS_TRY(Plan plan, planOfRun(*request.run, *request.model));
    return std::move(plan.transforms);
}

Result<void> requireVerified(const Receipt& receipt) {
    if (receipt.verified) return {};
    return Error::corrupt("the written files do not hold what was planned: " + firstDifference(receipt),
                          receipt.directory.string());
}

/// A file whose hash is no longer the recorded one becomes a bad line.
void compareHashes(const Receipt& recorded, Receipt& now) {
    std::map<std::string, std::string> before(recorded.files.begin(), recorded.files.end());
    for (const auto& [name, hash] : now.files) {
        const auto it = before.find(name);
        if (it == before.end())
            addFileLine(name, "absent", false, "present", now);
        else if (it->second != hash)
            addFileLine(name, "SHA-256 " + it->second, false, "SHA-256 " + hash, now);
        if (it != before.end()) before.erase(it);
    }
    for (const auto& [name, hash] : before)
        addFileLine(name, "SHA-256 " + hash, false, "missing", now);
}

} // namespace

Result<uint64_t> plannedBytes(const ExporterDescriptor& exporter, const Model& model, const Plan& plan,
                              const RunManifest& manifest) {
    for (const LintIssue& issue : exporter.lint(model, plan))
        if (issue.severity == Severity::Error) return Error::unsupported(issue.message);
    if (!plan.transforms.empty())
        return Error::unsupported("what transforms add is known once the recipe is run");
    return exporter.plannedBytes(model, plan, Params::defaults(exporter.params), manifest);
}

Result<Receipt> exportRun(const std::string& exporterId, const ExportRequest& request,
                          const JobContext& job) {
    if (!request.model || !request.run) return Error::invalid("an export needs a model and a run");
    QS_TRY(const ExporterDescriptor* exporter, findExporter(exporterId));
    QS_CHECK(lintForExport(*exporter, request));
    QS_TRY(TargetFolder folder, TargetFolder::make(request.directory));
    QS_TRY(const uint64_t planned, exporter->weightBytes(request));
    QS_CHECK(folder.requireSpace(planned + folderFileBytes(request.model->checkpoint())));
    QS_CHECK(exporter->write(request, folder.path(), job.part(0, 0.6)));
    QS_TRY(Receipt receipt, exporter->verify(request, folder.path(), job.part(0.6, 1)));
    receipt.exporter = exporterId;
    receipt.directory = folder.target();
    receipt.run = fs::absolute(request.run->directory()).lexically_normal();
    QS_TRY(receipt.transforms, transformsOf(request));
    QS_CHECK(requireVerified(receipt));
    QS_CHECK(job.checkpoint());
    QS_CHECK(writeFileAtomically(folder.path() / "receipt.json", receipt.toJson().dump(2) + "\n"));
    QS_CHECK(folder.commit());
    return receipt;
}

Result<Receipt> verifyExport(const std::shared_ptr<const Model>& model, const std::shared_ptr<const Run>& run,
                             const fs::path& directory, const JobContext& job) {
    QS_TRY(const std::string text, readTextFile(directory / "receipt.json", size_t(256) << 20));
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_discarded()) return Error::corrupt("not valid JSON", (directory / "receipt.json").string());
    auto recorded = Receipt::fromJson(json);
    if (!recorded) return recorded.takeError().at((directory / "receipt.json").string());
    QS_TRY(const ExporterDescriptor* exporter, findExporter(recorded->exporter));
    QS_TRY(const Params params, exportedParams(*exporter, directory));
    QS_TRY(Receipt receipt, exporter->verify({model, run, directory, params}, directory, job));
    receipt.exporter = exporter->id;
    receipt.run = recorded->run;
    QS_TRY(receipt.transforms, transformsOf({model, run, {}, {}}));
    receipt.bytesPlanned = recorded->bytesPlanned;
    compareHashes(*recorded, receipt);
    receipt.verified = receiptIsGood(receipt);
    return receipt;
}

} // namespace qs
