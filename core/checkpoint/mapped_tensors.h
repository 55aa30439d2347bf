// SPDX-License-Identifier: Apache-2.0
// Checkpoints whose tensors lie as plain elements in mapped files: what the safetensors and PyTorch readers
// share, shards with an index included.
#pragma once

#include "core/base/file.h"
#include "core/checkpoint/checkpoint.h"

namespace qs {

struct MappedTensor {
    std::string name;
    DType dtype = DType::F32;
    std::vector<uint64_t> shape;
    uint64_t offset = 0; ///< of element (0, 0, ...), from the start of the file
    /// In elements, as many as `shape` has; empty when the elements lie row-major without gaps.
    std::vector<uint64_t> strides;
};

/// Collects the tensors of one or more files, then becomes a Checkpoint.
class MappedTensors {
public:
    MappedTensors();
    ~MappedTensors();
    MappedTensors(MappedTensors&&) noexcept;

    /// Precondition: every element lies inside the file, and every size in bytes fits into 64 bits. A strided
    /// tensor is gathered when it is read; its raw bytes are gathered once and kept.
    void addFile(std::shared_ptr<const MappedFile> file, std::vector<MappedTensor> tensors);
    const std::vector<TensorInfo>& tensors() const { return tensors_; }
    /// Corrupt when there is no tensor at all.
    Result<std::shared_ptr<const Checkpoint>> finish(const std::filesystem::path& root,
                                                     const std::string& readerId, nlohmann::json config);

private:
    class Source;
    std::vector<TensorInfo> tensors_;
    std::unique_ptr<Source> source_;
};

/// Maps one weight file and adds what its header lists.
using AddWeightFile = Result<void> (*)(MappedTensors& out, const std::filesystem::path& file);

/// A folder with an index: every shard that the index names, checked against the shards' own headers; the
/// folder's config.json.
Result<std::shared_ptr<const Checkpoint>> openShards(const std::filesystem::path& folder,
                                                     const std::filesystem::path& index,
                                                     const std::string& readerId, AddWeightFile addFile);

} // namespace qs
