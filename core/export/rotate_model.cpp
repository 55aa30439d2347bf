// SPDX-License-Identifier: Apache-2.0
#include "core/export/rotate_model.h"

#include "core/calibrate/stream_moments.h"
#include "core/export/export_folder.h"
#include "core/export/export_target.h"
#include "core/export/weight_files.h"
#include "core/model/architecture.h"
#include "core/model/forward.h"
#include "core/model/tensor_places.h"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <random>

namespace qs {

namespace {

const char* idOf(RotationKind kind) {
    for (const RotationInfo& info : rotationKinds())
        if (info.kind == kind) return info.id;
    return "";
}

Result<void> checkSource(const Model& model) {
    const Checkpoint& c = model.checkpoint();
    const std::string place = c.root().string();
    if (companionFolder(c).empty() || c.ggufMetadata() || !c.hasConfig())
        return Error::invalid("only a Hugging Face folder with its config.json can be rotated; convert the "
                              "original model afterwards",
                              place);
    QS_CHECK(model.requireForward());
    for (const QuantTarget& t : model.targets())
        if (t.packed)
            return Error::invalid("is quantized already: rotate the original model", place + ": " + t.module);
    return {};
}

/// What changes in one stored tensor.
struct Part {
    const TensorTurn* turn = nullptr;
    WeightPlace place;
};

/// Makes the stored tensors of the copy. Both arguments must outlive it.
class RotatedTensors {
public:
    static Result<RotatedTensors> make(const Model& model, const ModelRotation& rotation) {
        RotatedTensors t(model);
        const TensorPlaces places(model);
        for (const auto& [name, turn] : rotation.tensors()) {
            WeightPlace place = places.of(name);
            if (!isReplaceable(model.checkpoint(), place))
                return Error::invalid("must be stored as F32, F16 or BF16 to be rotated", name);
            t.parts_[place.index].push_back({&turn, std::move(place)});
        }
        return t;
    }

    const std::map<size_t, std::vector<Part>>& parts() const { return parts_; }

    Result<void> fill(size_t index, const std::vector<Part>& parts, DType type, std::span<std::byte> out,
                      const JobContext& job) const {
        const TensorInfo& t = model_.checkpoint().tensors()[index];
        auto filled =
            parts.size() == 1 && parts[0].place.whole() && parts[0].turn->byRows() && t.shape.size() == 2
                ? fillByRows(index, *parts[0].turn, type, out, job)
                : fillWhole(index, parts, type, out);
        return filled ? std::move(filled) : filled.takeError().at(t.name);
    }

private:
    explicit RotatedTensors(const Model& model) : model_(model), source_(modelWeights(model)) {}

    Result<void> fillByRows(size_t index, const TensorTurn& turn, DType type, std::span<std::byte> out,
                            const JobContext& job) const {
        constexpr size_t kElements = size_t(4) << 20;
        const TensorInfo& t = model_.checkpoint().tensors()[index];
        const size_t rows = size_t(t.rows()), cols = size_t(t.cols());
        const size_t rowBytes = cols * size_t(dtypeInfo(type).bits / 8);
        Matrix buffer(std::clamp<size_t>(kElements / cols, 1, rows), cols);
        for (size_t first = 0; first < rows; first += buffer.rows()) {
            QS_CHECK(job.checkpoint());
            const MatrixView slab = buffer.view().block(0, std::min(buffer.rows(), rows - first), 0, cols);
            QS_CHECK(model_.checkpoint().readRows(index, first, slab));
            QS_CHECK(turn.apply(slab, *source_));
            QS_CHECK(storeFinite(slab, type, out.subspan(first * rowBytes, slab.rows * rowBytes), first));
        }
        return {};
    }

