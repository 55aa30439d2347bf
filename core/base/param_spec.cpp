// SPDX-License-Identifier: Apache-2.0
#include "core/base/param_spec.h"

#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

ParamSpec ParamSpec::boolean(std::string key, std::string label, bool def, std::string help) {
    ParamSpec s;
    s.key = std::move(key);
    s.label = std::move(label);
    s.type = ParamType::Bool;
    s.defaultValue = def;
    s.help = std::move(help);
    return s;
}

ParamSpec ParamSpec::integer(std::string key, std::string label, long long def, long long lo, long long hi,
                             std::string help, std::string unit) {
    ParamSpec s;
    s.key = std::move(key);
    s.label = std::move(label);
    s.type = ParamType::Int;
    s.defaultValue = def;
    s.minimum = double(lo);
    s.maximum = double(hi);
    s.help = std::move(help);
    s.unit = std::move(unit);
    return s;
}

ParamSpec ParamSpec::real(std::string key, std::string label, double def, double lo, double hi,
                          std::string help, std::string unit) {
    ParamSpec s;
    s.key = std::move(key);
    s.label = std::move(label);
    s.type = ParamType::Float;
    s.defaultValue = def;
    s.minimum = lo;
    s.maximum = hi;
    s.help = std::move(help);
    s.unit = std::move(unit);
    return s;
}

ParamSpec ParamSpec::choice(std::string key, std::string label, std::string def,
                            std::vector<std::string> choices, std::string help) {
    ParamSpec s;
    s.key = std::move(key);
    s.label = std::move(label);
    s.type = ParamType::Choice;
    s.defaultValue = std::move(def);
    s.choices = std::move(choices);
    s.help = std::move(help);
    return s;
}

Params Params::defaults(const ParamSpecs& specs) {
    Params p;
    for (const ParamSpec& s : specs)
        p.values_[s.key] = s.defaultValue;
    return p;
}

namespace {

Error outOfRange(const ParamSpec& spec, double v, const std::string& where) {
    return Error::invalid(
        fmt::format("'{}' must be between {} and {}, got {}", spec.key, spec.minimum, spec.maximum, v),
        where);
}

Result<double> inRange(const ParamSpec& spec, double v, const std::string& where) {
    if (!std::isfinite(v) || v < spec.minimum || v > spec.maximum) return outOfRange(spec, v, where);
    return v;
}

Error wrongType(const ParamSpec& spec, const char* wanted, const std::string& got, const std::string& where) {
    return Error::invalid(fmt::format("'{}' must be {}, got {}", spec.key, wanted, got), where);
}

Result<ParamValue> parseChoice(const ParamSpec& spec, const std::string& text, const std::string& where) {
    for (const std::string& c : spec.choices)
        if (c == text) return ParamValue(text);
    std::string all;
    for (const std::string& c : spec.choices)
        all += (all.empty() ? "" : ", ") + c;
    return Error::invalid(fmt::format("'{}' must be one of {}, got '{}'", spec.key, all, text), where);
}

} // namespace

Result<ParamValue> parseParam(const ParamSpec& spec, const json& value, const std::string& where) {
    switch (spec.type) {
    case ParamType::Bool:
        if (!value.is_boolean()) return wrongType(spec, "true or false", value.dump(), where);
        return ParamValue(value.get<bool>());
    case ParamType::Int: {
        if (!value.is_number_integer()) return wrongType(spec, "an integer", value.dump(), where);
        // Above 2^63 - 1 the conversion below would wrap around.
        if (value.is_number_unsigned() &&
            value.get<uint64_t>() > uint64_t(std::numeric_limits<long long>::max()))
            return outOfRange(spec, value.get<double>(), where);
        QS_CHECK(inRange(spec, double(value.get<long long>()), where));
        return ParamValue(value.get<long long>());
    }
    case ParamType::Float: {
        if (!value.is_number()) return wrongType(spec, "a number", value.dump(), where);
        QS_TRY(double v, inRange(spec, value.get<double>(), where));
        return ParamValue(v);
    }
    case ParamType::Choice:
        if (!value.is_string()) return wrongType(spec, "a string", value.dump(), where);
        return parseChoice(spec, value.get<std::string>(), where);
    }
    return Error::internal("unknown parameter type", where);
}

Result<ParamValue> parseParamText(const ParamSpec& spec, const std::string& text, const std::string& where) {
    const char* first = text.data();
    const char* last = first + text.size();
    switch (spec.type) {
    case ParamType::Bool:
        if (text == "true" || text == "1" || text == "yes" || text == "on") return ParamValue(true);
        if (text == "false" || text == "0" || text == "no" || text == "off") return ParamValue(false);
        return wrongType(spec, "true or false", "'" + text + "'", where);
    case ParamType::Int: {
        long long v = 0;
        const auto r = std::from_chars(first, last, v);
        if (r.ec != std::errc() || r.ptr != last)
            return wrongType(spec, "an integer", "'" + text + "'", where);
        QS_CHECK(inRange(spec, double(v), where));
        return ParamValue(v);
    }
    case ParamType::Float: {
        double v = 0;
        const auto r = std::from_chars(first, last, v);
        if (r.ec != std::errc() || r.ptr != last) return wrongType(spec, "a number", "'" + text + "'", where);
        QS_CHECK(inRange(spec, v, where));
        return ParamValue(v);
    }
    case ParamType::Choice:
        return parseChoice(spec, text, where);
    }
    return Error::internal("unknown parameter type", where);
}

Result<Params> Params::fromJson(const ParamSpecs& specs, const json& object, const std::string& where) {
    Params p = defaults(specs);
    if (object.is_null()) return p;
    if (!object.is_object())
        return Error::invalid("parameters must be a JSON object, got " + object.dump(), where);
    for (const auto& [key, value] : object.items()) {
        const ParamSpec* spec = nullptr;
        for (const ParamSpec& s : specs)
            if (s.key == key) spec = &s;
        if (!spec) {
            std::string known;
            for (const ParamSpec& s : specs)
                known += (known.empty() ? "" : ", ") + s.key;
            return Error::invalid(fmt::format("unknown parameter '{}'; known: {}", key, known), where);
        }
        QS_TRY(ParamValue v, parseParam(*spec, value, where));
        p.values_[key] = std::move(v);
    }
    return p;
}

json paramValueToJson(const ParamValue& value) {
    return std::visit([](const auto& v) { return json(v); }, value);
}

json Params::toJson() const {
    json out = json::object();
    for (const auto& [key, value] : values_)
        out[key] = paramValueToJson(value);
    return out;
}

bool Params::boolean(const std::string& key) const {
    return std::get<bool>(values_.at(key));
}
long long Params::integer(const std::string& key) const {
    return std::get<long long>(values_.at(key));
}
double Params::real(const std::string& key) const {
    return std::get<double>(values_.at(key));
}
const std::string& Params::choice(const std::string& key) const {
    return std::get<std::string>(values_.at(key));
}

json describeParam(const ParamSpec& spec) {
    static const char* const names[] = {"bool", "int", "float", "choice"};
    json out = {{"key", spec.key},
                {"label", spec.label},
                {"type", names[int(spec.type)]},
                {"default", paramValueToJson(spec.defaultValue)},
                {"help", spec.help}};
    if (!spec.unit.empty()) out["unit"] = spec.unit;
    if (spec.type == ParamType::Int || spec.type == ParamType::Float) {
        out["minimum"] = spec.minimum;
        out["maximum"] = spec.maximum;
    }
    if (spec.type == ParamType::Choice) out["choices"] = spec.choices;
    return out;
}

} // namespace qs
