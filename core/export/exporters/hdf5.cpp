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
    exportBy<exporter_hdf5, hdf5Bytes, writeHdf5, verifyHdf5>(d);
    return d;
}

} // namespace

} // namespace qs