    Result<void> fillWhole(size_t index, const std::vector<Part>& parts, DType type,
                           std::span<std::byte> out) const {
        const Checkpoint& checkpoint = model_.checkpoint();
        QS_TRY(Matrix stored, checkpoint.readMatrix(index));
        const bool vector = checkpoint.tensors()[index].shape.size() < 2;
        // A vector lies as one row; as a column its elements are the outputs that places and turns speak of.
        const MatrixView all = vector ? MatrixView(stored.data(), stored.size(), 1) : stored.view();
        for (const Part& part : parts) {
            if (part.place.whole()) {
                QS_CHECK(part.turn->apply(all, *source_));
                continue;
            }
            const auto [rows, cols] = placeShape(checkpoint, part.place);
            Matrix own = vector ? Matrix(cols, 1) : Matrix(rows, cols);
            gatherPlace(part.place, all, own.view());
            QS_CHECK(part.turn->apply(own.view(), *source_));
            scatterPlace(part.place, own.view(), all);
        }
        return storeFinite(stored.view(), type, out);
    }

    const Model& model_;
    std::shared_ptr<const WeightSource> source_;
    std::map<size_t, std::vector<Part>> parts_; ///< by index of the stored tensor
};

/// Everything that is decided before a byte is written.
struct Copy {
    const RotateRequest& request;
    const Model& model;
    ModelRotation rotation;
    std::string head;        ///< name of the tensor of an untied head; "" : none
    std::string calibration; ///< fingerprint of the one that was used; "" : none

