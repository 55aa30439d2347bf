// SPDX-License-Identifier: Apache-2.0
#include "app/cli/subject.h"

#include "core/base/file.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;

namespace qs::cli {

namespace {
constexpr size_t kLargestReceipt = size_t(256) << 20;
}

Result<Subject> openRun(const fs::path& directory) {
    if (!isRunFolder(directory))
        return Error::invalid("not a run: the folder holds no run.json", directory.string());
    Subject s;
    QS_TRY(s.run, Run::open(directory));
    if (!s.run->complete())
        return Error::invalid(
            fmt::format("the run is not finished ({}); the quantize command that started it resumes it",
                        s.run->statusText()),
            directory.string());
    auto model = openModel(s.run->manifest().modelPath);
    if (!model) return model.takeError().at(directory.string() + ": the model it was made from");
    s.model = *model;
    s.original = modelWeights(*s.model);
    QS_TRY(s.weights, runWeights(s.run, s.model));
    return s;
}

Result<Subject> openSubject(const fs::path& path) {
    if (isRunFolder(path)) return openRun(path);
    Subject s;
    QS_TRY(s.model, openModel(path));
    s.weights = modelWeights(*s.model);
    return s;
}

Result<Subject> openComputable(const fs::path& path) {
    QS_TRY(Subject s, openSubject(path));
    QS_CHECK(s.model->requireForward());
    return s;
}

Result<fs::path> runOfExport(const fs::path& directory) {
    const fs::path file = directory / "receipt.json";
    auto text = readTextFile(file, kLargestReceipt);
    if (!text) {
        if (text.error().code == ErrorCode::NotFound)
            return Error::invalid("not an export of this program: it holds no receipt.json",
                                  directory.string());
        return text.takeError();
    }
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    if (!json.is_object() || !json.contains("run") || !json["run"].is_string())
        return Error::corrupt("field \"run\" must be the run's path; --run names it instead", file.string());
    const fs::path run = json["run"].get<std::string>();
    return run.is_absolute() ? run : (directory / run).lexically_normal();
}

} // namespace qs::cli
