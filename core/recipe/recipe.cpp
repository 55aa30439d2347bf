// SPDX-License-Identifier: Apache-2.0
#include "core/recipe/recipe.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

namespace {
constexpr int kRecipeVersion = 1;
}

// Iterative, with one remembered star: linear in practice, no recursion on hostile patterns.
bool globMatches(const std::string& pattern, const std::string& text) {
    size_t p = 0, t = 0, star = std::string::npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p;
            ++t;
        } else if (star != std::string::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*')
        ++p;
    return p == pattern.size();
}

Result<ModelSettings> ModelSettings::fromJson(const json& object, const std::string& where) {
    ModelSettings s;
    if (object.contains("transforms")) {
        QS_TRY(s.transforms, transformsFromJson(object.at("transforms"), where + ": transforms"));
    }
    if (object.contains("kv_cache")) {
        QS_TRY(s.kvCache, KvScheme::fromJson(object.at("kv_cache"), where + ": kv_cache"));
    }
    if (object.contains("probabilities")) {
        QS_TRY(s.probabilities, InputScheme::fromJson(object.at("probabilities"), where + ": probabilities"));
    }
    if (object.contains("token_weights")) {
        const json& weights = object.at("token_weights");
        const bool known = weights.is_object() && weights.size() == 1 && weights.contains("least") &&
                           weights.at("least").is_number();
        const double least = known ? weights.at("least").get<double>() : -1;
        if (!(least >= 0 && least <= 1))
            return Error::invalid("must be {\"least\": a number from 0 to 1}, got " + weights.dump(),
                                  where + ": token_weights");
        s.tokenWeights = TokenWeights{least};
    }
    return s;
}

bool ModelSettings::needCalibration() const {
    return !transforms.empty() || (kvCache && kvCache->needsCalibration()) ||
           (probabilities && probabilities->isSearched());
}

void ModelSettings::addTo(json& object) const {
    if (!transforms.empty()) object["transforms"] = transformsToJson(transforms);
    if (kvCache) object["kv_cache"] = kvCache->toJson();
    if (probabilities) object["probabilities"] = probabilities->toJson();
    if (tokenWeights) object["token_weights"] = {{"least", tokenWeights->least}};
}

Recipe Recipe::uniform(const Scheme& scheme, uint64_t seed) {
    Recipe r;
    r.name = "uniform";
    r.rules.push_back({"*", scheme});
    r.seed = seed;
    return r;
}

namespace {

Result<Rule> ruleFromJson(const json& object, const std::string& where) {
    if (!object.is_object()) return Error::invalid("a rule must be an object, got " + object.dump(), where);
    for (const auto& [key, value] : object.items())
        if (key != "match" && key != "scheme")
            return Error::invalid(fmt::format("unknown key '{}'; known: match, scheme", key), where);
    Rule rule;
    if (!object.contains("match") || !object.at("match").is_string() ||
        object.at("match").get<std::string>().empty())
        return Error::invalid("'match' must be a pattern such as \"layers.*.mlp.down_proj\"", where);
    rule.match = object.at("match").get<std::string>();
    if (!object.contains("scheme"))
        return Error::invalid("'scheme' is missing; write null to keep the matching tensors as they are",
                              where);
    if (!object.at("scheme").is_null()) {
        QS_TRY(rule.scheme, Scheme::fromJson(object.at("scheme"), where + ".scheme"));
    }
    return rule;
}

} // namespace

Result<Recipe> Recipe::fromJson(const json& object, const std::string& where) {
    if (!object.is_object()) return Error::invalid("a recipe must be a JSON object", where);
    for (const auto& [key, value] : object.items())
        if (key != "version" && key != "name" && key != "seed" && key != "rules" && key != "transforms" &&
            key != "kv_cache" && key != "probabilities" && key != "token_weights")
            return Error::invalid(fmt::format("unknown key '{}'; known: version, name, seed, transforms, "
                                              "kv_cache, probabilities, token_weights, rules",
                                              key),
                                  where);
    if (!object.contains("version") || object.at("version") != kRecipeVersion)
        return Error::unsupported(fmt::format("'version' must be {}", kRecipeVersion), where);
    Recipe r;
    if (object.contains("name")) {
        if (!object.at("name").is_string()) return Error::invalid("'name' must be a string", where);
        r.name = object.at("name").get<std::string>();
    }
    if (object.contains("seed")) {
        const json& seed = object.at("seed");
        if (!seed.is_number_integer() || (!seed.is_number_unsigned() && seed.get<int64_t>() < 0))
            return Error::invalid("'seed' must be an integer of 0 or more", where);
        r.seed = seed.get<uint64_t>();
    }
    QS_TRY(static_cast<ModelSettings&>(r), ModelSettings::fromJson(object, where));
    if (!object.contains("rules") || !object.at("rules").is_array())
        return Error::invalid("'rules' must be an array", where);
    for (size_t i = 0; i < object.at("rules").size(); ++i) {
        QS_TRY(Rule rule, ruleFromJson(object.at("rules")[i], fmt::format("{}: rules[{}]", where, i)));
        r.rules.push_back(std::move(rule));
    }
    return r;
}

Result<Recipe> Recipe::load(const std::filesystem::path& file) {
    QS_TRY(std::string text, readTextFile(file, size_t(16) << 20));
    const json parsed = json::parse(text, nullptr, false, true);
    if (parsed.is_discarded()) return Error::corrupt("not valid JSON", file.string());
    return fromJson(parsed, file.string());
}

json Recipe::toJson() const {
    json out = {{"version", kRecipeVersion}, {"name", name}, {"seed", seed}, {"rules", json::array()}};
    addTo(out);
    for (const Rule& r : rules)
        out["rules"].push_back({{"match", r.match}, {"scheme", r.scheme ? r.scheme->toJson() : json()}});
    return out;
}

Result<void> Recipe::save(const std::filesystem::path& file) const {
    return writeFileAtomically(file, toJson().dump(2) + "\n");
}

} // namespace qs
