// SPDX-License-Identifier: Apache-2.0
// An HDF5 file from elsewhere with the meaning of its arrays decided: what the hdf5 reader and the activation
// dumps are made from.
#pragma once

#include "core/checkpoint/checkpoint.h"
#include "core/checkpoint/h5_mapping.h"
#include "core/hdf5/h5_import.h"

#include <mutex>
#include <new>

namespace qs {

/// The listed file is a calibration of this program.
bool isCalibration(const H5Listing& listing);

/// Opens a file that is not by its name an archive of Keras, which says what to do with it.
Result<std::unique_ptr<H5Import>> openHdf5Import(const std::filesystem::path& path);

/// Thread-safe.
class MappedHdf5 {
public:
    /// `mapping` null: the sidecar "<path>.map.json", else none. A calibration file of this program is
    /// refused: it is opened as one.
    static Result<std::shared_ptr<const MappedHdf5>> open(const std::filesystem::path& path,
                                                          const H5Mapping* mapping = nullptr);
    static Result<std::shared_ptr<const MappedHdf5>> of(std::unique_ptr<H5Import> file,
                                                        const H5Mapping* mapping = nullptr);

    const std::filesystem::path& path() const { return file_->path(); }
    const H5Listing& listing() const { return file_->listing(); }
    /// One per array of the listing, in its order.
    const std::vector<H5MappedArray>& arrays() const { return arrays_; }
    const H5Node& node(const H5MappedArray& array) const { return listing().nodes[array.node]; }

    /// Rows of the matrix that is shown (see TensorInfo::rows of `shape`), as float32; integers are
    /// converted. A transposed array is read whole the first time and kept until another one is asked for.
    Result<void> readRows(const H5MappedArray& array, uint64_t firstRow, MatrixView out) const;
    /// Every element in the order of the matrix that is shown, as array.type.
    Result<std::vector<std::byte>> rawBytes(const H5MappedArray& array) const;
    /// The stored elements [first, first + count), not transposed.
    Result<std::vector<std::byte>> storedBytes(const H5MappedArray& array, uint64_t first,
                                               uint64_t count) const;

private:
    Result<void> readStored(const H5MappedArray& array, uint64_t firstRow, MatrixView out) const;
    Result<void> keepTransposed(const H5MappedArray& array) const;
    Error noMemory(const H5MappedArray& array) const;

    std::unique_ptr<H5Import> file_;
    std::vector<H5MappedArray> arrays_;
    mutable std::mutex mutex_;
    mutable const H5MappedArray* keptArray_ = nullptr;
    mutable Matrix kept_; // [cols, rows] of keptArray_
};

/// The file as a checkpoint: weights, biases and tensors; activations are left out
/// (calibrate/activation_dump.h). Unsupported when nothing is left.
Result<std::shared_ptr<const Checkpoint>> hdf5Checkpoint(std::shared_ptr<const MappedHdf5> file);

} // namespace qs
