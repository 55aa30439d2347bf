// SPDX-License-Identifier: Apache-2.0
#include "core/export/hdf5_format.h"

#include "core/checkpoint/exported_hdf5.h"
#include "core/export/export_folder.h"
#include "core/hdf5/h5_import_protocol.h"
#include "core/linalg/block_rotation.h"
#include "core/recipe/stored_bytes.h"

#include <fmt/format.h>

namespace qs {

namespace fs = std::filesystem;

namespace {

/// Groups and arrays of one linear, at most; row ranges, factors, super-blocks, tables and extras included.
constexpr size_t kObjectsPerLinear = 23;

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

void lintRotation(const PlanEntry& e, const MethodDescriptor& method, std::vector<LintIssue>& issues) {
    const size_t cols = e.target.cols, rest = cols / linalg::powerOfTwoIn(cols);
    if (rest <= kExportedMaxRotation) return;
    if (!extrasOf(method, *e.scheme, e.target.rows, cols).rotated) return;
    issues.push_back({Severity::Error, "hdf5-rotation", e.target.module,
                      fmt::format("the rotation of {} inputs needs a matrix of {} x {}, the limit is {}: "
                                  "export dequantized weights",
                                  cols, rest, rest, kExportedMaxRotation)});
}

} // namespace

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
        if (const auto method = findMethod(e.scheme->method)) lintRotation(e, **method, issues);
        if (const auto codec = createCodec(e.scheme->codec, e.scheme->codecParams);
            codec && (*codec)->vectorRows() > 1)
            issues.push_back({Severity::Error, "hdf5-vectors", e.target.module,
                              fmt::format("{}: a table of values per code cannot say what {} rows together "
                                          "mean: export dequantized weights",
                                          (*codec)->label(), (*codec)->vectorRows())});
    }
    if (objects > kH5ImportMaxNodes)
        issues.push_back({Severity::Error, "hdf5-objects", "",
                          fmt::format("the file would hold up to {} objects, and one of more than {} is not "
                                      "opened again: export GGUF or compressed-tensors",
                                      objects, kH5ImportMaxNodes)});
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
