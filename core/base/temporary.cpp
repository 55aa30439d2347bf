// SPDX-License-Identifier: Apache-2.0
#include "core/base/temporary.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr int kAttempts = 16;

fs::path nextName(const fs::path& target) {
    static std::atomic<unsigned> counter{0};
    fs::path name = target;
    name += fmt::format(".part{}-{}", ::getpid(), counter++);
    return name;
}

int createFile(const char* path) {
    return ::open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

int createFolder(const char* path) {
    return ::mkdir(path, 0777) == 0 ? ::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
}

/// `path` still names what `fd` has open.
bool sameObject(int fd, const fs::path& path) {
    struct stat open {
    }, named{};
    return ::fstat(fd, &open) == 0 && ::lstat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
           open.st_ino == named.st_ino;
}

bool isDigits(std::string_view text) {
    return !text.empty() && text.size() <= 20 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Not recursive: nothing we write has folders inside.
void removeFlatFolder(const fs::path& folder) {
    std::vector<fs::path> files;
    std::error_code ec;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
        if (!fs::is_regular_file(it->symlink_status())) return;
        files.push_back(it->path());
    }
    if (ec) return;
    for (const fs::path& file : files)
        ::unlink(file.c_str());
    ::rmdir(folder.c_str());
}

void removeIfUnheld(const fs::path& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) return;
    const bool isFolder = S_ISDIR(st.st_mode);
    const int fd = ::open(path.c_str(),
                          (isFolder ? O_RDONLY | O_DIRECTORY : O_RDWR | O_NONBLOCK) | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && sameObject(fd, path)) {
        if (isFolder)
            removeFlatFolder(path);
        else
            ::unlink(path.c_str());
    }
    ::close(fd);
}

} // namespace

Result<Temporary> Temporary::make(const fs::path& target, Open create) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        Temporary t;
        t.path_ = nextName(target);
        t.fd_ = create(t.path_.c_str());
        if (t.fd_ < 0) {
            if (errno == EEXIST) continue; // left by a process of our number
            return Error::io(fmt::format("cannot create: {}", std::strerror(errno)), t.path_.string());
        }
        // A sweep may come between creation and lock: then it holds the lock, or the name is gone.
        const bool locked = ::flock(t.fd_, LOCK_EX | LOCK_NB) == 0;
        if ((locked || errno != EWOULDBLOCK) && sameObject(t.fd_, t.path_)) return t;
    }
    return Error::io(fmt::format("cannot create a temporary file beside it in {} attempts", kAttempts),
                     target.string());
}

Result<Temporary> Temporary::file(const fs::path& target) {
    return make(target, createFile);
}

Result<Temporary> Temporary::folder(const fs::path& target) {
    return make(target, createFolder);
}

Temporary::~Temporary() {
    if (fd_ >= 0) ::close(fd_);
}

Temporary::Temporary(Temporary&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

Temporary& Temporary::operator=(Temporary&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(fd_, other.fd_);
    return *this;
}

std::string targetOfTemporary(const std::string& name) {
    for (const std::string_view mark : {".part", ".tmp"}) {
        const size_t at = name.rfind(mark);
        if (at == std::string::npos || at == 0) continue;
        const std::string_view tail = std::string_view(name).substr(at + mark.size());
        const size_t dash = mark == ".part" ? tail.find('-') : tail.size();
        if (dash == std::string_view::npos || !isDigits(tail.substr(0, dash))) continue;
        if (mark == ".tmp" || isDigits(tail.substr(dash + 1))) return name.substr(0, at);
    }
    return {};
}

void sweepTemporaries(const fs::path& folder, const std::function<bool(const std::string&)>& ours) {
    std::vector<fs::path> found;
    std::error_code ec;
    for (fs::directory_iterator it(folder.empty() ? fs::path(".") : folder, ec), end; !ec && it != end;
         it.increment(ec)) {
        const std::string target = targetOfTemporary(it->path().filename().string());
        if (!target.empty() && ours(target)) found.push_back(it->path());
    }
    for (const fs::path& path : found)
        removeIfUnheld(path);
}

void sweepTemporaries(const fs::path& target) {
    sweepTemporaries(target.parent_path(),
                     [name = target.filename().string()](const std::string& t) { return t == name; });
}

} // namespace qs
