// SPDX-License-Identifier: Apache-2.0
#include "core/hdf5/h5_import.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace qs {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr const char* kProgramName = "quantoscope-h5reader";

std::string systemError() {
    return std::strerror(errno);
}

fs::path absolutePath(const fs::path& path) {
    std::error_code ec;
    const fs::path absolute = fs::absolute(path, ec);
    return ec ? path : absolute;
}

/// The process names the file by its absolute path.
Error placed(Error e, const fs::path& path) {
    const std::string absolute = absolutePath(path).string();
    if (!e.where.starts_with(absolute)) return std::move(e).at(path.string());
    e.where.replace(0, absolute.size(), path.string());
    return e;
}

/// Starts `program FILE` with one end of a socket as its standard input and output and nothing else open.
Result<pid_t> spawnReader(const fs::path& program, const fs::path& file, int socket) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, socket, 0);
    posix_spawn_file_actions_adddup2(&actions, socket, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    // A group of its own: Ctrl-C is for the program, which then stops asking.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    std::string name = program.string(), argument = file.string();
    char* arguments[] = {name.data(), argument.data(), nullptr};
    char* environment[] = {nullptr}; // HDF5 listens to variables
    pid_t pid = -1;
    const int failed = posix_spawn(&pid, name.c_str(), &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        return Error::io(
            fmt::format("cannot start {}, which reads HDF5 files: {}", name, std::strerror(failed)),
            file.string());
    return pid;
}

std::string endOf(int status) {
    if (WIFSIGNALED(status)) {
        const char* name = ::sigdescr_np(WTERMSIG(status));
        return fmt::format("was ended by signal {} ({})", WTERMSIG(status), name ? name : "unknown");
    }
    return fmt::format("ended with status {}", WEXITSTATUS(status));
}

} // namespace

/// The child and our end of the socket.
class H5Import::Process {
public:
    static Result<std::unique_ptr<Process>> start(const fs::path& program, const fs::path& file) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            return Error::io("cannot make a socket: " + systemError(), file.string());
        auto process = std::make_unique<Process>();
        process->socket_ = ends[0];
        auto pid = spawnReader(program, file, ends[1]);
        ::close(ends[1]);
        if (!pid) return pid.takeError();
        process->pid_ = *pid;
        return process;
    }

    ~Process() {
        if (socket_ >= 0) ::close(socket_);
        if (pid_ > 0) end();
    }

    Result<void> send(std::span<const std::byte> bytes, Clock::time_point deadline) {
        while (!bytes.empty()) {
            QS_CHECK(wait(POLLOUT, deadline));
            const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (n < 0) return Error::io("the reading process takes no request: " + systemError());
            bytes = bytes.subspan(size_t(n));
        }
        return {};
    }

    Result<size_t> receive(std::span<std::byte> out, Clock::time_point deadline) {
        while (true) {
            QS_CHECK(wait(POLLIN, deadline));
            const ssize_t n = ::recv(socket_, out.data(), out.size(), MSG_DONTWAIT);
            if (n >= 0) return size_t(n);
            if (errno == ECONNRESET) return size_t(0);
            if (errno != EINTR && errno != EAGAIN)
                return Error::io("cannot hear the reading process: " + systemError());
        }
    }

    /// Kills it if it still runs; how it ended otherwise.
    std::string end() {
        // It has closed its end, so it is ending by itself or hangs: a moment shows which.
        int status = 0;
        pid_t done = 0;
        for (int i = 0; i < 50 && done == 0; ++i) {
            done = ::waitpid(pid_, &status, WNOHANG);
            if (done == 0) ::usleep(2000);
        }
        if (done == 0) {
            ::kill(pid_, SIGKILL);
            while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
            }
        }
        pid_ = -1;
        return done > 0 ? endOf(status) : "does not answer and was ended";
    }

private:
    Result<void> wait(short what, Clock::time_point deadline) {
        while (true) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
            if (left <= 0) return Error::io("no answer in time");
            pollfd p{socket_, what, 0};
            const int n = ::poll(&p, 1, int(std::min<long long>(left, 1 << 30)));
            if (n > 0) return {};
            if (n < 0 && errno != EINTR)
                return Error::io("cannot wait for the reading process: " + systemError());
        }
    }

    int socket_ = -1;
    pid_t pid_ = -1;
};

