// SPDX-License-Identifier: Apache-2.0
// The folder that a model is written to: whole under its name, or not at all.
#pragma once

#include "core/base/temporary.h"

namespace qs {

/// A temporary sibling that is filled, then renamed. Without commit() it is removed with its content.
class TargetFolder {
public:
    /// `asked` must not exist or be an empty folder, its parent must exist. Removes what a killed process
    /// left of an earlier try.
    static Result<TargetFolder> make(const std::filesystem::path& asked);
    ~TargetFolder();
    TargetFolder(TargetFolder&& other) noexcept;
    TargetFolder& operator=(TargetFolder&&) = delete;

    /// Error::io when the disk has less room than `bytes`.
    Result<void> requireSpace(uint64_t bytes) const;
    const std::filesystem::path& path() const { return folder_.path(); } ///< to write into
    const std::filesystem::path& target() const { return target_; }      ///< absolute
    Result<void> commit();

private:
    TargetFolder(std::filesystem::path target, Temporary folder);

    std::filesystem::path target_;
    Temporary folder_;
    bool pending_ = true; ///< there is something to remove
};

} // namespace qs
