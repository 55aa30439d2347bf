// SPDX-License-Identifier: Apache-2.0
#include "core/model/activation_store.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace qs {

Result<ActivationStore> ActivationStore::create(size_t rows, size_t cols, size_t budgetBytes,
                                                const std::filesystem::path& scratch) {
    if (cols != 0 && rows > (SIZE_MAX >> 2) / cols)
        return Error::invalid(fmt::format("[{}, {}] activations do not fit in memory addresses", rows, cols));
    ActivationStore s;
    s.rows_ = rows;
    s.cols_ = cols;
    s.bytes_ = std::max<size_t>(1, rows * cols * sizeof(float));
    s.onDisk_ = s.bytes_ > budgetBytes;
    int fd = -1;
    if (s.onDisk_) {
        std::string name =
            ((scratch.empty() ? std::filesystem::temp_directory_path() : scratch) / "quantoscope-XXXXXX")
                .string();
        fd = ::mkstemp(name.data());
        if (fd < 0)
            return Error::io(fmt::format("cannot create a scratch file: {}", std::strerror(errno)), name);
        ::unlink(name.c_str());
        // Reserve the space now: writing to a hole of a full disk through a map would kill the process.
        if (const int e = ::posix_fallocate(fd, 0, off_t(s.bytes_)); e != 0) {
            ::close(fd);
            return Error::io(
                fmt::format("cannot reserve {} bytes for activations: {}", s.bytes_, std::strerror(e)), name);
        }
    }
    void* p = ::mmap(nullptr, s.bytes_, PROT_READ | PROT_WRITE,
                     fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
    if (fd >= 0) ::close(fd);
    if (p == MAP_FAILED)
        return Error{ErrorCode::OutOfMemory,
                     fmt::format("cannot map {} bytes for activations: {}", s.bytes_, std::strerror(errno)),
                     {}};
    s.data_ = static_cast<float*>(p);
    return s;
}

ActivationStore::~ActivationStore() {
    if (data_) ::munmap(data_, bytes_);
}

ActivationStore::ActivationStore(ActivationStore&& other) noexcept
    : data_(std::exchange(other.data_, nullptr))
    , rows_(other.rows_)
    , cols_(other.cols_)
    , bytes_(other.bytes_)
    , onDisk_(other.onDisk_)
    , deviceKeeps_(other.deviceKeeps_)
    , pieces_(std::move(other.pieces_)) {}

Result<void> ActivationStore::fetch(const Piece& piece) const {
    if (!piece.newer) return {};
    QS_CHECK(piece.backend->download(piece.x, host(piece.first, piece.x.rows)));
    piece.newer = false;
    return {};
}

Result<ConstMatrixView> ActivationStore::values(size_t first, size_t count) const {
    assert(first + count <= rows_);
    for (const Piece& p : pieces_)
        if (p.meets(first, count)) QS_CHECK(fetch(p));
    return ConstMatrixView(host(first, count));
}

Result<MatrixView> ActivationStore::rows(size_t first, size_t count) {
    assert(first + count <= rows_);
    QS_CHECK(letGo(first, count, false));
    return host(first, count);
}

Result<void> ActivationStore::letGo(size_t first, size_t count, bool all) {
    for (const Piece& p : pieces_) {
        const bool within = p.first >= first && p.first + p.x.rows <= first + count;
        if (p.meets(first, count) && !(all && within)) QS_CHECK(fetch(p));
    }
    std::erase_if(pieces_, [&](const Piece& p) { return p.meets(first, count); });
    return {};
}

Result<void> ActivationStore::put(Backend& backend, size_t first, const Tensor& x) {
    assert(first + x.rows <= rows_ && x.cols == cols_);
    QS_CHECK(letGo(first, x.rows, true));
    if (!deviceKeeps_) {
        const auto memory = backend.inMainMemory() ? std::nullopt : backend.memory();
        deviceKeeps_ =
            memory && bytes_ <= memory->freeBytes / 4 && memory->freeBytes - bytes_ >= memory->totalBytes / 2;
    }
    if (!*deviceKeeps_) return backend.download(x, host(first, x.rows));
    pieces_.push_back({first, x, &backend});
    return {};
}

std::optional<Tensor> ActivationStore::held(size_t first, size_t count) const {
    for (const Piece& p : pieces_)
        if (p.first == first && p.x.rows == count) return p.x;
    return std::nullopt;
}

Result<bool> ActivationStore::release() {
    deviceKeeps_ = false;
    if (pieces_.empty()) return false;
    for (const Piece& p : pieces_)
        QS_CHECK(fetch(p));
    pieces_.clear();
    return true;
}

} // namespace qs
