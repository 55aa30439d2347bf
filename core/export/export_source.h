// SPDX-License-Identifier: Apache-2.0
// What an exporter writes, taken apart: the model, the plan, and where quantized tensors come from (a run).
// Keeps the exporters independent of how runs are stored.
#pragma once

#include "core/export/exporter.h"

#include <functional>
#include <map>

namespace qs {

/// Used on one thread.
struct ExportSource {
    const Model* model = nullptr;
    /// Where kept tensors come from: the model's own when null (see run_checkpoint.h).
    std::shared_ptr<const Checkpoint> weights;
    Plan plan; ///< entries with a scheme are quantized
    /// NotFound when not in the run; null: there is no run yet.
    std::function<Result<QuantizedTensor>(const std::string& module)> load;
    /// What the run's transforms did to a weight before it was quantized; null: nothing.
    std::function<Result<TensorScaling>(const QuantTarget& target)> scaling;
    Params params; ///< of the exporter
    /// Largest magnitude that the inputs of a linear had in the run's calibration, in the coordinates that
    /// the run's transforms gave them; an error says why it is not known.
    std::function<Result<float>(const QuantTarget& target)> largestInput;
    std::map<std::string, std::string>
        metadata;        ///< goes into the weight files' header; same for every export
    std::string sidecar; ///< JSON text of quantoscope.json

    const Checkpoint& checkpoint() const { return weights ? *weights : model->checkpoint(); }
    /// The plan's quantized entries in each tensor of the checkpoint: none when it is kept, several in a
    /// fused one.
    std::vector<std::vector<const PlanEntry*>> entriesOfTensor() const;
    /// Loads and checks that codes and parameters have the shapes of `entry` and are finite and in range.
    Result<QuantizedTensor> tensor(const PlanEntry& entry) const;
};

/// InvalidArgument when the run is incomplete, belongs to another model, or a parameter is out of range.
Result<ExportSource> exportSource(const ExportRequest& request, const ExporterDescriptor& exporter);

/// Of a plan that is not run yet, with the manifest that its run will have: all but its tensors.
/// InvalidArgument when a parameter is out of range.
Result<ExportSource> plannedSource(const Model& model, const Plan& plan, const ExporterDescriptor& exporter,
                                   const Params& params, const RunManifest& manifest);

/// The functions of an exporter, from those that work on its source.
template<const ExporterDescriptor& (*Self)(), Result<uint64_t> (*bytes)(const ExportSource&),
         Result<void> (*write)(const ExportSource&, const std::filesystem::path&, const JobContext&),
         Result<Receipt> (*verify)(const ExportSource&, const std::filesystem::path&, const JobContext&)>
void exportBy(ExporterDescriptor& d) {
    d.weightBytes = [](const ExportRequest& request) -> Result<uint64_t> {
        QS_TRY(const ExportSource source, exportSource(request, Self()));
        return bytes(source);
    };
    d.plannedBytes = [](const Model& model, const Plan& plan, const Params& params,
                        const RunManifest& manifest) -> Result<uint64_t> {
        QS_TRY(const ExportSource source, plannedSource(model, plan, Self(), params, manifest));
        return bytes(source);
    };
    d.write = [](const ExportRequest& request, const std::filesystem::path& into,
                 const JobContext& job) -> Result<void> {
        QS_TRY(const ExportSource source, exportSource(request, Self()));
        return write(source, into, job);
    };
    d.verify = [](const ExportRequest& request, const std::filesystem::path& directory,
                  const JobContext& job) -> Result<Receipt> {
        QS_TRY(const ExportSource source, exportSource(request, Self()));
        return verify(source, directory, job);
    };
}

/// The exporter's parameters that an export folder was made with, from its quantoscope.json.
Result<Params> exportedParams(const ExporterDescriptor& exporter, const std::filesystem::path& directory);

/// The last tensor asked for, so that the parts of one module are made from one read.
class TensorCache {
public:
    explicit TensorCache(const ExportSource& source) : source_(source) {}
    Result<std::shared_ptr<const QuantizedTensor>> get(const PlanEntry& entry);

private:
    const ExportSource& source_;
    std::string module_;
    std::shared_ptr<const QuantizedTensor> tensor_;
};

} // namespace qs
