// SPDX-License-Identifier: Apache-2.0
// The small files beside a model's weights, by name: those of a folder, or those that a weight file carries.
#pragma once

#include "core/base/result.h"

#include <filesystem>
#include <string>

namespace qs {

/// Immutable and thread-safe.
class NamedFiles {
public:
    virtual ~NamedFiles() = default;
    virtual bool has(const std::string& name) const = 0;
    /// The whole content. NotFound when there is no such file, Unsupported when it is larger than `maxBytes`.
    virtual Result<std::string> read(const std::string& name, size_t maxBytes) const = 0;
};

class FolderFiles final : public NamedFiles {
public:
    explicit FolderFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}
    bool has(const std::string& name) const override;
    Result<std::string> read(const std::string& name, size_t maxBytes) const override;

private:
    std::filesystem::path folder_;
};

} // namespace qs
