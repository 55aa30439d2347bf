// SPDX-License-Identifier: Apache-2.0
#include "core/model/config_reader.h"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

constexpr uint64_t kMostIndex = uint64_t(1) << 30;

/// An integer from 0; nothing for any other value.
std::optional<uint64_t> countOf(const nlohmann::json& value) {
    if (value.is_number_unsigned()) return value.get<uint64_t>();
    if (value.is_number_integer() && value.get<int64_t>() >= 0) return uint64_t(value.get<int64_t>());
    return std::nullopt;
}

} // namespace

const nlohmann::json* ConfigReader::find(const std::string& key) const {
    const auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
}

Error ConfigReader::wrong(const std::string& key, const std::string& rule) const {
    const nlohmann::json* v = find(key);
    std::string value = v ? v->dump() : "nothing";
    if (value.size() > 80) value = value.substr(0, 80) + "...";
    return Error::corrupt(fmt::format("'{}' must be {}, got {}", key, rule, value), where_);
}

bool ConfigReader::has(const std::string& key) const {
    return find(key) != nullptr;
}

Result<size_t> ConfigReader::size(const std::string& key, size_t most) const {
    const nlohmann::json* v = find(key);
    const std::string rule = fmt::format("an integer from 1 to {}", most);
    const auto n = v ? countOf(*v) : std::nullopt;
    if (!n || *n < 1 || *n > most) return wrong(key, rule);
    return size_t(*n);
}

Result<size_t> ConfigReader::sizeOr(const std::string& key, size_t most, size_t fallback) const {
    if (!has(key)) return fallback;
    return size(key, most);
}

Result<double> ConfigReader::numberOr(const std::string& key, double fallback) const {
    const nlohmann::json* v = find(key);
    if (!v) return fallback;
    if (!v->is_number() || !std::isfinite(v->get<double>())) return wrong(key, "a finite number");
    return v->get<double>();
}

Result<double> ConfigReader::positiveOr(const std::string& key, double most, double fallback) const {
    const nlohmann::json* v = find(key);
    if (!v) return fallback;
    if (!v->is_number() || !(v->get<double>() > 0) || v->get<double>() > most)
        return wrong(key, fmt::format("a number above 0 and up to {}", most));
    return v->get<double>();
}

Result<bool> ConfigReader::booleanOr(const std::string& key, bool fallback) const {
    const nlohmann::json* v = find(key);
    if (!v) return fallback;
    if (!v->is_boolean()) return wrong(key, "true or false");
    return v->get<bool>();
}

Result<std::string> ConfigReader::textOr(const std::string& key, const std::string& fallback) const {
    const nlohmann::json* v = find(key);
    if (!v) return fallback;
    if (!v->is_string()) return wrong(key, "a string");
    return v->get<std::string>();
}

Result<std::vector<double>> ConfigReader::numbers(const std::string& key, size_t count) const {
    const nlohmann::json* v = find(key);
    const std::string rule = fmt::format("a list of {} finite numbers", count);
    if (!v || !v->is_array() || v->size() != count) return wrong(key, rule);
    std::vector<double> out;
    for (const nlohmann::json& e : *v) {
        if (!e.is_number() || !std::isfinite(e.get<double>())) return wrong(key, rule);
        out.push_back(e.get<double>());
    }
    return out;
}

Result<std::vector<std::string>> ConfigReader::textsOr(const std::string& key) const {
    const nlohmann::json* v = find(key);
    std::vector<std::string> out;
    if (!v) return out;
    if (!v->is_array()) return wrong(key, "a list of strings");
    for (const nlohmann::json& e : *v) {
        if (!e.is_string()) return wrong(key, "a list of strings");
        out.push_back(e.get<std::string>());
    }
    return out;
}

Result<std::vector<size_t>> ConfigReader::indicesOr(const std::string& key) const {
    const nlohmann::json* v = find(key);
    std::vector<size_t> out;
    if (!v) return out;
    if (!v->is_array()) return wrong(key, "a list of integers from 0 to 2^30");
    for (const nlohmann::json& e : *v) {
        const auto n = countOf(e);
        if (!n || *n > kMostIndex) return wrong(key, "a list of integers from 0 to 2^30");
        out.push_back(size_t(*n));
    }
    return out;
}

Result<size_t> ConfigReader::countOr(const std::string& key, size_t most, size_t fallback) const {
    const nlohmann::json* v = find(key);
    if (!v) return fallback;
    const auto n = countOf(*v);
    if (!n || *n > most) return wrong(key, fmt::format("an integer from 0 to {}", most));
    return size_t(*n);
}

Result<void> ConfigReader::require(const std::string& key, const nlohmann::json& only) const {
    const nlohmann::json* v = find(key);
    if (!v || *v == only) return {};
    return Error::unsupported(
        fmt::format("'{}' must be {}, got {}", key, only.dump(), v->dump().substr(0, 80)), where_);
}

Result<const nlohmann::json*> ConfigReader::objectOrNull(const std::string& key) const {
    const nlohmann::json* v = find(key);
    if (!v) return static_cast<const nlohmann::json*>(nullptr);
    if (!v->is_object()) return wrong(key, "an object");
    return v;
}

} // namespace qs
