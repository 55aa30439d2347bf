// SPDX-License-Identifier: Apache-2.0
// Exporter registry: one entry per runtime format (exporters.def + exporters/<id>.cpp), and the independent
// check of what was written.
#pragma once

#include "core/run/run.h"

namespace qs {

struct ExportRequest {
    std::shared_ptr<const Model> model; ///< the source
    std::shared_ptr<const Run> run;     ///< complete
    std::filesystem::path directory;    ///< must not exist, or be empty
    Params params;                      ///< of the exporter
};

/// One line of the receipt.
struct ReceiptLine {
    std::string tensor;
    std::string planned, done;
    uint64_t codesDiffering = 0; ///< codes that differ from the run's
    double maxDelta = 0;         ///< max |value in the file - value of the run|
    uint64_t notFinite = 0;
};

struct Receipt {
    std::string exporter;
    std::filesystem::path directory;
    std::filesystem::path run;                   ///< absolute path of the run it was made from
    uint64_t bytesPlanned = 0, bytesWritten = 0; ///< of the weight file(s)
    std::vector<TransformUse> transforms;        ///< of the run: the files hold the model as they left it
    std::vector<ReceiptLine> lines;
    std::vector<std::pair<std::string, std::string>> files; ///< name, SHA-256
    double maxDelta = 0;
    bool verified = false;       ///< everything reopened and equal
    std::string summary() const; ///< "Verified. The file holds what was planned."
    nlohmann::json toJson() const;
    static Result<Receipt> fromJson(const nlohmann::json& json);
};

struct ExporterDescriptor {
    std::string id; ///< stored on disk, never renamed
    std::string label, summary, citation;
    ParamSpecs params;
    std::vector<std::string> runtimes; ///< "transformers", "vLLM", ...
    /// What the target cannot hold, before anything is written: fused groups that differ, bits, shapes, scale
    /// type. Errors block the export.
    std::vector<LintIssue> (*lint)(const Model& model, const Plan& plan) = nullptr;
    /// Exact size of the weight file(s) that `write` will produce.
    Result<uint64_t> (*weightBytes)(const ExportRequest& request) = nullptr;
    /// The same of a plan that is not run yet; see plannedBytes().
    Result<uint64_t> (*plannedBytes)(const Model& model, const Plan& plan, const Params& params,
                                     const RunManifest& manifest) = nullptr;
    /// Writes into an empty temporary folder `into`; the caller renames it.
    Result<void> (*write)(const ExportRequest& request, const std::filesystem::path& into,
                          const JobContext& job) = nullptr;
    /// Reopens `directory` with the readers and compares it with the run.
    Result<Receipt> (*verify)(const ExportRequest& request, const std::filesystem::path& directory,
                              const JobContext& job) = nullptr;
};

std::span<const ExporterDescriptor* const> exporters();
Result<const ExporterDescriptor*> findExporter(const std::string& id);

/// Exact size of the weight file(s) that an exporter with its default parameters will write for a plan once
/// it is run. `manifest`: of that run (plannedManifest()); some formats hold it, so another name of a
/// calibration is another size. Unsupported when the format cannot hold the plan, and for plans with
/// transforms: what these add to which tensor follows from data.
Result<uint64_t> plannedBytes(const ExporterDescriptor& exporter, const Model& model, const Plan& plan,
                              const RunManifest& manifest);

/// Lint, free space, write to a temporary sibling folder, verify there, rename, save receipt.json. On error
/// or cancel nothing remains. A receipt that is not `verified` is an error that carries the first difference.
Result<Receipt> exportRun(const std::string& exporterId, const ExportRequest& request, const JobContext& job);
/// Checks an existing export folder against its run again. The exporter id is read from receipt.json.
Result<Receipt> verifyExport(const std::shared_ptr<const Model>& model, const std::shared_ptr<const Run>& run,
                             const std::filesystem::path& directory, const JobContext& job);

/// The plan a run was made from, resolved again for lint.
Result<Plan> planOfRun(const Run& run, const Model& model);

} // namespace qs
