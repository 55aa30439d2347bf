// SPDX-License-Identifier: Apache-2.0
// An HDF5 file of any origin, seen from inside the reading process (h5_import.h): the library has known
// memory-safety bugs on hostile files, so nothing else calls this on a file from elsewhere.
#pragma once

#include "core/hdf5/h5_import_protocol.h"

#include <filesystem>
#include <memory>

namespace qs {

/// Not thread-safe.
class H5ForeignFile {
public:
    /// Read-only; no plugins, no file locks.
    static Result<std::unique_ptr<H5ForeignFile>> open(const std::filesystem::path& path);
    ~H5ForeignFile();

    /// Every object that hard links reach, at most 32 groups deep. Refused, each with its reason: soft,
    /// external and user-defined links, groups reached before (a cycle ends there), external and virtual
    /// storage, filters other than shuffle, deflate and Fletcher-32, chunks above 128 MiB, strings, compound,
    /// reference and variable-length elements, ranks above 8, more than 2^40 elements, arrays that claim more
    /// than their stored bytes can hold.
    Result<H5Listing> list();

    /// The requested elements as their node's type, little endian, at most kH5ImportMaxRead bytes.
    Result<H5Bytes> read(const H5ReadRequest& request);

private:
    struct State;
    explicit H5ForeignFile(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace qs
