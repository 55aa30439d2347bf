// SPDX-License-Identifier: Apache-2.0
// Hidden states of all tokens between two blocks: in memory up to a budget, beyond it in an unlinked scratch
// file that is mapped.
#pragma once

#include "core/base/result.h"
#include "core/tensor/matrix.h"

#include <filesystem>

namespace qs {

/// [rows, cols] float32, zeroed. Movable. Reading and writing disjoint rows from several threads is safe.
class ActivationStore {
public:
    /// `scratch` is the folder for the file when rows * cols * 4 exceeds `budgetBytes` (default: the system's
    /// temporary folder).
    static Result<ActivationStore> create(size_t rows, size_t cols, size_t budgetBytes,
                                          const std::filesystem::path& scratch = {});
    ~ActivationStore();
    ActivationStore(ActivationStore&& other) noexcept;
    ActivationStore& operator=(ActivationStore&&) = delete;

    MatrixView rows(size_t first, size_t count) const;
    size_t rowCount() const { return rows_; }
    size_t cols() const { return cols_; }
    bool onDisk() const { return onDisk_; }

private:
    ActivationStore() = default;
    float* data_ = nullptr;
    size_t rows_ = 0, cols_ = 0, bytes_ = 0;
    bool onDisk_ = false;
};

} // namespace qs
