// SPDX-License-Identifier: Apache-2.0
// The smallest valid example of a registry entry. The entry's own test file registers it; the contract tests,
// whose rows are the registry, take it apart:
//   QS_SAMPLE(reader, gguf, [](const fs::path& folder) { ...; return folder / "model.gguf"; })
#pragma once

#include "tests/support/qs_test.h"

#include <map>
#include <string>

namespace qs::test {

/// Fills the empty `folder` and returns what to open: the folder or a file in it.
using SampleWriter = std::function<std::filesystem::path(const std::filesystem::path& folder)>;

inline std::map<std::string, SampleWriter>& samples() {
    static std::map<std::string, SampleWriter> map;
    return map;
}

inline bool registerSample(const std::string& kind, const std::string& id, SampleWriter writer) {
    return samples().emplace(kind + "." + id, std::move(writer)).second;
}

/// Empty when there is none.
inline SampleWriter sampleOf(const std::string& kind, const std::string& id) {
    const auto it = samples().find(kind + "." + id);
    return it == samples().end() ? SampleWriter() : it->second;
}

} // namespace qs::test

#define QS_SAMPLE(kind, id, ...)                                                                             \
    static const bool kind##_##id##_sampled = qs::test::registerSample(#kind, #id, __VA_ARGS__);
