// SPDX-License-Identifier: Apache-2.0
// What a whole assignment of candidates does to the model, measured by running it: every linear is quantized
// once for each candidate that it is seen with, then assignments swap their weights.
#pragma once

#include "core/allocate/cell_quantizer.h"
#include "core/evaluate/model_stream.h"
#include "core/evaluate/scored_tokens.h"

#include <map>
#include <unordered_map>

namespace qs {

struct PlanDamage {
    double kl = 0, klStderr = 0; ///< mean KL(original || assignment), nats per scored token
};

struct PlanMeasureOptions {
    const Calibration* calibration = nullptr; ///< for methods that need it; null without
    /// Quantized weights beyond this many bytes (as float32) are made again each time.
    size_t weightBudgetBytes = size_t(4) << 30;
    size_t activationBudgetBytes = size_t(2) << 30;
};

/// Methods see the inputs of the original model, not of the quantized prefix as in a run: a run of the same
/// recipe differs by what that changes. Not thread-safe (the backend is not). Memory: one block, the hidden
/// states of the text twice, and the weights that options keep.
class PlanMeasure {
public:
    /// Runs the original. Model, table, calibration and backend must live as long. Errors: a method that
    /// needs a calibration without one, a model that cannot be run.
    static Result<std::unique_ptr<PlanMeasure>> create(const Model& model, const SensitivityTable& table,
                                                       const TokenWindows& text,
                                                       const PlanMeasureOptions& options, Backend& backend,
                                                       const JobContext& job);

    /// `candidate`: of every row of the table; none: kept. InvalidArgument for a candidate that the row
    /// cannot have.
    Result<PlanDamage> measure(std::span<const std::optional<size_t>> candidate, const JobContext& job);

private:
    class Assigned;
    PlanMeasure(const Model& model, const SensitivityTable& table, const PlanMeasureOptions& options,
                ScoredWindows windows, Backend& backend);
    Result<std::shared_ptr<const Matrix>> values(size_t row, size_t candidate, const JobContext& job);
    Result<PlanDamage> score(const ModelStream& changed, const JobContext& job) const;

    const Model& model_;
    SensitivityTable table_; ///< its own: the quantizer writes errors
    PlanMeasureOptions options_;
    ScoredWindows windows_;
    Backend& backend_;
    CellQuantizer quantizer_;
    std::shared_ptr<const WeightSource> weights_;
    std::unordered_map<std::string, size_t> rowOfWeight_;
    struct Rounders {
        std::shared_ptr<const RowRounder> inputs, outputs;
    };
    std::vector<Rounders> rounders_; ///< of the candidates
    std::map<std::pair<size_t, size_t>, std::shared_ptr<const Matrix>> kept_;
    size_t keptBytes_ = 0;
    std::optional<ModelStream> original_; ///< behind the last block
};

} // namespace qs
