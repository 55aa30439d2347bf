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

class GgufMetadata;
class NamedFiles;

/// One stored tensor. `shape` is row-major; a linear's weight is [out, in].
struct TensorInfo {
    std::string name;
    DType dtype = DType::F32; ///< of the elements; of an encoded tensor, what its values are read as
    std::vector<uint64_t> shape;
    uint64_t bytes = 0; ///< stored bytes
    std::string file;   ///< name of the shard, relative to the checkpoint's folder
    /// The format of the blocks that hold the elements ("Q4_K"), "" when they are stored one by one as
    /// `dtype`.
    std::string encoding;
    std::string notReadable; ///< why an encoded tensor has no values, "" when it has
    /// The stored bytes are the elements as `dtype`, in order. Not so when encoded, or when the file holds
    /// them in another order.
    bool verbatim = true;

    /// Checkpoint::readRows gives values.
    bool readable() const { return encoding.empty() ? convertibleToFloat(dtype) : notReadable.empty(); }
    /// "Q4_K" or "F16": what a person is shown.
    std::string_view typeName() const { return encoding.empty() ? dtypeInfo(dtype).name : encoding; }
    /// Stored bits per element.
    double bits() const {
        const uint64_t n = elements();
        return n ? 8.0 * double(bytes) / double(n) : double(dtypeInfo(dtype).bits);
    }

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
    /// The stored bytes as they lie in the file. Valid while the source lives.
    virtual Result<std::span<const std::byte>> rawBytes(size_t index) const = 0;
    /// The first and the last `count` stored bytes, all of them when there are fewer: for fingerprints.
    /// Sources that cannot point at stored bytes have a cheaper way than rawBytes.
    virtual Result<TensorEnds> ends(size_t index, size_t count) const;
    /// The key-value part of a GGUF file, nullptr for other formats.
    virtual const GgufMetadata* ggufMetadata() const { return nullptr; }
    /// Companion files that the weight file carries, nullptr when they lie beside it.
    virtual const NamedFiles* carriedFiles() const { return nullptr; }
};

/// Immutable after opening and thread-safe.
class Checkpoint {
public:
    /// `root` is the model's folder, or the single file that was opened. `config` is the parsed config.json
    /// or null, then `noConfigReason` may say why.
    Checkpoint(std::filesystem::path root, std::string readerId, std::vector<TensorInfo> tensors,
               std::unique_ptr<TensorSource> source, nlohmann::json config, std::string noConfigReason = {});
    ~Checkpoint();

    const std::filesystem::path& root() const { return root_; }
    const std::string& readerId() const { return readerId_; }
    /// Folder or file name without its path, for titles.
    std::string displayName() const;
    const std::vector<TensorInfo>& tensors() const { return tensors_; }
    const nlohmann::json& config() const { return *config_; }
    bool hasConfig() const;
    /// Why there is none, "" when it was simply not there.
    const std::string& noConfigReason() const { return noConfigReason_; }
    /// Where the config comes from, for errors about it: "MODEL/config.json", or the file with the metadata.
    std::string configPlace() const;
    /// The key-value part of a GGUF file (its vocabulary among others), nullptr for other formats.
    const GgufMetadata* ggufMetadata() const { return source_->ggufMetadata(); }
    /// Companion files (a tokenizer among them) that the weight file carries, nullptr when they lie beside
    /// it.
    const NamedFiles* carriedFiles() const { return source_->carriedFiles(); }

    /// Index into tensors(), or npos.
    static constexpr size_t npos = size_t(-1);
    size_t find(const std::string& name) const;

    /// All values as float32 in [rows, cols] form.
    Result<Matrix> readMatrix(size_t index) const;
    Result<Matrix> readMatrix(const std::string& name) const;
    Result<void> readRows(size_t index, uint64_t firstRow, MatrixView out) const;
    /// The stored bytes of a verbatim tensor, for copying through unchanged. Unsupported for others.
    Result<std::span<const std::byte>> rawBytes(size_t index) const;
    /// The elements as `dtype`, in order, for writing into another file: the stored bytes where those are it,
    /// else computed into `buffer`, which must live as long as the span is used.
    Result<std::span<const std::byte>> elementBytes(size_t index, std::vector<std::byte>& buffer) const;

    uint64_t totalBytes() const;
    uint64_t totalElements() const;

    /// Identifies the weights without reading them: SHA-256 over every tensor's name, dtype, shape and shard,
    /// the shards' sizes and first and last 4 KiB of each tensor, or of 2048 tensors spread evenly where
    /// there are more: a page of every one of 100,000 experts would be read (16 lower-case hex digits are
    /// enough to show).
    Result<std::string> fingerprint() const;

private:
    std::filesystem::path root_;
    std::string readerId_;
    std::vector<TensorInfo> tensors_;
    NameIndex byName_; // views into tensors_
    std::unique_ptr<TensorSource> source_;
    std::unique_ptr<nlohmann::json> config_;
    std::string noConfigReason_;
};

/// Opens a model: a Hugging Face folder, or a single weight file. The registry of readers is asked in its
/// order. Errors name the file, the field, the rule and the value.
Result<std::shared_ptr<const Checkpoint>> openCheckpoint(const std::filesystem::path& path);

} // namespace qs
