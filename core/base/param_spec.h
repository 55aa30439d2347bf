// SPDX-License-Identifier: Apache-2.0
// ParamSpec: the one description of a parameter from which the GUI form, the CLI flag, the recipe schema and
// the documentation table are made. Params: the values, validated against the specs.
#pragma once

#include "core/base/result.h"

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <variant>
#include <vector>

namespace qs {

enum class ParamType { Bool, Int, Float, Choice };

using ParamValue = std::variant<bool, long long, double, std::string>;

struct ParamSpec {
    std::string key;   ///< snake_case, stored on disk, never renamed
    std::string label; ///< "Damping"
    ParamType type = ParamType::Float;
    ParamValue defaultValue = 0.0;
    double minimum = 0, maximum = 0;  ///< inclusive; for Int and Float
    std::vector<std::string> choices; ///< for Choice; ids, stored on disk
    std::string unit;                 ///< "" when dimensionless
    std::string help;                 ///< one or two sentences: what it does, what is good
    bool advanced = false;            ///< folded away in the form
    std::string visibleWhen = {};     ///< "" or "key=value": shown only then (the value is kept otherwise)

    static ParamSpec boolean(std::string key, std::string label, bool def, std::string help);
    static ParamSpec integer(std::string key, std::string label, long long def, long long lo, long long hi,
                             std::string help, std::string unit = {});
    static ParamSpec real(std::string key, std::string label, double def, double lo, double hi,
                          std::string help, std::string unit = {});
    static ParamSpec choice(std::string key, std::string label, std::string def,
                            std::vector<std::string> choices, std::string help);
    ParamSpec asAdvanced() && {
        advanced = true;
        return std::move(*this);
    }
};

using ParamSpecs = std::vector<ParamSpec>;

/// Values for a list of specs: every key of the list is present, each of the right type and in range.
class Params {
public:
    Params() = default;

    static Params defaults(const ParamSpecs& specs);
    /// Defaults overlaid with `object`. Unknown keys, wrong types and out-of-range values are errors that
    /// name the key, the rule and the value. `where` goes into the error.
    static Result<Params> fromJson(const ParamSpecs& specs, const nlohmann::json& object,
                                   const std::string& where);

    nlohmann::json toJson() const;

    bool boolean(const std::string& key) const;
    long long integer(const std::string& key) const;
    double real(const std::string& key) const;
    const std::string& choice(const std::string& key) const;

    bool has(const std::string& key) const { return values_.count(key) != 0; }
    const std::map<std::string, ParamValue>& values() const { return values_; }
    bool operator==(const Params&) const = default;

private:
    std::map<std::string, ParamValue> values_;
};

/// Checks one JSON value against one spec and converts it.
Result<ParamValue> parseParam(const ParamSpec& spec, const nlohmann::json& value, const std::string& where);
/// The same from text as typed on a command line ("true", "4", "0.01", "absmax").
Result<ParamValue> parseParamText(const ParamSpec& spec, const std::string& text, const std::string& where);
nlohmann::json paramValueToJson(const ParamValue& value);
/// For `list ... --json` and the documentation: key, label, type, default, range, choices, unit, help.
nlohmann::json describeParam(const ParamSpec& spec);

} // namespace qs
