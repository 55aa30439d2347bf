// SPDX-License-Identifier: Apache-2.0
// Inside of core/hdf5: the HDF5 library behind handles that close themselves. Include from .cpp files only.
#pragma once

#include "core/hdf5/h5_file.h"

#include <hdf5.h>
#include <mutex>

namespace qs {

/// The right to call the library: one thread at a time, error printing off while it lives. Every public
/// function here holds one; handles must be closed before it goes.
class H5Session {
public:
    H5Session();
    ~H5Session();
    H5Session(const H5Session&) = delete;
    H5Session& operator=(const H5Session&) = delete;

private:
    std::unique_lock<std::mutex> lock_;
    H5E_auto2_t print_ = nullptr;
    void* printData_ = nullptr;
};

/// Owns one id of any kind.
class H5Handle {
public:
    H5Handle() = default;
    H5Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
    H5Handle(H5Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
    H5Handle& operator=(H5Handle&& other) noexcept {
        std::swap(id_, other.id_);
        std::swap(close_, other.close_);
        return *this;
    }
    ~H5Handle() { close(); }

    explicit operator bool() const { return id_ >= 0; }
    hid_t get() const { return id_; }
    /// Negative when the library reports a failure.
    herr_t close() {
        if (id_ < 0) return 0;
        return close_(std::exchange(id_, -1));
    }

private:
    hid_t id_ = -1;
    herr_t (*close_)(hid_t) = nullptr;
};

/// The innermost message of the library's last failure: call before anything else is called or closed.
std::string h5LastFailure();
/// Error of `code` "what: <the library's reason>" at "file: object".
Error h5Failure(ErrorCode code, const std::string& what, const std::filesystem::path& file,
                const std::string& object = {});

/// The stored type; F16 is built, the others are the library's.
H5Handle h5StoredType(H5Type type);
size_t h5TypeSize(H5Type type);

/// File access: format bounds, no file locks (a committed file never changes; locks fail on network mounts).
H5Handle h5FileAccess();

/// NotFound, or Corrupt when a link on the way to the object is not a hard one.
Result<void> h5FollowHardLinks(const H5Handle& file, const std::filesystem::path& path,
                               const std::string& object);

/// "a/b" of "/a//b/", part by part.
std::vector<std::string> h5PathParts(const std::string& name);

/// Number of values, or an error when the shape is not usable (rank, product, kH5MaxBytes).
Result<uint64_t> h5CountOf(const H5Shape& shape, H5Type type);
std::string h5ShapeText(const H5Shape& shape); ///< "[3, 4]"

} // namespace qs
