// SPDX-License-Identifier: Apache-2.0
#include "core/export/export_source.h"

#include "core/export/run_checkpoint.h"
#include "core/run/run_findings.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

namespace {

Result<void> checkBelongs(const Run& run, const Model& model) {
    if (!run.complete())
        return Error::invalid(fmt::format("the run is not complete ({} of {} units): resume it first",
                                          run.unitsDone(), run.unitsTotal()),
                              run.directory().string());
    QS_TRY(const std::string fingerprint, model.checkpoint().fingerprint());
    if (fingerprint != run.manifest().modelFingerprint)
        return Error::invalid(
            fmt::format("the run was made from another model (fingerprint {:.16}, this one is "
                        "{:.16})",
                        run.manifest().modelFingerprint, fingerprint),
            run.directory().string());
    return {};
}

std::string sidecarText(const Model& model, const RunManifest& m, const ExporterDescriptor& exporter,
                        const Params& params) {
    json
        calibration; // null when data-free; the file's name without its folder, which means nothing elsewhere
    if (!m.calibrationFingerprint.empty())
        calibration = {{"file", std::filesystem::path(m.calibrationFile).filename().string()},
                       {"fingerprint", m.calibrationFingerprint}};
    json sidecar = {
        {"schema", "quantoscope-export"},
        {"version", 1},
        {"app_version", QS_VERSION},
        {"exporter", exporter.id},
        {"exporter_params", params.toJson()},
        {"source", {{"name", model.checkpoint().displayName()}, {"fingerprint", m.modelFingerprint}}},
        {"calibration", calibration},
        {"run", {{"app_version", m.appVersion}, {"created_utc", m.createdUtc}, {"backend", m.backend}}},
        {"plan", m.plan()},
        {"plan_fingerprint", m.planFingerprint}};
    if (!m.importanceFile.empty())
        sidecar["importance"] = {{"file", std::filesystem::path(m.importanceFile).filename().string()},
                                 {"fingerprint", m.importanceFingerprint}};
    if (const json plan = m.plan(); plan.contains("transforms"))
        sidecar["transforms"] = plan.at("transforms");
    return sidecar.dump(2) + "\n";
}

/// What the files say of the run.
Result<void> describe(ExportSource& s, const RunManifest& m, const ExporterDescriptor& exporter,
                      const Params& params) {
    QS_TRY(s.params, Params::fromJson(exporter.params, params.toJson(), exporter.id));
    s.metadata = {{"quantoscope", m.appVersion},
                  {"quantoscope_exporter", exporter.id},
                  {"quantoscope_source", m.modelFingerprint},
                  {"quantoscope_plan", m.planFingerprint},
                  {"quantoscope_calibration", m.calibrationFingerprint}};
    s.sidecar = sidecarText(*s.model, m, exporter, s.params);
    return {};
}

Error badTensor(const PlanEntry& entry, std::string message) {
    return Error::corrupt(std::move(message), "run: " + entry.target.module);
}

Result<void> checkShapes(const PlanEntry& entry, const QuantizedTensor& q) {
    const auto& [scaleRows, groups, groupSize, blockRows] = q.layout;
    if (q.rows != entry.target.rows || q.cols != entry.target.cols)
        return badTensor(entry, fmt::format("has shape [{}, {}], the model's is [{}, {}]", q.rows, q.cols,
                                            entry.target.rows, entry.target.cols));
    if (q.codes.size() != q.rows * q.cols)
        return badTensor(entry, fmt::format("has {} codes for [{}, {}]", q.codes.size(), q.rows, q.cols));
    if ((scaleRows != 1 && (blockRows == 0 || scaleRows != (q.rows + blockRows - 1) / blockRows)) ||
        groups == 0 || groupSize == 0)
        return badTensor(entry, fmt::format("group layout {} x {} of {} does not fit [{}, {}]", scaleRows,
                                            groups, groupSize, q.rows, q.cols));
    for (const Matrix* m : {&q.scale, &q.zero})
        if (m->rows() != scaleRows || m->cols() != groups)
            return badTensor(entry, fmt::format("scales or zeros are [{}, {}], the layout says [{}, {}]",
                                                m->rows(), m->cols(), scaleRows, groups));
    if (!q.groupOfColumn.empty() && q.groupOfColumn.size() != q.cols)
        return badTensor(entry,
                         fmt::format("{} group indices for {} columns", q.groupOfColumn.size(), q.cols));
    for (size_t c = 0; c < q.cols; ++c)
        if (q.groupOf(c) >= groups)
            return badTensor(entry,
                             fmt::format("column {} is in group {}, there are {}", c, q.groupOf(c), groups));
    return {};
}

Result<void> checkValues(const PlanEntry& entry, const QuantizedTensor& q, const Codec& codec) {
    for (const Matrix* m : {&q.scale, &q.zero})
        for (float v : m->span())
            if (!std::isfinite(v)) return badTensor(entry, "a scale or zero point is not finite");
    uint8_t most = 0;
    for (const uint8_t code : q.codes)
        most = std::max(most, code);
    if (int(most) >= codec.levels())
        return badTensor(entry, fmt::format("code {} of {} levels", int(most), codec.levels()));
    if (auto ok = codec.checkParameters(q); !ok) return badTensor(entry, ok.error().message);
    return {};
}

/// The largest magnitude that a format holds on a fixed scale.
Result<float> largestOf(const InputScheme& inputs, const FixedRange& fixed) {
    QS_TRY(const auto codec, createCodec(inputs.codec, inputs.codecParams));
    const float beyond = 1e30f;
    float value = 0;
    uint8_t code = 0;
    codec->round(&beyond, 1, &fixed.scale, &fixed.zero, &code, &value);
    return value;
}

/// Of linears whose plan has one range for all tokens, that range; of others as the calibration has it.
Result<std::function<Result<float>(const QuantTarget&)>>
plannedInputs(const Run& run, const Model& model, const Plan& plan,
              std::function<Result<float>(const QuantTarget&)> others) {
    auto fixed = std::make_shared<std::map<std::string, float>>();
    RunFindings findings;
    for (const PlanEntry& e : plan.entries) {
        if (!e.scheme || !e.scheme->inputs || !e.scheme->inputs->isStatic()) continue;
        if (findings.inputs.empty()) {
            QS_TRY(findings, readFindings(findingsFile(run.directory()), model.spec().blocks.size()));
        }
        const auto found = findings.inputs.find(e.target.module);
        if (found == findings.inputs.end() || !found->second.fixed)
            return Error::corrupt("has no range for the inputs of " + e.target.module,
                                  findingsFile(run.directory()).string());
        QS_TRY((*fixed)[e.target.module], largestOf(*e.scheme->inputs, *found->second.fixed));
    }
    return [fixed, others = std::move(others)](const QuantTarget& target) -> Result<float> {
        const auto it = fixed->find(target.module);
        return it == fixed->end() ? others(target) : it->second;
    };
}

/// Reads the calibration once it is asked for.
std::function<Result<float>(const QuantTarget&)> largestInputs(std::shared_ptr<const Run> run) {
    auto opened = std::make_shared<std::shared_ptr<const Calibration>>();
    return [run, opened](const QuantTarget& target) -> Result<float> {
        const std::string& file = run->manifest().calibrationFile;
        if (file.empty())
            return Error::invalid(
                "the run was made without a calibration, which would tell how large inputs get");
        if (!*opened) {
            QS_TRY(*opened, Calibration::open(file));
        }
        if ((*opened)->info().fingerprint != run->manifest().calibrationFingerprint)
            return Error::invalid("is not the calibration that the run was made with", file);
        const SiteRecord* record = (*opened)->find(target.site);
        if (!record || record->tokens == 0 || record->channels != target.cols)
            return Error::invalid(fmt::format("holds no inputs of {}", target.site), file);
        QS_TRY(const TensorScaling scaling, run->scalingOf(target));
        float largest = 0;
        for (size_t c = 0; c < target.cols; ++c)
            largest = std::max(largest, record->stats.absmax[c] /
                                            (scaling.columns.empty() ? 1.0f : scaling.columns[c]));
        return largest;
    };
}

} // namespace

