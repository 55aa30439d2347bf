// SPDX-License-Identifier: Apache-2.0
#include "core/run/run.h"

#include "core/model/tensor_places.h"
#include "core/run/run_findings.h"
#include "core/run/run_journal.h"
#include "core/store/folded_store.h"
#include "core/store/quantized_store.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unordered_map>

namespace qs {

bool isRunFolder(const std::filesystem::path& path) {
    std::error_code ec;
    return std::filesystem::is_regular_file(path / "run.json", ec);
}

Result<std::shared_ptr<const Run>> Run::open(const std::filesystem::path& directory) {
    if (!isRunFolder(directory))
        return Error::notFound("not a run folder: there is no run.json", directory.string());
    return RunJournal::openRun(directory);
}

const TensorResult* Run::result(const std::string& module) const {
    for (const TensorResult& r : results_)
        if (r.module == module) return &r;
    return nullptr;
}

Result<QuantizedTensor> Run::tensor(const std::string& module) const {
    for (const auto& [name, file] : unitOfModule_)
        if (name == module) return readQuantizedTensor(directory_ / file, module);
    return Error::notFound(fmt::format("the run holds no quantized '{}'", module), directory_.string());
}

Result<TensorScaling> Run::scalingOf(const QuantTarget& target) const {
    const auto it = foldedOfModule_.find(target.module);
    if (it == foldedOfModule_.end()) return TensorScaling();
    return readScaling(directory_ / it->second, target.weight, target.rows, target.cols);
}

Result<Matrix> Run::changedTensor(const std::string& tensor, size_t rows, size_t cols) const {
    const auto it = changed_.find(tensor);
    if (it == changed_.end())
        return Error::notFound(fmt::format("the run did not change '{}'", tensor), directory_.string());
    return readKeptTensor(directory_ / it->second, tensor, rows, cols);
}

std::vector<std::string> Run::modules() const {
    std::vector<std::string> out;
    for (const TensorResult& r : results_)
        out.push_back(r.module);
    return out;
}

std::string Run::statusText() const {
    if (complete_) return "finished";
    return fmt::format("stopped after {} of {} units; the same command resumes", unitsDone_, unitsTotal_);
}

namespace {

using RounderOfWeight = std::unordered_map<std::string, std::shared_ptr<const RowRounder>>;

/// By the weight of a block's keys.
using BlockRoundersOfWeight = std::unordered_map<std::string, BlockRounders>;

Result<BlockRoundersOfWeight> blockRoundersOf(const Run& run, const Model& model,
                                              const RunFindings& findings) {
    QS_TRY(const ModelSettings settings,
           ModelSettings::fromJson(run.manifest().plan(), run.directory().string()));
    QS_TRY(const std::vector<BlockRounders> rounders, blockRounders(settings, model, findings));
    BlockRoundersOfWeight out;
    for (size_t b = 0; b < rounders.size(); ++b)
        out[model.spec().blocks[b].attention.k.weight] = rounders[b];
    return out;
}

/// None in runs that did not need any.
Result<RunFindings> findingsOf(const Run& run, const Model& model) {
    std::error_code ec;
    const auto file = findingsFile(run.directory());
    if (!model.hasForward() || !std::filesystem::exists(file, ec)) return RunFindings();
    return readFindings(file, model.spec().blocks.size());
}

struct LinearRounders {
    RounderOfWeight inputs, outputs;
};

/// From the schemes of the run's plan that round inputs or outputs.
Result<LinearRounders> roundersOf(const Run& run, const Model& model, const RunFindings& findings) {
    LinearRounders out;
    const nlohmann::json plan = run.manifest().plan();
    const auto tensors = plan.find("tensors");
    if (tensors == plan.end()) return out;
    for (const QuantTarget& t : model.targets()) {
        const auto entry = tensors->find(t.module);
        if (entry == tensors->end() || !entry->is_object()) continue;
        if (!entry->contains("inputs") && !entry->contains("outputs")) continue;
        QS_TRY(const Scheme scheme, Scheme::fromJson(*entry, run.directory().string() + ": " + t.module));
        if (scheme.inputs) {
            QS_TRY(out.inputs[t.weight], inputRounder(scheme, t.module, findings));
        }
        if (scheme.outputs) {
            QS_TRY(out.outputs[t.weight], outputRounder(scheme));
        }
    }
    return out;
}

class RunWeights final : public WeightSource {
public:
    RunWeights(std::shared_ptr<const Run> run, std::shared_ptr<const Model> model, LinearRounders rounders,
               BlockRoundersOfWeight ofBlock)
        : run_(std::move(run))
        , base_(modelWeights(*model))
        , rounders_(std::move(rounders))
        , ofBlock_(std::move(ofBlock)) {
        for (const QuantTarget& t : model->targets())
            if (run_->result(t.module)) moduleOfWeight_[t.weight] = t.module;
        if (run_->changedTensors().empty()) return;
        const TensorPlaces places(*model);
        for (const auto& [name, file] : run_->changedTensors())
            if (const WeightPlace place = places.of(name); place.kind == WeightPlace::Kind::Stored)
                changed_[name] = placeShape(model->checkpoint(), place);
    }

