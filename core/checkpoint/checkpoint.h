// SPDX-License-Identifier: Apache-2.0
// Checkpoint: the tensors, configuration and companion files of a model, opened without reading a weight
// byte.
#pragma once

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/checkpoint/name_index.h"
#include "core/tensor/dtype.h"
#include "core/tensor/matrix.h"

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace qs {

/// One stored tensor. `shape` is as stored, row-major; a linear's weight is [out, in].
struct TensorInfo {
    std::string name;
    DType dtype = DType::F32;
    std::vector<uint64_t> shape;
    uint64_t bytes = 0; ///< stored bytes
    std::string file;   ///< name of the shard, relative to the checkpoint's folder

    uint64_t elements() const {
        uint64_t n = 1;
        for (uint64_t d : shape)
            n *= d;
        return n;
    }
    /// Rank 2: rows = shape[0], cols = shape[1]. Rank 1: one row. Rank 0: 1 x 1. Higher: leading axes become
    /// rows.
    uint64_t rows() const { return cols() ? elements() / cols() : 0; }
    uint64_t cols() const { return shape.empty() ? 1 : shape.back(); }
};

/// The stored bytes at both ends of a tensor.
struct TensorEnds {
    std::vector<std::byte> first, last;
};

/// Where a reader's tensor values come from; one implementation per file format. Thread-safe.
class TensorSource {
public:
    virtual ~TensorSource() = default;
    /// Values of rows [firstRow, firstRow + out.rows) of tensor `index` (see TensorInfo::rows) as float32.
    virtual Result<void> readRows(size_t index, uint64_t firstRow, MatrixView out) const = 0;
    /// The stored bytes, for copying through unchanged. Valid while the source lives.
    virtual Result<std::span<const std::byte>> rawBytes(size_t index) const = 0;
    /// The first and the last `count` stored bytes, all of them when there are fewer: for fingerprints.
    /// Sources that cannot point at stored bytes have a cheaper way than rawBytes.
    virtual Result<TensorEnds> ends(size_t index, size_t count) const;
};

/// Immutable after opening and thread-safe.
class Checkpoint {
public:
    /// `root` is the model's folder, or the single file that was opened. `config` is the parsed config.json
    /// or null.
    Checkpoint(std::filesystem::path root, std::string readerId, std::vector<TensorInfo> tensors,
               std::unique_ptr<TensorSource> source, nlohmann::json config);
    ~Checkpoint();

    const std::filesystem::path& root() const { return root_; }
    const std::string& readerId() const { return readerId_; }
    /// Folder or file name without its path, for titles.
    std::string displayName() const;
    const std::vector<TensorInfo>& tensors() const { return tensors_; }
    const nlohmann::json& config() const { return *config_; }
    bool hasConfig() const;

    /// Index into tensors(), or npos.
    static constexpr size_t npos = size_t(-1);
    size_t find(const std::string& name) const;

    /// All values as float32 in [rows, cols] form.
    Result<Matrix> readMatrix(size_t index) const;
    Result<Matrix> readMatrix(const std::string& name) const;
    Result<void> readRows(size_t index, uint64_t firstRow, MatrixView out) const;
    Result<std::span<const std::byte>> rawBytes(size_t index) const;

    uint64_t totalBytes() const;
    uint64_t totalElements() const;

    /// Identifies the weights without reading them: SHA-256 over every tensor's name, dtype, shape and shard,
    /// the shards' sizes and first and last 4 KiB of each tensor (16 lower-case hex digits are enough to
    /// show).
    Result<std::string> fingerprint() const;

private:
    std::filesystem::path root_;
    std::string readerId_;
    std::vector<TensorInfo> tensors_;
    NameIndex byName_; // views into tensors_
    std::unique_ptr<TensorSource> source_;
    std::unique_ptr<nlohmann::json> config_;
};

/// Opens a model: a Hugging Face folder, or a single weight file. The registry of readers is asked in its
/// order. Errors name the file, the field, the rule and the value.
Result<std::shared_ptr<const Checkpoint>> openCheckpoint(const std::filesystem::path& path);

} // namespace qs
