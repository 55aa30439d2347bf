// SPDX-License-Identifier: Apache-2.0
// The weight files of an export: the source's split into shards, filled tensor by tensor.
#pragma once

#include "core/base/job.h"
#include "core/checkpoint/checkpoint.h"
#include "core/checkpoint/safetensors.h"

namespace qs {

/// model.safetensors, or numbered shards with model.safetensors.index.json. Tensors stay in the shard of the
/// source tensor that they replace.
class WeightFiles {
public:
    /// No tensors yet; `metadata` goes into every file.
    WeightFiles(const Checkpoint& source, std::map<std::string, std::string> metadata);

    /// `like`: index of the source tensor whose shard `item` belongs to.
    void add(size_t like, SafetensorsItem item);
    /// The source's elements, unchanged (those of an encoded tensor as its `dtype`).
    void addKept(size_t index);

    /// After the last tensor was added: shards of at most `bytes` of tensors, each at least one, in place of
    /// the source's.
    void shardBySize(uint64_t bytes);

    /// Exact size of the weight files (without the index).
    uint64_t bytes() const;
    /// Writes into the existing folder `into`. Cancelled between tensors.
    Result<void> write(const std::filesystem::path& into, const JobContext& job) const;

private:
    struct File {
        std::string name;
        std::vector<SafetensorsItem> items;
    };
    Result<void> writeIndex(const std::filesystem::path& into) const;
    void nameFiles();

    const Checkpoint& source_;
    std::map<std::string, std::string> metadata_;
    std::vector<std::string>
        shards_; ///< the source's file names, sorted; files_[i] takes the place of shards_[i]
    std::vector<File> files_;
};

/// `values`, contiguous, as elements of `type` (F32, F16 or BF16); InvalidArgument names the first that it
/// cannot hold. They begin with row `firstRow` of their tensor.
Result<void> storeFinite(ConstMatrixView values, DType type, std::span<std::byte> out, size_t firstRow = 0);

} // namespace qs
