// SPDX-License-Identifier: Apache-2.0
// What lies beside the weights in a Hugging Face folder: config.json, tokenizer files and the rest.
#pragma once

#include "core/base/result.h"

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace qs {

/// The text of a small JSON file, checked before a parser sees it: at most 16 MiB, UTF-8, one value nested at
/// most 64 deep.
Result<std::string> readJsonText(const std::filesystem::path& path);

/// The parsed config.json of `folder`; null when there is none. Errors when it is larger than 16 MiB, not
/// JSON, not an object, or nested more than 64 deep.
Result<nlohmann::json> readModelConfig(const std::filesystem::path& folder);

/// The same from the text of a file that `where` names.
Result<nlohmann::json> parseModelConfig(const std::string& text, const std::string& where);

/// Names of the companion files of a model in `folder` (tokenizer, generation_config.json, chat template,
/// licence, ...), sorted. Left out: names in `exclude`, config.json, weight files and their indexes, hidden
/// files, subfolders, files above 256 MiB.
Result<std::vector<std::string>> companionFileNames(const std::filesystem::path& folder,
                                                    const std::vector<std::string>& exclude = {});

/// Copies them into the existing folder `to`, each through a temporary sibling. The content behind symbolic
/// links is copied (a Hugging Face cache is made of them). Returns the names copied. Error when `from` and
/// `to` are the same folder.
Result<std::vector<std::string>> copyCompanionFiles(const std::filesystem::path& from,
                                                    const std::filesystem::path& to,
                                                    const std::vector<std::string>& exclude = {});

} // namespace qs
