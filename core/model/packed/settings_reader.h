// SPDX-License-Identifier: Apache-2.0
// Typed access to one JSON object of a quantization config, in file order, with errors that name the field,
// the rule and the value.
#pragma once

#include "core/base/result.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace qs {

class SettingsReader {
public:
    using Json = nlohmann::ordered_json;

    /// `object` must be an object and outlive the reader. `where` is file and field, for errors.
    SettingsReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

    bool has(const char* key) const { return find(key) != nullptr; } ///< present and not null
    Result<long long> integer(const char* key, long long lo, long long hi) const;
    Result<long long> integerOr(const char* key, long long lo, long long hi, long long fallback) const;
    Result<double> number(const char* key) const; ///< finite
    Result<bool> booleanOr(const char* key, bool fallback) const;
    Result<std::string> textOr(const char* key, const std::string& fallback) const;
    /// Strings of a list; none when absent or null.
    Result<std::vector<std::string>> texts(const char* key) const;
    /// Positive integers up to `most` of a list of exactly `count`.
    Result<std::vector<size_t>> sizes(const char* key, size_t count, size_t most) const;
    /// An object, or nullptr when absent or null.
    Result<const Json*> objectOrNull(const char* key) const;

    const std::string& where() const { return where_; }
    std::string whereIs(const std::string& key) const { return where_ + "." + key; }
    Error wrong(const char* key, const std::string& rule) const;

private:
    const Json* find(const char* key) const;

    const Json& object_;
    std::string where_;
};

} // namespace qs
