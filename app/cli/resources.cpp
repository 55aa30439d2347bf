// SPDX-License-Identifier: Apache-2.0
#include "app/cli/resources.h"

#include <cstdlib>
#include <vector>

namespace fs = std::filesystem;

namespace qs::cli {

namespace {

std::vector<fs::path> candidates() {
    if (const char* given = std::getenv("QS_RESOURCES"); given && *given) return {given};
    std::vector<fs::path> list;
    std::error_code ec;
    const fs::path self = fs::read_symlink("/proc/self/exe", ec);
    if (!ec) list.push_back(self.parent_path().parent_path() / "share/quantoscope");
    list.push_back(QS_SOURCE_RESOURCES);
    return list;
}

} // namespace

Result<fs::path> resourcePath(const std::string& relative) {
    std::string looked;
    for (const fs::path& folder : candidates()) {
        std::error_code ec;
        if (fs::exists(folder / relative, ec)) return folder / relative;
        looked += (looked.empty() ? "" : ", ") + folder.string();
    }
    return Error::notFound("the program's own file '" + relative + "' is missing; looked in " + looked +
                           " (QS_RESOURCES names another folder)");
}

} // namespace qs::cli
