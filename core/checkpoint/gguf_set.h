// SPDX-License-Identifier: Apache-2.0
// The GGUF file of a model, or all pieces of a split one, mapped and parsed.
#pragma once

#include "core/base/file.h"
#include "core/checkpoint/gguf.h"

#include <memory>

namespace qs {

/// Immutable and thread-safe.
class GgufSet {
public:
    /// `path` is a file; any piece "name-00001-of-0000N.gguf" of a split one opens them all. Enforced for
    /// splits: every piece is there, split.no and split.count agree with the names, split.tensors.count with
    /// the tensors, no name is in two pieces.
    static Result<std::shared_ptr<const GgufSet>> open(const std::filesystem::path& path);

    struct Tensor {
        GgufTensor info;
        uint32_t file = 0;
    };

    /// The file, or the first piece.
    const std::filesystem::path& path() const { return files_[0].map->path(); }
    std::string place() const { return path().string(); }
    /// Of the first piece; the others repeat only what concerns splitting.
    const GgufMetadata& metadata() const { return files_[0].header.metadata; }
    const std::vector<Tensor>& tensors() const { return tensors_; }
    std::string fileName(uint32_t file) const { return files_[file].map->path().filename().string(); }

    static constexpr size_t npos = size_t(-1);
    size_t find(std::string_view name) const { return byName_.find(name); }

    /// The stored bytes of a tensor. Error::io when the file has shrunk since it was opened.
    Result<std::span<const std::byte>> bytes(size_t index) const;
    /// All values of a small tensor; an error when it has more than `most`.
    Result<std::vector<float>> values(size_t index, size_t most) const;

private:
    struct File {
        std::shared_ptr<const MappedFile> map;
        GgufHeader header;
    };
    Result<void> add(const std::filesystem::path& path);
    Result<void> checkSplit(uint64_t count) const;
    Result<void> index();

    std::vector<File> files_;
    std::vector<Tensor> tensors_;
    NameIndex byName_;
};

/// Of a piece of a split model; count == 0 for any other name.
struct GgufPiece {
    std::string prefix;             ///< the name before "-00001-of-0000N.gguf"
    uint64_t number = 0, count = 0; ///< from 1
};
GgufPiece ggufPiece(const std::filesystem::path& path);

} // namespace qs
