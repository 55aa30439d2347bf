// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/hf_folder.h"

#include "core/base/file.h"
#include "core/checkpoint/json_scanner.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr size_t kMaxConfigBytes = size_t(16) << 20;
constexpr int kMaxConfigDepth = 64; // nlohmann's own dump() recurses
constexpr uintmax_t kMaxCompanionBytes = uintmax_t(256) << 20;

constexpr std::string_view kNotCompanions[] = {".safetensors", ".safetensors.index.json",
                                               ".bin",         ".bin.index.json",
                                               ".pt",          ".pth",
                                               ".ckpt",        ".gguf",
                                               ".h5",          ".msgpack",
                                               ".onnx"};

bool isCompanion(const std::string& name, const std::vector<std::string>& exclude) {
    if (name.starts_with('.') || name == "config.json") return false;
    if (std::find(exclude.begin(), exclude.end(), name) != exclude.end()) return false;
    return std::none_of(std::begin(kNotCompanions), std::end(kNotCompanions),
                        [&](std::string_view ending) { return name.ends_with(ending); });
}

Result<void> copyFile(const fs::path& from, const fs::path& to) {
    return commitByRename(to, [&](const fs::path& temporary) -> Result<void> {
        std::error_code ec;
        fs::copy_file(from, temporary, fs::copy_options::overwrite_existing, ec);
        if (ec) return Error::io("cannot copy: " + ec.message(), from.string());
        // A read-only original (as in a cache) must not make the copy read-only.
        fs::permissions(temporary, fs::perms::owner_write, fs::perm_options::add, ec);
        return {};
    });
}

} // namespace

namespace {

Result<void> checkJsonText(const std::string& text, const std::string& where) {
    if (const size_t bad = findBadUtf8(text); bad != std::string::npos)
        return Error::corrupt(fmt::format("not UTF-8 at byte {}", bad), where);
    JsonScanner scan(text);
    if (!scan.skipValue(kMaxConfigDepth) || (!scan.atEnd() && !scan.fail("something follows the JSON value")))
        return scan.error(where);
    return {};
}

} // namespace

Result<std::string> readJsonText(const fs::path& path) {
    QS_TRY(std::string text, readTextFile(path, kMaxConfigBytes));
    QS_CHECK(checkJsonText(text, path.string()));
    return text;
}

Result<json> readModelConfig(const fs::path& folder) {
    const fs::path path = folder / "config.json";
    std::error_code ec;
    if (fs::symlink_status(path, ec).type() == fs::file_type::not_found) return json();
    QS_TRY(const std::string text, readTextFile(path, kMaxConfigBytes));
    return parseModelConfig(text, path.string());
}

Result<json> parseModelConfig(const std::string& text, const std::string& where) {
    QS_CHECK(checkJsonText(text, where));
    try {
        json config = json::parse(text);
        if (!config.is_object())
            return Error::corrupt(fmt::format("must be a JSON object, found {}", config.type_name()), where);
        return config;
    } catch (const json::exception& e) {
        return Error::corrupt(e.what(), where);
    }
}

Result<std::vector<std::string>> companionFileNames(const fs::path& folder,
                                                    const std::vector<std::string>& exclude) {
    std::error_code ec;
    std::vector<std::string> names;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
        const std::string name = it->path().filename().string();
        std::error_code each;
        if (!isCompanion(name, exclude) || !fs::is_regular_file(it->path(), each)) continue;
        if (fs::file_size(it->path(), each) <= kMaxCompanionBytes && !each) names.push_back(name);
    }
    if (ec) return Error::io("cannot list the folder: " + ec.message(), folder.string());
    std::sort(names.begin(), names.end());
    return names;
}

Result<std::vector<std::string>> copyCompanionFiles(const fs::path& from, const fs::path& to,
                                                    const std::vector<std::string>& exclude) {
    std::error_code ec;
    if (!fs::is_directory(from, ec)) return Error::notFound("not a folder", from.string());
    if (!fs::is_directory(to, ec)) return Error::notFound("not a folder", to.string());
    if (fs::equivalent(from, to, ec))
        return Error::invalid("source and destination are the same folder", to.string());
    QS_TRY(std::vector<std::string> names, companionFileNames(from, exclude));
    for (const std::string& name : names)
        QS_CHECK(copyFile(from / name, to / name));
    return names;
}

} // namespace qs
