// SPDX-License-Identifier: Apache-2.0
#include "core/export/hdf5_format.h"

namespace qs {

namespace {

ExporterDescriptor make();

} // namespace

const ExporterDescriptor& exporter_hdf5() {
    static const ExporterDescriptor descriptor = make();
    return descriptor;
}

namespace {

Result<uint64_t> weightBytes(const ExportRequest& request) {
    QS_TRY(const ExportSource source, exportSource(request, exporter_hdf5()));
    return hdf5Bytes(source);
}

Result<void> write(const ExportRequest& request, const std::filesystem::path& into, const JobContext& job) {
    QS_TRY(const ExportSource source, exportSource(request, exporter_hdf5()));
    return writeHdf5(source, into, job);
}

Result<Receipt> verify(const ExportRequest& request, const std::filesystem::path& directory,
                       const JobContext& job) {
    QS_TRY(const ExportSource source, exportSource(request, exporter_hdf5()));
    return verifyHdf5(source, directory, job);
}

ExporterDescriptor make() {
    ExporterDescriptor d;
    d.id = "hdf5";
    d.label = "HDF5";
    d.summary =
        "One self-describing file for your own tools: codes (a byte each), scales, zero points and value "
        "tables of every format, kept tensors, config, tokenizer, recipe. h5py reads it, and so does "
        "this program.";
    d.citation = "HDF5 file format specification, version 3.0";
    d.runtimes = {"h5py", "Quantoscope"};
    d.lint = lintHdf5;
    d.weightBytes = weightBytes;
    d.write = write;
    d.verify = verify;
    return d;
}

} // namespace

} // namespace qs