std::vector<std::vector<const PlanEntry*>> ExportSource::entriesOfTensor() const {
    std::vector<std::vector<const PlanEntry*>> entries(checkpoint().tensors().size());
    for (const PlanEntry& e : plan.entries)
        if (e.scheme && e.target.place.index < entries.size()) entries[e.target.place.index].push_back(&e);
    return entries;
}

Result<QuantizedTensor> ExportSource::tensor(const PlanEntry& entry) const {
    if (!load) return Error::notFound("is not run yet", entry.target.module);
    QS_TRY(QuantizedTensor q, load(entry.target.module));
    if (q.codec != entry.scheme->codec || !(q.codecParams == entry.scheme->codecParams))
        return badTensor(entry,
                         fmt::format("is {} {}, the plan says {} {}", q.codec, q.codecParams.toJson().dump(),
                                     entry.scheme->codec, entry.scheme->codecParams.toJson().dump()));
    QS_CHECK(checkShapes(entry, q));
    QS_TRY(const auto codec, codecOf(q));
    QS_CHECK(checkValues(entry, q, *codec));
    return q;
}

Result<ExportSource> exportSource(const ExportRequest& request, const ExporterDescriptor& exporter) {
    if (!request.model || !request.run) return Error::invalid("an export needs a model and a run");
    QS_CHECK(checkBelongs(*request.run, *request.model));
    ExportSource s;
    s.model = request.model.get();
    QS_TRY(s.plan, planOfRun(*request.run, *request.model));
    QS_TRY(s.weights, runCheckpoint(request.model, request.run));
    QS_TRY(s.largestInput, plannedInputs(*request.run, *request.model, s.plan, largestInputs(request.run)));
    s.load = [run = request.run](const std::string& module) { return run->tensor(module); };
    s.scaling = [run = request.run](const QuantTarget& target) { return run->scalingOf(target); };
    QS_CHECK(describe(s, request.run->manifest(), exporter, request.params));
    return s;
}

