// SPDX-License-Identifier: Apache-2.0
// --kv and the flags that go with it: how the KV cache is rounded.
#pragma once

#include "core/recipe/kv_scheme.h"

#include <CLI/CLI.hpp>

namespace qs::cli {

class KvFlags {
public:
    void declare(CLI::App& app, const std::string& group);
    /// After parsing; none without --kv. Usage errors name the flag.
    std::optional<KvScheme> scheme() const;
    const CLI::Option* option() const { return kv_; }

private:
    std::string format_;
    KvScheme flags_; ///< everything but the formats
    size_t codebookBits_ = 0, window_ = 0;
    CLI::Option* kv_ = nullptr;
    CLI::Option* codebook_ = nullptr;
    CLI::Option* windowed_ = nullptr;
};

} // namespace qs::cli
