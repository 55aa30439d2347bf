// SPDX-License-Identifier: Apache-2.0
// Hidden states of all tokens between two blocks: in memory up to a budget, beyond it in an unlinked scratch
// file that is mapped. What a device has computed of them stays on it where it has room.
#pragma once

#include "core/backend/backend.h"

#include <filesystem>
#include <optional>
#include <vector>

namespace qs {

/// [rows, cols] float32, zeroed. Movable. Not thread-safe, but for rows in host memory that were asked for.
class ActivationStore {
public:
    /// `scratch` is the folder for the file when rows * cols * 4 exceeds `budgetBytes` (default: the system's
    /// temporary folder).
    static Result<ActivationStore> create(size_t rows, size_t cols, size_t budgetBytes,
                                          const std::filesystem::path& scratch = {});
    ~ActivationStore();
    ActivationStore(ActivationStore&& other) noexcept;
    ActivationStore& operator=(ActivationStore&&) = delete;

    size_t rowCount() const { return rows_; }
    size_t cols() const { return cols_; }
    bool onDisk() const { return onDisk_; }

    /// Rows in host memory, to be read. The error is that of a device that has newer ones.
    Result<ConstMatrixView> values(size_t first, size_t count) const;
    /// Rows in host memory, to be changed.
    Result<MatrixView> rows(size_t first, size_t count);

    /// x [count, cols] becomes the rows from `first` on. A device keeps it when all rows take a quarter of
    /// its free memory at most and half of the device stays free, so that several stores leave room for the
    /// passes: nobody may change it then. The backend outlives the rows it keeps.
    Result<void> put(Backend& backend, size_t first, const Tensor& x);
    /// These rows, where put() left just them on a device.
    std::optional<Tensor> held(size_t first, size_t count) const;
    /// Whether a device held any; they are in host memory now, and from now on all will be.
    Result<bool> release();

private:
    ActivationStore() = default;
    /// On a device.
    struct Piece {
        size_t first = 0;
        Tensor x;
        Backend* backend = nullptr;
        mutable bool newer = true; ///< than what host memory has
        bool meets(size_t begin, size_t count) const {
            return first < begin + count && begin < first + x.rows;
        }
    };
    MatrixView host(size_t first, size_t count) const { return {data_ + first * cols_, count, cols_}; }
    Result<void> fetch(const Piece& piece) const;
    /// Rows [first, first + count) are about to change: no device has them any more. `all` of them: what it
    /// had is not fetched.
    Result<void> letGo(size_t first, size_t count, bool all);

    float* data_ = nullptr;
    size_t rows_ = 0, cols_ = 0, bytes_ = 0;
    bool onDisk_ = false;
    std::optional<bool> deviceKeeps_; ///< asked once
    std::vector<Piece> pieces_;       ///< of different rows
};

} // namespace qs