Result<ExportSource> plannedSource(const Model& model, const Plan& plan, const ExporterDescriptor& exporter,
                                   const Params& params, const RunManifest& manifest) {
    ExportSource s;
    s.model = &model;
    s.plan = plan;
    // Its size does not depend on it.
    s.largestInput = [](const QuantTarget&) -> Result<float> { return 1.0f; };
    QS_CHECK(describe(s, manifest, exporter, params));
    return s;
}

Result<Params> exportedParams(const ExporterDescriptor& exporter, const std::filesystem::path& directory) {
    const std::filesystem::path file = directory / "quantoscope.json";
    QS_TRY(const std::string text, readTextFile(file, size_t(256) << 20));
    const json sidecar = json::parse(text, nullptr, false);
    if (!sidecar.is_object()) return Error::corrupt("must be a JSON object", file.string());
    return Params::fromJson(exporter.params, sidecar.value("exporter_params", json::object()), file.string());
}

Result<std::shared_ptr<const QuantizedTensor>> TensorCache::get(const PlanEntry& entry) {
    if (!tensor_ || module_ != entry.target.module) {
        tensor_.reset(); // before the next one is read: one tensor in memory at a time
        QS_TRY(QuantizedTensor q, source_.tensor(entry));
        tensor_ = std::make_shared<const QuantizedTensor>(std::move(q));
        module_ = entry.target.module;
    }
    return tensor_;
}

} // namespace qs
