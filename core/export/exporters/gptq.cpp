// SPDX-License-Identifier: Apache-2.0
#include "core/export/gptq_format.h"

namespace qs {

namespace {

ExporterDescriptor make();

} // namespace

const ExporterDescriptor& exporter_gptq() {
    static const ExporterDescriptor descriptor = make();
    return descriptor;
}

namespace {

Result<uint64_t> weightBytes(const ExportRequest& request) {
    QS_TRY(const ExportSource source, exportSource(request, exporter_gptq()));
    return gptqBytes(source);
}

Result<void> write(const ExportRequest& request, const std::filesystem::path& into, const JobContext& job) {
    QS_TRY(const ExportSource source, exportSource(request, exporter_gptq()));
    return writeGptq(source, into, job);
}

Result<Receipt> verify(const ExportRequest& request, const std::filesystem::path& directory,
                       const JobContext& job) {
    QS_TRY(const ExportSource source, exportSource(request, exporter_gptq()));
    return verifyGptq(source, directory, job);
}

ExporterDescriptor make() {
    ExporterDescriptor d;
    d.id = "gptq";
    d.label = "GPTQ";
    d.summary =
        "Packed integers in the GPTQ layout: 2, 3, 4 or 8 bits with F16 scales. Symmetric 4 and 8 bits are "
        "written in the version that every runtime reads.";
    d.citation = "Frantar et al., GPTQ, ICLR 2023; layout of AutoGPTQ and GPTQModel";
    d.runtimes = {"vLLM", "SGLang", "transformers", "GPTQModel"};
    d.lint = lintGptq;
    d.weightBytes = weightBytes;
    d.write = write;
    d.verify = verify;
    return d;
}

} // namespace

} // namespace qs
