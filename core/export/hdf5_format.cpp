// SPDX-License-Identifier: Apache-2.0
#include "core/export/hdf5_format.h"

#include "core/export/export_folder.h"
#include "core/export/hdf5_values.h"
#include "core/export/packed_lint.h"
#include "core/hdf5/h5_import_protocol.h"

#include <fmt/format.h>

namespace qs {

namespace fs = std::filesystem;

namespace {

/// Groups and arrays of one linear, at most; row ranges, factors and super-blocks included.
constexpr size_t kObjectsPerLinear = 11;

Result<void> layOut(H5Writer& writer, const std::vector<Hdf5Object>& objects) {
    for (const Hdf5Object& o : objects) {
        if (o.array)
            QS_CHECK(writer.reserve(o.path, o.type, o.shape));
        else if (o.path != "/")
            QS_CHECK(writer.group(o.path));
        QS_CHECK(writer.attributes(o.path, o.attributes));
    }
    return {};
}

Result<void> fill(H5Writer& writer, const std::vector<Hdf5Object>& objects, const JobContext& job) {
    std::vector<std::byte> buffer;
    for (size_t i = 0; i < objects.size(); ++i) {
        const Hdf5Object& o = objects[i];
        QS_CHECK(job.checkpoint());
        job.report("Write " + o.line, double(i), double(objects.size()));
        if (!o.array) continue;
        auto bytes = o.bytes(buffer);
        if (!bytes) return bytes.takeError().at(o.line);
        QS_CHECK(writer.fill(o.path, o.type, *bytes));
    }
    return {};
}

} // namespace

Result<std::vector<float>> exportedLevels(const Codec& codec) {
    std::vector<float> levels(static_cast<size_t>(codec.levels()));
    for (size_t i = 0; i < levels.size(); ++i)
        levels[i] = codec.decode(uint8_t(i), 1, 0);
    const float scale = 0.37f, zero = codec.symmetric() ? 0.0f : 0.11f;
    for (size_t i = 0; i < levels.size(); ++i)
        if (codec.decode(uint8_t(i), scale, zero) != scale * levels[i] - zero)
            return Error::unsupported(
                fmt::format("{}: code {} does not stand for scale * level - zero, which is what the file can "
                            "say",
                            codec.label(), i));
    return levels;
}

std::vector<LintIssue> lintHdf5(const Model& model, const Plan& plan) {
    std::vector<LintIssue> issues;
    size_t objects = model.checkpoint().tensors().size();
    for (const PlanEntry& e : plan.entries) {
        if (e.target.packed) {
            issues.push_back(
                {Severity::Error, "source-packed", e.target.module,
                 "the source stores this linear already packed, so its tensors cannot be kept as they "
                 "are: quantize the original model"});
            break;
        }
        if (!e.scheme) continue;
        objects += kObjectsPerLinear;
        const auto codec = createCodec(e.scheme->codec, e.scheme->codecParams);
        if (!codec || (*codec)->isIntegerGrid()) continue;
        if (const auto levels = exportedLevels(**codec); !levels)
            issues.push_back({Severity::Error, "hdf5-values", e.target.module, levels.error().message});
    }
    if (objects > kH5ImportMaxNodes)
        issues.push_back({Severity::Error, "hdf5-objects", "",
                          fmt::format("the file would hold up to {} objects, and one of more than {} is not "
                                      "opened again: export GGUF or compressed-tensors",
                                      objects, kH5ImportMaxNodes)});
    LintList list("hdf5");
    lintExtras(plan, "HDF5", list);
    for (LintIssue& issue : list.take())
        issues.push_back(std::move(issue));
    return issues;
}

Result<uint64_t> hdf5Bytes(const ExportSource& source) {
    QS_TRY(const auto objects, hdf5Objects(source));
    std::error_code ec;
    const fs::path folder = fs::temp_directory_path(ec);
    if (ec) return Error::io("there is no folder for temporary files: " + ec.message());
    QS_TRY(const auto writer, H5Writer::begin(folder / "quantoscope-layout.h5"));
    QS_CHECK(layOut(*writer, objects));
    return writer->measure();
}

Result<void> writeHdf5(const ExportSource& source, const fs::path& into, const JobContext& job) {
    QS_TRY(const auto objects, hdf5Objects(source));
    QS_TRY(const auto writer, H5Writer::begin(into / kHdf5ExportFile));
    QS_CHECK(layOut(*writer, objects));
    QS_CHECK(fill(*writer, objects, job));
    QS_CHECK(writer->commit());
    return writeFileAtomically(into / "quantoscope.json", source.sidecar);
}

} // namespace qs
