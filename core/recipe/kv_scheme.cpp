// SPDX-License-Identifier: Apache-2.0
// The KV cache in recipes and plans: its JSON, and the rules on it.
#include "core/recipe/plan_rules.h"

#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

namespace {

struct Preset {
    const char *name, *codec, *params;
};
/// Groups of 32 channels: heads are multiples of 32 nearly always.
constexpr std::array<Preset, 7> kPresets = {
    {{"int8", "int", R"({"bits": 8, "grid": "asymmetric", "group": 32})"},
     {"int4", "int", R"({"bits": 4, "grid": "asymmetric", "group": 32})"},
     {"int3", "int", R"({"bits": 3, "grid": "asymmetric", "group": 32})"},
     {"int2", "int", R"({"bits": 2, "grid": "asymmetric", "group": 32})"},
     {"fp8", "float", R"({"format": "e4m3", "group": -1})"},
     {"q8_0", "ggml", R"({"type": "q8_0"})"},
     {"q4_0", "ggml", R"({"type": "q4_0"})"}}};

std::string nameOf(const InputScheme& format) {
    for (const Preset& p : kPresets)
        if (const auto same = KvScheme::preset(p.name); same && *same->keys == format) return p.name;
    return format.label();
}

Result<bool> flag(const json& value, const std::string& key, const std::string& where) {
    if (!value.is_boolean())
        return Error::invalid(fmt::format("'{}' must be true or false, got {}", key, value.dump()), where);
    return value.get<bool>();
}

} // namespace

std::vector<std::string> KvScheme::presets() {
    std::vector<std::string> names;
    for (const Preset& p : kPresets)
        names.emplace_back(p.name);
    return names;
}

Result<KvScheme> KvScheme::preset(const std::string& name) {
    for (const Preset& p : kPresets)
        if (name == p.name) {
            KvScheme s;
            QS_TRY(s.keys, InputScheme::fromJson(
                               {{"codec", p.codec}, {"codec_params", json::parse(p.params)}}, "kv_cache"));
            s.values = s.keys;
            return s;
        }
    return Error::notFound(
        fmt::format("no format '{}' of the KV cache; known: {}", name, fmt::join(presets(), ", ")));
}

std::string KvScheme::label() const {
    std::string out = keys ? "keys " + nameOf(*keys) : "keys kept";
    if (keys && keysPerChannel) out += " per channel";
    if (keys && keysBeforeRope) out += " before rotation";
    out += values ? ", values " + nameOf(*values) : ", values kept";
    if (exactTokens > 0) out += fmt::format(", first {} tokens kept", exactTokens);
    return out;
}

Result<KvScheme> KvScheme::fromJson(const json& object, const std::string& where) {
    if (!object.is_object()) return Error::invalid("must be an object, got " + object.dump(), where);
    KvScheme s;
    for (const auto& [key, value] : object.items()) {
        if (key == "keys" || key == "values") {
            QS_TRY((key == "keys" ? s.keys : s.values), InputScheme::fromJson(value, where + "." + key));
        } else if (key == "keys_per_channel") {
            QS_TRY(s.keysPerChannel, flag(value, key, where));
        } else if (key == "keys_before_rope") {
            QS_TRY(s.keysBeforeRope, flag(value, key, where));
        } else if (key == "exact_tokens") {
            if (!value.is_number_unsigned() || value.get<uint64_t>() > kMostExactTokens)
                return Error::invalid(
                    fmt::format("'exact_tokens' must be 0 .. {}, got {}", kMostExactTokens, value.dump()),
                    where);
            s.exactTokens = value.get<size_t>();
        } else {
            return Error::invalid(fmt::format("unknown key '{}'; known: keys, values, keys_per_channel, "
                                              "keys_before_rope, exact_tokens",
                                              key),
                                  where);
        }
    }
    if (!s.keys && !s.values) return Error::invalid("has neither keys nor values", where);
    return s;
}

json KvScheme::toJson() const {
    json out = json::object();
    if (keys) out["keys"] = keys->toJson();
    if (values) out["values"] = values->toJson();
    if (keysPerChannel) out["keys_per_channel"] = true;
    if (keysBeforeRope) out["keys_before_rope"] = true;
    if (exactTokens > 0) out["exact_tokens"] = exactTokens;
    return out;
}

Result<std::shared_ptr<const KvRounder>> kvRounder(const std::optional<KvScheme>& scheme) {
    if (!scheme) return std::shared_ptr<const KvRounder>();
    KvRounder r;
    QS_TRY(r.keys, rounderOf(scheme->keys));
    QS_TRY(r.values, rounderOf(scheme->values));
    r.keysPerChannel = scheme->keysPerChannel;
    r.beforeRotation = scheme->keysBeforeRope;
    r.exactTokens = scheme->exactTokens;
    return std::make_shared<const KvRounder>(std::move(r));
}

std::optional<LintIssue> ruleOnKvCache(const std::optional<KvScheme>& scheme, const Model& model) {
    if (!scheme) return std::nullopt;
    const auto refuse = [](std::string message) {
        return LintIssue{Severity::Error, "kv-cache", "", std::move(message)};
    };
    if (!model.hasForward())
        return refuse("The KV cache cannot be rounded: " + model.noForwardReason() + ".");
    const auto rounder = kvRounder(scheme);
    if (!rounder) return refuse("The format of the KV cache: " + rounder.error().describe());
    for (const BlockSpec& b : model.spec().blocks) {
        const size_t cols = b.attention.k.out;
        for (const auto& [part, row] :
             {std::pair((*rounder)->keys, scheme->keysPerChannel ? KvRounder::kRun : cols),
              std::pair((*rounder)->values, cols)})
            if (part)
                if (const auto layout = part->codec().layout(1, row); !layout)
                    return refuse("The format of the KV cache does not fit: " + layout.error().message + ".");
    }
    return std::nullopt;
}

std::optional<LintIssue> ruleOnStoredCache(const Model& model) {
    const json& config = model.checkpoint().config();
    for (const char* key : {"quantization_config", "compression_config"}) {
        if (!config.is_object() || !config.contains(key) || !config.at(key).is_object()) continue;
        const json& settings = config.at(key);
        const auto scheme = settings.find("kv_cache_scheme");
        if (scheme == settings.end() || scheme->is_null()) continue;
        return LintIssue{
            Severity::Warning, "stored-kv-cache", "",
            fmt::format("{}.kv_cache_scheme of the checkpoint asks for a rounded KV cache ({}). It "
                        "is kept as computed here: perplexity is that of exact keys and values.",
                        key, scheme->dump())};
    }
    return std::nullopt;
}

} // namespace qs