Result<fs::path> h5ReaderProgram() {
    if (const char* given = std::getenv("QS_H5READER"); given && *given) return fs::path(given);
    std::error_code ec;
    const fs::path folder = fs::read_symlink("/proc/self/exe", ec).parent_path();
    const fs::path places[] = {folder / kProgramName,
                               folder.parent_path() / "libexec/quantoscope" / kProgramName};
    for (const fs::path& place : places)
        if (fs::exists(place, ec)) return place;
    return Error::notFound(
        fmt::format("the program {} is missing; HDF5 files from elsewhere are read by it. Looked at "
                    "{} and {}",
                    kProgramName, places[0].string(), places[1].string()));
}

H5Import::H5Import(fs::path path, H5ImportOptions options)
    : path_(std::move(path)), options_(std::move(options)) {}
H5Import::~H5Import() = default;

Result<std::unique_ptr<H5Import>> H5Import::open(const fs::path& path, const H5ImportOptions& given) {
    std::error_code ec;
    if (!fs::is_regular_file(path, ec)) return Error::notFound("no such file", path.string());
    H5ImportOptions options = given;
    if (options.program.empty()) {
        auto program = h5ReaderProgram();
        if (!program) return program.takeError().at(path.string());
        options.program = *program;
    }
    std::unique_ptr<H5Import> import(new H5Import(path, std::move(options)));
    QS_TRY(const H5Bytes bytes, import->ask(H5Frame::List, {}, H5Frame::Listing, kH5ImportMaxListing));
    auto listing = decodeListing(bytes);
    if (!listing) return listing.takeError().at(path.string());
    import->listing_ = std::move(*listing);
    return import;
}

Result<H5Import::Process*> H5Import::process() const {
    if (!process_) {
        QS_TRY(process_, Process::start(options_.program, absolutePath(path_)));
    }
    return process_.get();
}

Result<H5Bytes> H5Import::ask(H5Frame request, std::span<const std::byte> payload, H5Frame answer,
                              uint64_t maxBytes) const {
    const std::lock_guard lock(mutex_);
    QS_TRY(Process * process, this->process());
    const auto deadline = Clock::now() + options_.timeout;
    bool ended = false; // the process has closed its end
    const H5ReadSome readSome = [&](std::span<std::byte> out) {
        auto n = process->receive(out, deadline);
        ended = n && *n == 0;
        return n;
    };
    if (auto sent = process->send(h5Frame(request, payload), deadline); !sent) ended = true;
    auto received = receiveFrame(readSome, maxBytes);
    if (received && received->kind == answer) return std::move(received->payload);
    if (received && received->kind == H5Frame::Failure)
        return placed(decodeFailure(received->payload), path_);
    // Nothing that it may say later is of use: the next request starts another process.
    Error e = received ? Error::corrupt("the reading process answers something that was not asked")
                       : received.takeError();
    const std::string how = process_->end();
    if (ended)
        e = Error::corrupt(
            fmt::format("the process that reads the file {}: the file is damaged or hostile", how));
    process_.reset();
    return std::move(e).at(path_.string());
}

Result<void> H5Import::read(const H5Node& array, uint64_t first, uint64_t count,
                            std::span<std::byte> out) const {
    const std::string where = path_.string() + ": " + array.path;
    const uint64_t element = uint64_t(dtypeInfo(array.type).bits) / 8, all = array.elements();
    if (array.kind != H5Node::Kind::Array || first > all || count > all - first ||
        out.size() != count * element)
        return Error::invalid(
            fmt::format("elements {} to {} of {} into {} bytes", first, first + count, all, out.size()),
            where);
    while (count > 0) {
        const uint64_t take = std::min(count, kH5ImportMaxRead / element);
        const H5Bytes request = encodeReadRequest({array.path, first, take});
        QS_TRY(const H5Bytes bytes, ask(H5Frame::Read, request, H5Frame::Data, kH5ImportMaxRead));
        if (bytes.size() != take * element)
            return Error::corrupt(
                fmt::format("the reading process answers {} bytes to {}", bytes.size(), take * element),
                where);
        std::memcpy(out.data(), bytes.data(), bytes.size());
        out = out.subspan(bytes.size());
        first += take;
        count -= take;
    }
    return {};
}

} // namespace qs
