// SPDX-License-Identifier: Apache-2.0
#include "core/export/export_target.h"

#include "core/base/file.h"

#include <fmt/format.h>

namespace qs {

namespace fs = std::filesystem;

namespace {

/// The absolute target, whose parent exists and which does not exist or is an empty folder.
Result<fs::path> checkedTarget(const fs::path& asked) {
    std::error_code ec;
    fs::path target = fs::weakly_canonical(fs::absolute(asked, ec), ec);
    if (asked.empty() || ec) return Error::invalid("not a usable folder name", asked.string());
    if (!target.has_filename()) target = target.parent_path();
    if (!fs::is_directory(target.parent_path(), ec))
        return Error::notFound("the parent folder does not exist", target.parent_path().string());
    if (!fs::exists(target, ec)) return target;
    if (!fs::is_directory(target, ec)) return Error::invalid("exists and is not a folder", target.string());
    if (!fs::is_empty(target, ec) || ec)
        return Error::invalid("the folder is not empty; choose another", target.string());
    return target;
}

} // namespace

TargetFolder::TargetFolder(fs::path target, Temporary folder)
    : target_(std::move(target)), folder_(std::move(folder)) {}

TargetFolder::TargetFolder(TargetFolder&& other) noexcept
    : target_(std::move(other.target_))
    , folder_(std::move(other.folder_))
    , pending_(std::exchange(other.pending_, false)) {}

TargetFolder::~TargetFolder() {
    std::error_code ec;
    if (pending_) fs::remove_all(path(), ec);
}

Result<TargetFolder> TargetFolder::make(const fs::path& asked) {
    QS_TRY(fs::path target, checkedTarget(asked));
    sweepTemporaries(target); // before the free space is looked at
    QS_TRY(Temporary folder, Temporary::folder(target));
    return TargetFolder(std::move(target), std::move(folder));
}

Result<void> TargetFolder::requireSpace(uint64_t needed) const {
    const fs::path parent = target_.parent_path();
    std::error_code ec;
    const fs::space_info space = fs::space(parent, ec);
    if (ec) return Error::io("cannot ask for free space: " + ec.message(), parent.string());
    if (space.available >= needed) return {};
    return Error::io(fmt::format("the export needs {:.1f} MiB, {:.1f} MiB are free",
                                 double(needed) / (1 << 20), double(space.available) / (1 << 20)),
                     parent.string());
}

Result<void> TargetFolder::commit() {
    QS_CHECK(syncPath(path()));
    std::error_code ec;
    fs::rename(path(), target_, ec);
    if (ec) return Error::io("cannot rename into place: " + ec.message(), target_.string());
    pending_ = false;
    return syncPath(target_.parent_path());
}

} // namespace qs