    Result<Matrix> matrix(const std::string& name) const override {
        if (const auto changed = changed_.find(name); changed != changed_.end())
            return run_->changedTensor(name, changed->second.first, changed->second.second);
        const auto it = moduleOfWeight_.find(name);
        if (it == moduleOfWeight_.end()) return base_->matrix(name);
        QS_TRY(const QuantizedTensor q, run_->tensor(it->second));
        QS_TRY(const auto codec, codecOf(q));
        return codec->dequantize(q);
    }
    Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& weight) const override {
        const auto it = rounders_.inputs.find(weight);
        return it == rounders_.inputs.end() ? base_->inputRounder(weight) : it->second;
    }
    std::shared_ptr<const RowRounder> outputRounder(const std::string& weight) const override {
        const auto it = rounders_.outputs.find(weight);
        return it == rounders_.outputs.end() ? base_->outputRounder(weight) : it->second;
    }
    std::shared_ptr<const KvRounder> kvRounder(const std::string& keyWeight) const override {
        const auto it = ofBlock_.find(keyWeight);
        return it == ofBlock_.end() ? nullptr : it->second.cache;
    }
    std::shared_ptr<const RowRounder> probabilityRounder(const std::string& keyWeight) const override {
        const auto it = ofBlock_.find(keyWeight);
        return it == ofBlock_.end() ? nullptr : it->second.probabilities;
    }
    std::string fingerprint() const override {
        const RunManifest& m = run_->manifest();
        const char* precision = m.precision == Precision::F32 ? "" : precisionName(m.precision);
        return sha256Hex(base_->fingerprint() + m.planFingerprint + m.calibrationFingerprint + precision);
    }
    std::string label() const override { return run_->directory().filename().string(); }

private:
    std::shared_ptr<const Run> run_;
    std::shared_ptr<const WeightSource> base_;
    LinearRounders rounders_;
    BlockRoundersOfWeight ofBlock_;
    std::unordered_map<std::string, std::string> moduleOfWeight_;
    std::unordered_map<std::string, std::pair<size_t, size_t>> changed_; ///< rows, columns
};

} // namespace

Result<std::shared_ptr<const WeightSource>> runWeights(std::shared_ptr<const Run> run,
                                                       std::shared_ptr<const Model> model) {
    QS_TRY(const std::string fingerprint, model->checkpoint().fingerprint());
    if (fingerprint != run->manifest().modelFingerprint)
        return Error::invalid(
            fmt::format("the run was made from another model ({:.12}) than this one ({:.12})",
                        run->manifest().modelFingerprint, fingerprint),
            run->directory().string());
    if (!run->complete())
        return Error::invalid("the run is not finished: " + run->statusText(), run->directory().string());
    QS_TRY(const RunFindings findings, findingsOf(*run, *model));
    QS_TRY(LinearRounders rounders, roundersOf(*run, *model, findings));
    QS_TRY(BlockRoundersOfWeight ofBlock, blockRoundersOf(*run, *model, findings));
    return std::make_shared<const RunWeights>(std::move(run), std::move(model), std::move(rounders),
                                              std::move(ofBlock));
}

} // namespace qs
