// SPDX-License-Identifier: Apache-2.0
// The JSON of a mapping file.
#include "core/base/file.h"
#include "core/checkpoint/h5_mapping.h"
#include "core/checkpoint/json_scanner.h"
#include "core/checkpoint/path_pattern.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr size_t kMaxMappingBytes = size_t(1) << 20, kMaxRules = 256;
constexpr int kMaxDepth = 8;

constexpr std::pair<const char*, H5Role> kRoles[] = {{"weight", H5Role::Weight},
                                                     {"bias", H5Role::Bias},
                                                     {"activation", H5Role::Activation},
                                                     {"tensor", H5Role::Tensor},
                                                     {"ignore", H5Role::Ignore}};

/// Fields of one rule; errors name the rule.
class RuleParser {
public:
    RuleParser(const json& rule, std::string where) : rule_(rule), where_(std::move(where)) {}

    Result<H5MapRule> parse() {
        if (!rule_.is_object()) return error("must be an object");
        for (const auto& [key, value] : rule_.items())
            QS_CHECK(field(key, value));
        if (out_.pattern.empty()) return error("pattern is missing");
        if (!seenRole_) return error("role is missing");
        return std::move(out_);
    }

private:
    Error error(std::string message) const { return Error::invalid(std::move(message), where_); }

    Result<void> field(const std::string& key, const json& value) {
        if (key == "pattern") return pattern(value);
        if (key == "role") return role(value);
        if (key == "flatten") return flatten(value);
        if (key == "module") {
            if (!value.is_string() || value.get_ref<const std::string&>().size() > kMaxPathPattern)
                return error("module must be a string of at most 256 characters");
            out_.module = value.get<std::string>();
            return {};
        }
        if (key != "transpose" && key != "bfloat16")
            return error(
                fmt::format("unknown field '{}'; known: pattern, role, module, transpose, flatten, bfloat16",
                            key.substr(0, 64)));
        if (!value.is_boolean()) return error(key + " must be true or false");
        (key == "transpose" ? out_.transpose : out_.bfloat16) = value.get<bool>();
        return {};
    }

    Result<void> pattern(const json& value) {
        if (!value.is_string()) return error("pattern must be a string");
        std::string text = value.get<std::string>();
        if (!text.starts_with('/')) text = "/" + text;
        if (text.size() > kMaxPathPattern || pathStars(text) > kMaxPathStars)
            return error(fmt::format("pattern must have at most {} characters and {} stars", kMaxPathPattern,
                                     kMaxPathStars));
        out_.pattern = std::move(text);
        return {};
    }

    Result<void> role(const json& value) {
        std::string known;
        for (const auto& [name, role] : kRoles) {
            known += (known.empty() ? "" : ", ") + std::string(name);
            if (value != name) continue;
            out_.role = role;
            seenRole_ = true;
            return {};
        }
        return error("role must be one of " + known);
    }

    Result<void> flatten(const json& value) {
        if (value != "leading" && value != "trailing") return error("flatten must be leading or trailing");
        out_.flatten = value == "leading" ? H5Flatten::Leading : H5Flatten::Trailing;
        return {};
    }

    const json& rule_;
    std::string where_;
    H5MapRule out_;
    bool seenRole_ = false;
};

} // namespace

const char* h5RoleName(H5Role role) {
    for (const auto& [name, value] : kRoles)
        if (value == role) return name;
    return "";
}

Result<H5Mapping> parseH5Mapping(const std::string& text, const std::string& source) {
    if (const size_t bad = findBadUtf8(text); bad != std::string::npos)
        return Error::corrupt(fmt::format("not UTF-8 at byte {}", bad), source);
    JsonScanner scan(text);
    if (!scan.skipValue(kMaxDepth) || (!scan.atEnd() && !scan.fail("something follows the JSON value")))
        return scan.error(source);
    const json parsed = json::parse(text, nullptr, false);
    if (!parsed.is_object() || parsed.size() != 1 || !parsed.contains("rules") || !parsed["rules"].is_array())
        return Error::invalid("a mapping is an object with one field, \"rules\", an array", source);
    const json& rules = parsed["rules"];
    if (rules.size() > kMaxRules)
        return Error::invalid(fmt::format("{} rules, the limit is {}", rules.size(), kMaxRules), source);
    H5Mapping mapping;
    mapping.source = source;
    for (size_t i = 0; i < rules.size(); ++i) {
        QS_TRY(H5MapRule rule, RuleParser(rules[i], fmt::format("{}: rule {}", source, i + 1)).parse());
        mapping.rules.push_back(std::move(rule));
    }
    return mapping;
}

Result<H5Mapping> loadH5Mapping(const fs::path& file) {
    QS_TRY(const std::string text, readTextFile(file, kMaxMappingBytes));
    return parseH5Mapping(text, file.string());
}

Result<H5Mapping> sidecarH5Mapping(const fs::path& h5File) {
    fs::path sidecar = h5File;
    sidecar += ".map.json";
    std::error_code ec;
    if (!fs::exists(sidecar, ec)) return H5Mapping{};
    return loadH5Mapping(sidecar);
}

} // namespace qs
