// SPDX-License-Identifier: Apache-2.0
#include "core/text/json_fields.h"

#include "core/text/unicode.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::text {

using nlohmann::json;

std::string shortJson(const json& value) {
    // Big containers are named, not printed: this runs on hostile files.
    if (value.is_structured() && value.size() > 8)
        return fmt::format("{} of {} entries", value.is_array() ? "an array" : "an object", value.size());
    if (value.is_structured()) return value.is_array() ? "an array" : "an object";
    std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
    if (text.size() > 80) {
        size_t cut = 77;
        while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80)
            --cut;
        text = text.substr(0, cut) + "...";
    }
    return text;
}

const json* member(const json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto it = object.find(key);
    return it == object.end() ? nullptr : &*it;
}

namespace {
Error wrong(const char* key, const char* rule, const json* value, const std::string& where) {
    if (!value) return Error::corrupt(fmt::format("'{}' is missing", key), where);
    return Error::corrupt(fmt::format("'{}' must be {}, not {}", key, rule, shortJson(*value)), where);
}
} // namespace

Result<bool> boolField(const json& object, const char* key, bool fallback, const std::string& where) {
    const json* v = member(object, key);
    if (!v || v->is_null()) return fallback;
    if (!v->is_boolean()) return wrong(key, "true or false", v, where);
    return v->get<bool>();
}

Result<std::string> stringField(const json& object, const char* key, const std::string& where) {
    const json* v = member(object, key);
    if (!v || !v->is_string()) return wrong(key, "a string", v, where);
    return v->get<std::string>();
}

Result<std::string> optionalString(const json& object, const char* key, const std::string& where) {
    const json* v = member(object, key);
    if (!v || v->is_null()) return std::string();
    return stringField(object, key, where);
}

Result<std::string> oneCharacter(const json& object, const char* key, const std::string& where) {
    QS_TRY(auto text, stringField(object, key, where));
    if (text.empty() || utf8Length(text, 0) != text.size())
        return Error::corrupt(fmt::format("'{}' must be one character, not '{}'", key, text), where);
    return text;
}

Result<long long> integerField(const json& object, const char* key, long long lo, long long hi,
                               const std::string& where) {
    const json* v = member(object, key);
    const std::string rule = fmt::format("a whole number from {} to {}", lo, hi);
    if (!v || !v->is_number_integer()) return wrong(key, rule.c_str(), v, where);
    if (v->is_number_unsigned() && v->get<uint64_t>() > uint64_t(INT64_MAX))
        return wrong(key, rule.c_str(), v, where);
    const long long n = v->get<long long>();
    if (n < lo || n > hi) return wrong(key, rule.c_str(), v, where);
    return n;
}

Result<const json*> arrayField(const json& object, const char* key, const std::string& where) {
    const json* v = member(object, key);
    if (!v || !v->is_array()) return wrong(key, "an array", v, where);
    return v;
}

Result<std::string> componentType(const json& object, const std::string& where) {
    if (!object.is_object())
        return Error::corrupt(fmt::format("must be an object, not {}", shortJson(object)), where);
    return stringField(object, "type", where);
}

Result<const json*> sequenceField(const json& object, const char* key, int depth, const std::string& where) {
    if (depth >= kMaxNesting)
        return Error::unsupported(fmt::format("sequences nest deeper than {}", kMaxNesting), where);
    QS_TRY(const json* parts, arrayField(object, key, where));
    if (parts->size() > kMaxSequence)
        return Error::unsupported(
            fmt::format("'{}' may have at most {} parts, it has {}", key, kMaxSequence, parts->size()),
            where);
    return parts;
}

} // namespace qs::text
