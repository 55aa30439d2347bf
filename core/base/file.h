// SPDX-License-Identifier: Apache-2.0
// Files: read-only maps, whole-file reads with a cap, and writes that appear whole or not at all.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace qs {

/// A read-only mapping of a whole file; pages are read when touched. Movable, unmapped on destruction.
/// Thread-safe. A file that shrinks after mapping would fault on access: call `stillIntact()` before a long
/// read of an untrusted file.
class MappedFile {
public:
    static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    std::span<const std::byte> bytes() const { return {data_, size_}; }
    const std::filesystem::path& path() const { return path_; }
    /// Bytes [offset, offset + out.size()), which must lie inside, read with no pages around them: touching a
    /// mapping brings in up to megabytes.
    Result<void> readAt(size_t offset, std::span<std::byte> out) const;
    /// Error::io when the file is now shorter than the mapping.
    Result<void> stillIntact() const;
    /// Tells the system that a range will be read soon / is no longer needed (a hint).
    void willNeed(size_t offset, size_t length) const;
    void doneWith(size_t offset, size_t length) const;

private:
    MappedFile() = default;
    std::filesystem::path path_;
    const std::byte* data_ = nullptr;
    size_t size_ = 0;
    int fd_ = -1;
};

/// The file's text. Error when it is larger than `maxBytes` or cannot be read.
Result<std::string> readTextFile(const std::filesystem::path& path, size_t maxBytes = size_t(1) << 30);

/// Writes to a temporary sibling, syncs, renames over `path`, syncs the folder. On error `path` is untouched.
Result<void> writeFileAtomically(const std::filesystem::path& path, std::span<const std::byte> bytes);
Result<void> writeFileAtomically(const std::filesystem::path& path, const std::string& text);

/// For files written piecewise: `write(temporaryPath)` fills the sibling, which is then synced and renamed.
Result<void> commitByRename(const std::filesystem::path& path,
                            const std::function<Result<void>(const std::filesystem::path&)>& write);

/// Flushes a file or folder to the disk.
Result<void> syncPath(const std::filesystem::path& path);

/// Lower-case hexadecimal SHA-256.
std::string sha256Hex(std::span<const std::byte> bytes);
std::string sha256Hex(const std::string& text);
/// Of a file's content, streamed.
Result<std::string> sha256OfFile(const std::filesystem::path& path);

/// Incremental SHA-256.
class Sha256 {
public:
    Sha256();
    ~Sha256();
    void update(std::span<const std::byte> bytes);
    void update(const std::string& text);
    std::string hex(); ///< ends the computation

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace qs
