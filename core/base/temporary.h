// SPDX-License-Identifier: Apache-2.0
// Temporary siblings of the files and folders we write, and what a killed process leaves of them. While in
// use a temporary carries an advisory lock (flock), which ends with its owner however that ends, kill -9
// included; a temporary that nobody holds is stale and may go. A process id would not tell: ids are used
// again, and another machine or container may share the folder. Where a file system has no locks nothing is
// ever swept.
#pragma once

#include "core/base/result.h"

#include <filesystem>
#include <functional>
#include <string>

namespace qs {

/// A temporary made by this process and held by it until destruction. The object removes nothing. Movable.
class Temporary {
public:
    Temporary() = default;
    /// An empty new file / folder "<target>.part<pid>-<n>" beside `target`, whose folder must exist.
    static Result<Temporary> file(const std::filesystem::path& target);
    static Result<Temporary> folder(const std::filesystem::path& target);
    ~Temporary();
    Temporary(Temporary&& other) noexcept;
    Temporary& operator=(Temporary&& other) noexcept;

    const std::filesystem::path& path() const { return path_; }

private:
    using Open = int (*)(const char* path);
    static Result<Temporary> make(const std::filesystem::path& target, Open create);

    std::filesystem::path path_;
    int fd_ = -1;
};

/// The name that a temporary stands for: "x.h5" for "x.h5.part12-3" and for "x.h5.tmp12" (commitByRename);
/// "" for any other name.
std::string targetOfTemporary(const std::string& name);

/// Removes from `folder` the temporaries of targets that `ours` accepts, where nobody holds them: files, and
/// folders that hold nothing but files. Links are never followed. What cannot be removed stays.
void sweepTemporaries(const std::filesystem::path& folder,
                      const std::function<bool(const std::string&)>& ours);
/// Those of `target` alone.
void sweepTemporaries(const std::filesystem::path& target);

} // namespace qs