    DType typeOf(size_t index) const {
        return request.dtype.value_or(model.checkpoint().tensors()[index].dtype);
    }
};

Result<Copy> planCopy(const RotateRequest& request, const JobContext& job) {
    if (!request.model) return Error::invalid("a rotation needs a model");
    const Model& model = *request.model;
    QS_CHECK(checkSource(model));
    ModelRotationOptions options{.kind = request.kind, .seed = request.seed, .heads = request.heads};
    MatrixD moments;
    std::string fingerprint;
    if (request.kind == RotationKind::Klt) {
        if (request.calibration.empty()) return Error::invalid("klt needs a calibration of the model");
        QS_TRY(const auto calibration, Calibration::open(request.calibration));
        QS_TRY(moments, streamMoments(*calibration, model, job));
        fingerprint = calibration->info().fingerprint;
        options.moments = &moments;
    }
    QS_TRY(ModelRotation rotation, ModelRotation::make(model, options));
    Copy copy{request, model, std::move(rotation), "", fingerprint};
    if (copy.rotation.untiedHead()) {
        QS_TRY(const ArchitectureDescriptor* architecture, architectureFor(model.checkpoint()));
        copy.head = architecture->head;
    }
    return copy;
}

WeightFiles filesOf(const Copy& copy, const RotatedTensors& rotated, const JobContext& job) {
    const Checkpoint& source = copy.model.checkpoint();
    WeightFiles files(source,
                      {{"quantoscope", QS_VERSION}, {"quantoscope_rotation", idOf(copy.request.kind)}});
    const auto add = [&](size_t index, const std::string& name, const std::vector<Part>& parts) {
        const DType type = copy.typeOf(index);
        files.add(index, {name, type, source.tensors()[index].shape,
                          [&rotated, &job, index, parts, type](std::span<std::byte> out) {
                              return rotated.fill(index, parts, type, out, job);
                          }});
    };
    for (size_t i = 0; i < source.tensors().size(); ++i) {
        const std::string& name = source.tensors()[i].name;
        if (const auto it = rotated.parts().find(i); it != rotated.parts().end())
            add(i, name, it->second);
        else if (name != copy.head) // a copy of the embedding that some files hold beside it
            files.addKept(i);
    }
    if (copy.head.empty()) return files;
    const WeightPlace place = TensorPlaces(copy.model).of(copy.model.spec().embedding.tokens);
    add(place.index, copy.head, {{copy.rotation.untiedHead(), place}});
    return files;
}

std::string sidecarOf(const Copy& copy, const std::string& fingerprint) {
    nlohmann::json sidecar = {
        {"schema", "quantoscope-rotation"},
        {"version", 1},
        {"app_version", QS_VERSION},
        {"source", {{"name", copy.model.checkpoint().displayName()}, {"fingerprint", fingerprint}}},
        {"rotation", idOf(copy.request.kind)},
        {"seed", copy.request.seed},
        {"heads", copy.request.heads},
        {"untied_head", !copy.head.empty()}};
    if (!copy.calibration.empty()) sidecar["calibration"] = copy.calibration;
    return sidecar.dump(2) + "\n";
}

Result<void> writeOthers(const Copy& copy, const std::filesystem::path& into) {
    const Checkpoint& source = copy.model.checkpoint();
    QS_TRY(auto config, sourceConfig(source));
    if (!copy.head.empty()) config["tie_word_embeddings"] = false;
    if (copy.request.dtype) setConfigDtype(config, *copy.request.dtype);
    const bool changed = !copy.head.empty() || copy.request.dtype;
    QS_TRY(const std::string fingerprint, source.fingerprint());
    return writeFolderFiles(source, changed ? &config : nullptr, sidecarOf(copy, fingerprint), into);
}

/// RotatedModel::difference of the folder `written`.
Result<double> logitsDiffer(const Model& model, const std::filesystem::path& written, Backend& backend,
                            const JobContext& job) {
    constexpr size_t kTokens = 32;
    QS_TRY(const auto copy, openModel(written));
    QS_CHECK(copy->requireForward());
    const ModelSpec& spec = model.spec();
    std::mt19937_64 random(1);
    std::vector<int32_t> ids(std::min(kTokens, spec.context));
    for (int32_t& id : ids)
        id = int32_t(random() % spec.vocabulary);
    QS_TRY(const Matrix before, computeLogits(spec, *modelWeights(model), ids, backend, job.part(0, 0.5)));
    QS_TRY(const Matrix after,
           computeLogits(copy->spec(), *modelWeights(*copy), ids, backend, job.part(0.5, 1)));
    double error = 0, size = 0;
    for (size_t i = 0; i < before.size(); ++i) {
        const double b = double(before.data()[i]), a = double(after.data()[i]);
        error += (a - b) * (a - b);
        size += b * b;
    }
    return size > 0 ? std::sqrt(error / size) : std::sqrt(error);
}

/// Roundings of a type's digits add up over the layers; beyond this the copy is not the model.
Result<void> requireSame(double difference) {
    constexpr double kMost = 0.1;
    if (difference <= kMost) return {};
    return Error::invalid(
        fmt::format("the copy's logits differ from the model's by {:.2g} of their root mean "
                    "square, more than {}: its type holds too few digits; choose another "
                    "dtype",
                    difference, kMost));
}

} // namespace

Result<RotatedModel> rotateModel(const RotateRequest& request, Backend& backend, const JobContext& job) {
    QS_TRY(const Copy copy, planCopy(request, job.part(0, 0.1)));
    QS_TRY(const RotatedTensors rotated, RotatedTensors::make(copy.model, copy.rotation));
    const Checkpoint& source = copy.model.checkpoint();
    const JobContext writing = job.part(0.1, 0.7);
    const WeightFiles files = filesOf(copy, rotated, writing);
    QS_TRY(TargetFolder folder, TargetFolder::make(request.directory));
    RotatedModel out;
    out.directory = folder.target();
    out.bytes = files.bytes();
    out.tensors = rotated.parts().size() + (copy.head.empty() ? 0 : 1);
    if (!copy.head.empty()) {
        const size_t tokens = source.find(copy.model.spec().embedding.tokens);
        out.headBytes =
            source.tensors()[tokens].elements() * uint64_t(dtypeInfo(copy.typeOf(tokens)).bits / 8);
    }
    QS_CHECK(folder.requireSpace(out.bytes + folderFileBytes(source)));
    QS_CHECK(files.write(folder.path(), writing));
    QS_CHECK(writeOthers(copy, folder.path()));
    QS_TRY(out.difference, logitsDiffer(copy.model, folder.path(), backend, job.part(0.7, 1)));
    QS_CHECK(requireSame(out.difference));
    QS_CHECK(job.checkpoint());
    QS_CHECK(folder.commit());
    return out;
}

} // namespace qs
