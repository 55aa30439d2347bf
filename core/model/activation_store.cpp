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
    , onDisk_(other.onDisk_) {}

MatrixView ActivationStore::rows(size_t first, size_t count) const {
    assert(first + count <= rows_);
    return {data_ + first * cols_, count, cols_};
}

} // namespace qs
