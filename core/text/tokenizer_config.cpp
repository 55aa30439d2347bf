// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer_config.h"

#include "core/text/json_fields.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace qs::text {

using nlohmann::json;

namespace {

constexpr const char* kFile = "tokenizer_config.json";
constexpr std::array kBosNames = {"<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "[BOS]", "[CLS]"};
constexpr std::array kEosNames = {"</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "[EOS]", "[SEP]"};

Result<std::optional<bool>> optionalBool(const json& j, const char* key) {
    if (const json* v = member(j, key); !v || v->is_null()) return std::optional<bool>();
    QS_TRY(const bool value, boolField(j, key, false, kFile));
    return std::optional<bool>(value);
}

Result<std::optional<std::string>> optionalToken(const json& j, const char* key) {
    const json* v = member(j, key);
    if (!v || v->is_null()) return std::optional<std::string>();
    if (v->is_string()) return std::optional(v->get<std::string>());
    QS_TRY(auto content, stringField(*v, "content", fmt::format("{}: {}", kFile, key)));
    return std::optional(std::move(content));
}

int firstKnown(const auto& names, const std::function<int(std::string_view)>& idOf) {
    for (const char* name : names)
        if (const int id = idOf(name); id >= 0) return id;
    return -1;
}

} // namespace

Result<TokenizerConfig> TokenizerConfig::parse(const std::string& text) {
    TokenizerConfig c;
    if (text.empty()) return c;
    const json j = json::parse(text, nullptr, false);
    if (!j.is_object()) return Error::corrupt("is not a JSON object", kFile);
    QS_TRY(c.addBos, optionalBool(j, "add_bos_token"));
    QS_TRY(c.addEos, optionalBool(j, "add_eos_token"));
    QS_TRY(c.bosToken, optionalToken(j, "bos_token"));
    QS_TRY(c.eosToken, optionalToken(j, "eos_token"));
    return c;
}

SpecialIds findSpecialIds(const TokenizerConfig& config, const Affixes& affixes,
                          const std::function<int(std::string_view)>& idOf) {
    SpecialIds ids;
    if (config.bosToken)
        ids.bos = idOf(*config.bosToken);
    else if (affixes.before.size() == 1)
        ids.bos = affixes.before.front();
    else
        ids.bos = firstKnown(kBosNames, idOf);
    if (config.eosToken)
        ids.eos = idOf(*config.eosToken);
    else if (affixes.after.size() == 1)
        ids.eos = affixes.after.front();
    else
        ids.eos = firstKnown(kEosNames, idOf);
    return ids;
}

Result<void> applyConfig(const TokenizerConfig& config, SpecialIds ids, Affixes& affixes) {
    const auto apply = [](std::optional<bool> add, int id, const std::optional<std::string>& token,
                          const char* name, std::vector<int>& list, bool atFront) -> Result<void> {
        if (!add) return {};
        const auto at = std::find(list.begin(), list.end(), id);
        if (!*add) {
            if (at != list.end()) list.erase(at);
            return {};
        }
        if (id < 0)
            return Error::corrupt(
                fmt::format("add_{0}_token is true, but {0}_token {1} is not in the vocabulary", name,
                            token ? "'" + *token + "'" : "(absent)"),
                kFile);
        if (at == list.end()) list.insert(atFront ? list.begin() : list.end(), id);
        return {};
    };
    QS_CHECK(apply(config.addBos, ids.bos, config.bosToken, "bos", affixes.before, true));
    return apply(config.addEos, ids.eos, config.eosToken, "eos", affixes.after, false);
}

} // namespace qs::text
