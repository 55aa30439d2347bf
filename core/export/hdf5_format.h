// SPDX-License-Identifier: Apache-2.0
// The parts of the `hdf5` exporter that work on an ExportSource: one file that holds everything
// (core/checkpoint/exported_hdf5.h describes it).
#pragma once

#include "core/export/export_source.h"
#include "core/hdf5/h5_file.h"

namespace qs {

inline constexpr const char* kHdf5ExportFile = "model.h5";

std::vector<LintIssue> lintHdf5(const Model& model, const Plan& plan);
/// The HDF5 library decides where things lie, so it lays the file out, in a scratch file without values.
Result<uint64_t> hdf5Bytes(const ExportSource& source);
Result<void> writeHdf5(const ExportSource& source, const std::filesystem::path& into, const JobContext& job);
/// Good when every object of the file has the attributes and bytes that were planned, there is no other, and
/// the reader makes the run's values of them, bit for bit.
Result<Receipt> verifyHdf5(const ExportSource& source, const std::filesystem::path& directory,
                           const JobContext& job);

/// An object of the file, in the order of writing.
struct Hdf5Object {
    std::string path;
    std::vector<H5Attribute> attributes;
    bool array = false; ///< else a group
    H5Type type = H5Type::U8;
    H5Shape shape = {};
    /// Of an array: its bytes, or `buffer` with them.
    std::function<Result<std::span<const std::byte>>(std::vector<std::byte>& buffer)> bytes = {};
    /// The line of the receipt that it counts for: the stored tensor's name, or its own path.
    std::string line = {};
};

/// `source` must outlive the result.
Result<std::vector<Hdf5Object>> hdf5Objects(const ExportSource& source);

} // namespace qs
