// SPDX-License-Identifier: Apache-2.0
// Run: a plan being executed or finished. A folder: run.json (what was asked), journal.json (what is done,
// replaced atomically after every unit), units/<n>.h5 (codes and parameters of one block) and, with
// transforms, units/<n>.fold.h5 (what they changed); these appear by rename. A kill costs at most the unit in
// flight.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/model/weights.h"
#include "core/quant/transform/scaling.h"
#include "core/recipe/recipe.h"

namespace qs {

struct ImportanceFile;

/// Result of one tensor, as journalled. The error is stated with the factors of transforms taken back:
/// against the model's own weight and inputs, so that runs compare.
struct TensorResult {
    std::string module;
    std::string planned, done; ///< codec labels; a difference is shown in red
    std::string method;
    uint64_t bytes = 0;
    QuantError error;
    double seconds = 0;
};

/// What a run was asked to do. Stored as run.json.
struct RunManifest {
    std::filesystem::path modelPath;
    std::string modelFingerprint;
    std::string calibrationFile, calibrationFingerprint; ///< "" when there was none
    std::string importanceFile, importanceFingerprint;   ///< of an importance matrix; "" when there was none
    nlohmann::json plan() const;                         ///< see Plan::toJson
    std::string planText;                                ///< its canonical text
    std::string planFingerprint;
    std::string appVersion, createdUtc;
    std::string backend; ///< "cpu: OpenBLAS ..."
    Precision precision = Precision::F32;
};

/// Called after each unit (a block, or one tensor in tensor-level mode) with its results, on the running
/// thread.
using UnitSink = std::function<void(int unit, const std::vector<TensorResult>&)>;

struct RunOptions {
    std::filesystem::path directory;
    size_t activationBudgetBytes = size_t(2) << 30;
    /// Instead of a calibration, for methods that need Importance and no more (lintImportance).
    std::shared_ptr<const ImportanceFile> importance;
    /// Folder of an earlier run of the model, or "": units that come out alike are taken from it.
    std::filesystem::path earlier;
    UnitSink unitFinished;
};

/// An opened run folder. Immutable snapshot, thread-safe.
class Run {
public:
    static Result<std::shared_ptr<const Run>> open(const std::filesystem::path& directory);

    const std::filesystem::path& directory() const { return directory_; }
    const RunManifest& manifest() const { return manifest_; }
    bool complete() const { return complete_; }
    const std::vector<TensorResult>& results() const { return results_; }
    const TensorResult* result(const std::string& module) const;
    /// Codes and parameters of one module; NotFound when it was kept or is not done yet. Transforms scaled
    /// the weight before (see scalingOf).
    Result<QuantizedTensor> tensor(const std::string& module) const;
    /// What the run's transforms did to a module's weight before it was quantized; no factors: nothing.
    Result<TensorScaling> scalingOf(const QuantTarget& target) const;
    /// Kept tensors (gains, biases, linears without a scheme) that transforms changed, with the files that
    /// hold their values. By logical name.
    const std::map<std::string, std::string>& changedTensors() const { return changed_; }
    /// Values [rows, cols] of one of them; each is a value of the type that the checkpoint stores it in.
    Result<Matrix> changedTensor(const std::string& tensor, size_t rows, size_t cols) const;
    /// Modules in the order done.
    std::vector<std::string> modules() const;
    /// "running", "block 3 of 12" etc. for people.
    std::string statusText() const;
    int unitsDone() const { return unitsDone_; }
    int unitsTotal() const { return unitsTotal_; }

private:
    friend class RunJournal;
    std::filesystem::path directory_;
    RunManifest manifest_;
    bool complete_ = false;
    int unitsDone_ = 0, unitsTotal_ = 0;
    std::vector<TensorResult> results_;
    std::vector<std::pair<std::string, std::string>> unitOfModule_; ///< module -> unit file
    std::map<std::string, std::string> foldedOfModule_;             ///< module -> file of factors
    std::map<std::string, std::string> changed_;                    ///< tensor -> file of values
};

/// Executes `plan` into options.directory: blocks in order, Sigma of every linear of a block collected in one
/// pass with the block still unquantized and inputs from the already quantized prefix; then the transforms'
/// factors are chosen, and the block is quantized in their coordinates. An existing folder
/// with the same plan, model and calibration is resumed; with another one it is refused. `calibration` may be
/// null when no method needs it.
Result<std::shared_ptr<const Run>> executePlan(const Model& model, const Plan& plan,
                                               const Calibration* calibration, const RunOptions& options,
                                               Backend& backend, const JobContext& job);

/// What `calibration` cannot give `plan`: an Error "no-tokens" for every linear whose method needs statistics
/// of a site that no token reached (an expert that was never chosen). executePlan refuses such a plan.
std::vector<LintIssue> lintCalibration(const Plan& plan, const Calibration& calibration);
/// What an importance matrix cannot give `plan`: an Error for every linear whose method needs more, or that
/// the file does not mention, and for transforms. executePlan refuses such a plan.
std::vector<LintIssue> lintImportance(const Plan& plan, const ImportanceFile& file);

/// The run's tensors over the model's own; what was kept is the original, or what transforms made of it.
Result<std::shared_ptr<const WeightSource>> runWeights(std::shared_ptr<const Run> run,
                                                       std::shared_ptr<const Model> model);

/// True when `path` is a folder that holds run.json.
bool isRunFolder(const std::filesystem::path& path);

} // namespace qs
