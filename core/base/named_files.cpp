// SPDX-License-Identifier: Apache-2.0
#include "core/base/named_files.h"

#include "core/base/file.h"

namespace qs {

bool FolderFiles::has(const std::string& name) const {
    std::error_code ec;
    return std::filesystem::is_regular_file(folder_ / name, ec);
}

Result<std::string> FolderFiles::read(const std::string& name, size_t maxBytes) const {
    return readTextFile(folder_ / name, maxBytes);
}

} // namespace qs
