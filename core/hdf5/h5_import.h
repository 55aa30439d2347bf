// SPDX-License-Identifier: Apache-2.0
// HDF5 files from elsewhere, read by a process of their own. The HDF5 library has known memory-safety bugs on
// hostile files, so this program never opens such a file with it: the small program quantoscope-h5reader
// does, with little memory, no further files and no way to write, and hands over what it found. Its crash,
// silence or nonsense becomes an Error that names the file.
#pragma once

#include "core/hdf5/h5_import_protocol.h"

#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>

namespace qs {

struct H5ImportOptions {
    std::filesystem::path program;     ///< empty: h5ReaderProgram()
    std::chrono::seconds timeout{120}; ///< for one answer: the listing, or 16 MiB of values
};

/// quantoscope-h5reader: $QS_H5READER, beside the running program, or in ../libexec/quantoscope from there.
/// NotFound with the places looked at.
Result<std::filesystem::path> h5ReaderProgram();

/// An open file. Thread-safe; requests are answered one at a time.
class H5Import {
public:
    /// Starts the process and takes the listing.
    static Result<std::unique_ptr<H5Import>> open(const std::filesystem::path& path,
                                                  const H5ImportOptions& options = {});
    ~H5Import(); ///< ends the process

    const std::filesystem::path& path() const { return path_; }
    const H5Listing& listing() const { return listing_; }

    /// Elements [first, first + count) in row-major order of an array of the listing, as its type, little
    /// endian. out.size() == count x element size. After the process has failed once, the next call starts
    /// another one.
    Result<void> read(const H5Node& array, uint64_t first, uint64_t count, std::span<std::byte> out) const;

private:
    class Process;
    H5Import(std::filesystem::path path, H5ImportOptions options);
    Result<Process*> process() const;
    Result<H5Bytes> ask(H5Frame request, std::span<const std::byte> payload, H5Frame answer,
                        uint64_t maxBytes) const;

    std::filesystem::path path_;
    H5ImportOptions options_;
    H5Listing listing_;
    mutable std::mutex mutex_;
    mutable std::unique_ptr<Process> process_; // null before the first request and after a failure
};

} // namespace qs
