// SPDX-License-Identifier: Apache-2.0
#include "core/model/packed/settings_reader.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {
constexpr size_t kMostListed = 1u << 20, kLongestShown = 80;
}

const SettingsReader::Json* SettingsReader::find(const char* key) const {
    const auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
}

Error SettingsReader::wrong(const char* key, const std::string& rule) const {
    const Json* v = find(key);
    std::string value = v ? v->dump() : "nothing";
    if (value.size() > kLongestShown) value = value.substr(0, kLongestShown) + "...";
    return Error::corrupt(fmt::format("{} must be {}, got {}", key, rule, value), where_);
}

Result<long long> SettingsReader::integer(const char* key, long long lo, long long hi) const {
    const Json* v = find(key);
    if (!v || !v->is_number_integer()) return wrong(key, "an integer");
    const bool huge = v->is_number_unsigned() && v->get<uint64_t>() > uint64_t(hi);
    if (huge || v->get<long long>() < lo || v->get<long long>() > hi)
        return wrong(key, fmt::format("{}..{}", lo, hi));
    return v->get<long long>();
}

Result<long long> SettingsReader::integerOr(const char* key, long long lo, long long hi,
                                            long long fallback) const {
    if (!has(key)) return fallback;
    return integer(key, lo, hi);
}

Result<double> SettingsReader::number(const char* key) const {
    const Json* v = find(key);
    if (!v || !v->is_number() || !std::isfinite(v->get<double>())) return wrong(key, "a finite number");
    return v->get<double>();
}

Result<bool> SettingsReader::booleanOr(const char* key, bool fallback) const {
    const Json* v = find(key);
    if (!v) return fallback;
    if (!v->is_boolean()) return wrong(key, "true or false");
    return v->get<bool>();
}

Result<std::string> SettingsReader::textOr(const char* key, const std::string& fallback) const {
    const Json* v = find(key);
    if (!v) return fallback;
    if (!v->is_string()) return wrong(key, "a string");
    return v->get<std::string>();
}

Result<std::vector<std::string>> SettingsReader::texts(const char* key) const {
    std::vector<std::string> out;
    const Json* v = find(key);
    if (!v) return out;
    if (!v->is_array() || v->size() > kMostListed) return wrong(key, "a list of strings");
    for (const Json& e : *v) {
        if (!e.is_string()) return wrong(key, "a list of strings");
        out.push_back(e.get<std::string>());
    }
    return out;
}

Result<std::vector<size_t>> SettingsReader::sizes(const char* key, size_t count, size_t most) const {
    const std::string rule = fmt::format("a list of {} integers from 1 to {}", count, most);
    const Json* v = find(key);
    if (!v || !v->is_array() || v->size() != count) return wrong(key, rule);
    std::vector<size_t> out;
    for (const Json& e : *v) {
        if (!e.is_number_unsigned() || e.get<uint64_t>() < 1 || e.get<uint64_t>() > most)
            return wrong(key, rule);
        out.push_back(size_t(e.get<uint64_t>()));
    }
    return out;
}

Result<const SettingsReader::Json*> SettingsReader::objectOrNull(const char* key) const {
    const Json* v = find(key);
    if (!v) return static_cast<const Json*>(nullptr);
    if (!v->is_object()) return wrong(key, "an object");
    return v;
}

} // namespace qs
