// SPDX-License-Identifier: Apache-2.0
#include "core/base/file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace qs {

namespace fs = std::filesystem;

namespace {

Error systemError(const char* what, const fs::path& path) {
    const int e = errno;
    const ErrorCode code = e == ENOENT ? ErrorCode::NotFound : ErrorCode::Io;
    return {code, fmt::format("{}: {}", what, std::strerror(e)), path.string()};
}

struct FileDescriptor {
    int fd = -1;
    ~FileDescriptor() {
        if (fd >= 0) ::close(fd);
    }
};

Result<void> writeAll(int fd, std::span<const std::byte> bytes, const fs::path& path) {
    size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
        if (n < 0) {
            if (errno == EINTR) continue;
            return systemError("cannot write", path);
        }
        done += size_t(n);
    }
    return {};
}

} // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const fs::path& path) {
    std::shared_ptr<MappedFile> m(new MappedFile);
    m->path_ = path;
    m->fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (m->fd_ < 0) return systemError("cannot open", path);
    struct stat st {};
    if (::fstat(m->fd_, &st) != 0) return systemError("cannot stat", path);
    if (!S_ISREG(st.st_mode)) return Error::invalid("not a regular file", path.string());
    m->size_ = size_t(st.st_size);
    if (m->size_ > 0) {
        void* p = ::mmap(nullptr, m->size_, PROT_READ, MAP_SHARED, m->fd_, 0);
        if (p == MAP_FAILED) return systemError("cannot map", path);
        m->data_ = static_cast<const std::byte*>(p);
    }
    return std::shared_ptr<const MappedFile>(std::move(m));
}

MappedFile::~MappedFile() {
    if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
    if (fd_ >= 0) ::close(fd_);
}

Result<void> MappedFile::readAt(size_t offset, std::span<std::byte> out) const {
    while (!out.empty()) {
        const ssize_t n = ::pread(fd_, out.data(), out.size(), off_t(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return systemError("cannot read", path_);
        if (n == 0) return Error::io(fmt::format("the file ends before byte {}", offset), path_.string());
        offset += size_t(n);
        out = out.subspan(size_t(n));
    }
    return {};
}

Result<void> MappedFile::stillIntact() const {
    struct stat st {};
    if (::fstat(fd_, &st) != 0) return systemError("cannot stat", path_);
    if (size_t(st.st_size) < size_)
        return Error::io(fmt::format("the file shrank from {} to {} bytes while open", size_, st.st_size),
                         path_.string());
    return {};
}

namespace {
void advise(const std::byte* data, size_t size, size_t offset, size_t length, int advice) {
    if (!data || offset >= size) return;
    const size_t page = size_t(::sysconf(_SC_PAGESIZE));
    const size_t begin = offset / page * page;
    const size_t end = std::min(size, offset + length);
    ::madvise(const_cast<std::byte*>(data) + begin, end - begin, advice);
}
} // namespace

void MappedFile::willNeed(size_t offset, size_t length) const {
    advise(data_, size_, offset, length, MADV_WILLNEED);
}
void MappedFile::doneWith(size_t offset, size_t length) const {
    advise(data_, size_, offset, length, MADV_DONTNEED);
}

Result<std::string> readTextFile(const fs::path& path, size_t maxBytes) {
    QS_TRY(auto map, MappedFile::open(path));
    const auto bytes = map->bytes();
    if (bytes.size() > maxBytes)
        return Error::invalid(fmt::format("file has {} bytes, the limit is {}", bytes.size(), maxBytes),
                              path.string());
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<void> syncPath(const fs::path& path) {
    FileDescriptor f{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (f.fd < 0) return systemError("cannot open for sync", path);
    if (::fsync(f.fd) != 0 && errno != EINVAL) return systemError("cannot sync", path);
    return {};
}

Result<void> commitByRename(const fs::path& path, const std::function<Result<void>(const fs::path&)>& write) {
    fs::path temporary = path;
    temporary += fmt::format(".tmp{}", ::getpid());
    auto written = write(temporary);
    if (written) written = syncPath(temporary);
    if (written && ::rename(temporary.c_str(), path.c_str()) != 0)
        written = systemError("cannot rename into place", path);
    if (!written) {
        ::unlink(temporary.c_str());
        return written;
    }
    const fs::path folder = path.parent_path();
    return syncPath(folder.empty() ? fs::path(".") : folder);
}

Result<void> writeFileAtomically(const fs::path& path, std::span<const std::byte> bytes) {
    return commitByRename(path, [&](const fs::path& temporary) -> Result<void> {
        FileDescriptor f{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
        if (f.fd < 0) return systemError("cannot create", temporary);
        return writeAll(f.fd, bytes, temporary);
    });
}

Result<void> writeFileAtomically(const fs::path& path, const std::string& text) {
    return writeFileAtomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

struct Sha256::Impl {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    ~Impl() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
    EVP_DigestInit_ex(impl_->context, EVP_sha256(), nullptr);
}
Sha256::~Sha256() = default;
void Sha256::update(std::span<const std::byte> bytes) {
    EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size());
}
void Sha256::update(const std::string& text) {
    update(std::as_bytes(std::span(text.data(), text.size())));
}

std::string Sha256::hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    EVP_DigestFinal_ex(impl_->context, digest, &n);
    std::string out;
    for (unsigned int i = 0; i < n; ++i)
        out += fmt::format("{:02x}", digest[i]);
    return out;
}

std::string sha256Hex(std::span<const std::byte> bytes) {
    Sha256 h;
    h.update(bytes);
    return h.hex();
}
std::string sha256Hex(const std::string& text) {
    return sha256Hex(std::as_bytes(std::span(text.data(), text.size())));
}

Result<std::string> sha256OfFile(const fs::path& path) {
    constexpr size_t kPiece = size_t(1) << 20; // read, not mapped: files are larger than memory
    QS_TRY(auto map, MappedFile::open(path));
    const size_t size = map->bytes().size();
    std::vector<std::byte> piece(std::min(kPiece, size));
    Sha256 hash;
    for (size_t done = 0; done < size; done += piece.size()) {
        const std::span<std::byte> part(piece.data(), std::min(piece.size(), size - done));
        QS_CHECK(map->readAt(done, part));
        hash.update(part);
    }
    return hash.hex();
}

} // namespace qs
