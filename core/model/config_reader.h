// SPDX-License-Identifier: Apache-2.0
// Typed access to config.json with errors that name the field and the value.
#pragma once

#include "core/base/result.h"

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace qs {

class ConfigReader {
public:
    /// Both must outlive the reader. `where` is the file's name.
    ConfigReader(const nlohmann::json& object, std::string where)
        : object_(object), where_(std::move(where)) {}

    bool has(const std::string& key) const; ///< present and not null
    /// A positive integer up to `most`.
    Result<size_t> size(const std::string& key, size_t most) const;
    Result<size_t> sizeOr(const std::string& key, size_t most, size_t fallback) const;
    Result<double> numberOr(const std::string& key, double fallback) const;
    /// A number above 0, up to `most`.
    Result<double> positiveOr(const std::string& key, double most, double fallback) const;
    Result<bool> booleanOr(const std::string& key, bool fallback) const;
    Result<std::string> textOr(const std::string& key, const std::string& fallback) const;
    /// A list of exactly `count` finite numbers.
    Result<std::vector<double>> numbers(const std::string& key, size_t count) const;
    /// A list of strings; empty when absent or null.
    Result<std::vector<std::string>> textsOr(const std::string& key) const;
    /// A list of integers from 0 to 2^30; empty when absent or null.
    Result<std::vector<size_t>> indicesOr(const std::string& key) const;
    /// An integer from 0 up to `most`.
    Result<size_t> countOr(const std::string& key, size_t most, size_t fallback) const;
    /// Unsupported, naming the field, when it is there with another value than `only`.
    Result<void> require(const std::string& key, const nlohmann::json& only) const;
    /// An object, or nullptr when absent or null.
    Result<const nlohmann::json*> objectOrNull(const std::string& key) const;
    const std::string& where() const { return where_; }

    const nlohmann::json& object() const { return object_; }

private:
    const nlohmann::json* find(const std::string& key) const;
    Error wrong(const std::string& key, const std::string& rule) const;

    const nlohmann::json& object_;
    std::string where_;
};

} // namespace qs
