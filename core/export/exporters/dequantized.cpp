// SPDX-License-Identifier: Apache-2.0
#include "core/export/dequantized_format.h"

namespace qs {

namespace {

ExporterDescriptor make();

} // namespace

const ExporterDescriptor& exporter_dequantized() {
    static const ExporterDescriptor descriptor = make();
    return descriptor;
}

namespace {

Result<uint64_t> weightBytes(const ExportRequest& request) {
    QS_TRY(const ExportSource source, exportSource(request, exporter_dequantized()));
    return dequantizedBytes(source);
}

Result<void> write(const ExportRequest& request, const std::filesystem::path& into, const JobContext& job) {
    QS_TRY(const ExportSource source, exportSource(request, exporter_dequantized()));
    return writeDequantized(source, into, job);
}

Result<Receipt> verify(const ExportRequest& request, const std::filesystem::path& directory,
                       const JobContext& job) {
    QS_TRY(const ExportSource source, exportSource(request, exporter_dequantized()));
    return verifyDequantized(source, directory, job);
}

ExporterDescriptor make() {
    ExporterDescriptor d;
    d.id = "dequantized";
    d.label = "Dequantized weights";
    d.summary =
        "An ordinary Hugging Face folder with the quantized values written out in floating point. Loads "
        "everywhere and holds any mix of schemes; the file is not smaller.";
    d.citation = "Hugging Face safetensors";
    d.params = {ParamSpec::choice("dtype", "Number format", "source", {"source", "f32", "f16", "bf16"},
                                  "Type of the written linears. Rounding to a 16-bit type moves values "
                                  "slightly; with 7 or more bits it can "
                                  "merge neighbouring codes, then f32 is exact."),
                ParamSpec::integer("shard_mb", "Shard size", 0, 0, 1000000,
                                   "Weight files of at most this size (each at least one tensor). 0: as the "
                                   "source is cut.",
                                   "MB")
                    .asAdvanced()};
    d.runtimes = {"transformers", "vLLM", "SGLang", "llama.cpp (after conversion)"};
    d.lint = lintDequantized;
    d.weightBytes = weightBytes;
    d.write = write;
    d.verify = verify;
    return d;
}

} // namespace

} // namespace qs
