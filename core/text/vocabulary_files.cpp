// SPDX-License-Identifier: Apache-2.0
#include "core/text/vocabulary_files.h"

#include "core/base/file.h"
#include "core/text/bpe.h"
#include "core/text/json_fields.h"
#include "core/text/pipeline.h"
#include "core/text/unicode.h"
#include "core/text/word_models.h"
#include "core/text/word_patterns.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace qs::text {

using nlohmann::json;

namespace {

constexpr size_t kMaxFileBytes = size_t(256) << 20;
constexpr const char* kConfig = "tokenizer_config.json";

Result<json> parseObject(const std::string& text, const std::string& name) {
    json j = json::parse(text.empty() ? "{}" : text, nullptr, false);
    if (!j.is_object()) return Error::corrupt("must hold a JSON object", name);
    return j;
}

Result<json> readObject(const NamedFiles& files, const char* name) {
    if (!files.has(name)) return json::object();
    QS_TRY(const auto text, files.read(name, kMaxFileBytes));
    return parseObject(text, name);
}

// "GPT2" of "GPT2Tokenizer" and "GPT2TokenizerFast".
Result<std::string> tokenizerClass(const json& config) {
    QS_TRY(std::string name, optionalString(config, "tokenizer_class", kConfig));
    for (const std::string_view tail : {"Fast", "Tokenizer"})
        if (name.ends_with(tail)) name.resize(name.size() - tail.size());
    return name;
}

Error unknownClass(const std::string& name, const char* files, const char* known) {
    return Error::unsupported(
        fmt::format("tokenizer_class '{}' with {} is not supported; known: {}", name, files, known), kConfig);
}

// bos_token and the like: a string or an object with "content"; `fallback` when absent.
Result<std::string> tokenName(const json& config, const char* key, const char* fallback) {
    const json* v = member(config, key);
    if (!v || v->is_null()) return std::string(fallback);
    if (v->is_string()) return v->get<std::string>();
    return stringField(*v, "content", fmt::format("{}: {}", kConfig, key));
}

// Entries of "added_tokens": added_tokens_decoder of the config, added_tokens.json, and special tokens by
// name.
Result<json> addedTokens(const NamedFiles& files, const json& config, const Vocabulary& vocabulary,
                         const std::vector<std::string>& special) {
    json list = json::array();
    const auto has = [&](const std::string& content) {
        return std::any_of(list.begin(), list.end(), [&](const json& t) { return t["content"] == content; });
    };
    if (const json* decoder = member(config, "added_tokens_decoder"); decoder && decoder->is_object())
        for (const auto& [id, token] : decoder->items()) {
            if (!token.is_object() || id.empty() || id.size() > 9 ||
                id.find_first_not_of("0123456789") != std::string::npos)
                return Error::corrupt(fmt::format("entry '{}' must be a number: {{...}}", id),
                                      std::string(kConfig) + ": added_tokens_decoder");
            QS_CHECK(stringField(token, "content", kConfig));
            list.push_back(token);
            list.back()["id"] = std::stoi(id);
        }
    QS_TRY(const json more, readObject(files, "added_tokens.json"));
    for (const auto& [content, id] : more.items())
        if (!has(content)) list.push_back({{"id", id}, {"content", content}, {"normalized", false}});
    for (const std::string& content : special)
        if (const int id = vocabulary.find(content); id >= 0 && !has(content))
            list.push_back({{"id", id}, {"content", content}, {"special", true}, {"normalized", false}});
    return list;
}

// merges.txt: "a b" by rank.
Result<std::vector<BpeMerge>> parseMergesFile(const std::string& text) {
    std::vector<BpeMerge> merges;
    size_t number = 0;
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        std::string line = text.substr(begin, end - begin);
        begin = end + 1;
        ++number;
        if (line.ends_with('\r')) line.pop_back();
        if (line.empty() || line.starts_with("#version")) continue;
        const size_t space = line.find(' ');
        if (space == 0 || space == std::string::npos || line.find(' ', space + 1) != std::string::npos ||
            space + 1 == line.size())
            return Error::corrupt(fmt::format("line {} must be two pieces and a space between", number),
                                  "merges.txt");
        merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    }
    return merges;
}

// vocab.txt: a piece per line, its number is the id. Of equal pieces the last is found.
Result<Vocabulary> parseVocabularyLines(const std::string& text) {
    std::vector<std::string> lines;
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        std::string line = text.substr(begin, end - begin);
        begin = end + 1;
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
            line.pop_back();
        if (lines.size() > size_t(kMaxTokenId))
            return Error::corrupt(fmt::format("more than {} pieces", kMaxTokenId), "vocab.txt");
        lines.push_back(std::move(line));
    }
    Vocabulary vocabulary;
    for (size_t i = lines.size(); i-- > 0;) {
        if (!isValidUtf8(lines[i]))
            return Error::corrupt(fmt::format("line {} is not UTF-8", i + 1), "vocab.txt");
        if (lines[i].empty() || vocabulary.find(lines[i]) >= 0)
            QS_CHECK(vocabulary.addHidden(std::move(lines[i]), (long long)i, "vocab.txt"));
        else
            QS_CHECK(vocabulary.add(std::move(lines[i]), (long long)i, "vocab.txt"));
    }
    if (vocabulary.count() == 0) return Error::corrupt("holds no pieces", "vocab.txt");
    return vocabulary;
}

struct SpecialNames {
    const char *before, *after, *unknown; ///< usual names; put around a text when `around`
    bool around = false;
};

// Special tokens by their names in the config or their usual ones, and what goes around a text.
Result<void> addSpecial(const SpecialNames& names, const NamedFiles& files, const json& config,
                        const Vocabulary& vocabulary, json& components, PipelineSetup& setup) {
    const char* beforeKey = names.around ? "cls_token" : "bos_token";
    const char* afterKey = names.around ? "sep_token" : "eos_token";
    QS_TRY(const auto before, tokenName(config, beforeKey, names.before));
    QS_TRY(const auto after, tokenName(config, afterKey, names.after));
    QS_TRY(const auto unknown, tokenName(config, "unk_token", names.unknown));
    QS_TRY(const auto pad, tokenName(config, "pad_token", names.around ? "[PAD]" : ""));
    QS_TRY(const auto mask, tokenName(config, "mask_token", names.around ? "[MASK]" : ""));
    QS_TRY(components["added_tokens"],
           addedTokens(files, config, vocabulary, {before, after, unknown, pad, mask}));
    const SpecialIds ids{vocabulary.find(before), vocabulary.find(after)};
    setup.special = ids;
    if (!names.around) return {};
    if (ids.bos < 0 || ids.eos < 0)
        return Error::corrupt(fmt::format("'{}' is not in the vocabulary", ids.bos < 0 ? before : after),
                              setup.name);
    setup.affixes = Affixes{{ids.bos}, {ids.eos}};
    return {};
}

PipelineSetup setupFor(const char* name, const std::string& content) {
    PipelineSetup setup;
    setup.format = setup.name = name;
    setup.fingerprint = sha256Hex(content);
    return setup;
}

} // namespace

Result<std::shared_ptr<const Tokenizer>> loadBpeVocabulary(const NamedFiles& files,
                                                           const std::string& configText) {
    QS_TRY(const json config, parseObject(configText, kConfig));
    QS_TRY(const std::string name, tokenizerClass(config));
    const auto is = [&](std::initializer_list<const char*> names) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    const bool roberta = is({"Roberta", "Bart", "Longformer", "LED"}), qwen = is({"Qwen2"});
    if (!roberta && !qwen && !is({"", "GPT2", "CodeGen", "PreTrained"}))
        return unknownClass(name, "vocab.json and merges.txt",
                            "GPT2, CodeGen, Roberta, Bart, Longformer, LED, Qwen2");
    QS_TRY(const auto vocabText, files.read("vocab.json", kMaxFileBytes));
    QS_TRY(const auto mergesText, files.read("merges.txt", kMaxFileBytes));
    QS_TRY(const json vocab, parseObject(vocabText, "vocab.json"));
    QS_TRY(auto vocabulary, parseVocabulary({{"vocab", vocab}}, "vocab.json"));
    QS_TRY(const auto merges, parseMergesFile(mergesText));
    QS_TRY(const bool prefixSpace, boolField(config, "add_prefix_space", false, kConfig));

    PipelineSetup setup = setupFor("vocab.json", vocabText + mergesText + configText);
    QS_TRY(setup.config, TokenizerConfig::parse(configText));
    json components = {{"decoder", {{"type", "ByteLevel"}}},
                       {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", prefixSpace}}}};
    if (qwen) {
        components["normalizer"] = {{"type", "NFC"}};
        components["pre_tokenizer"] = json::parse(R"({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {}, "behavior": "Isolated"},
            {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})");
        components["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = kQwen2Pattern;
    }
    const SpecialNames special = roberta ? SpecialNames{"<s>", "</s>", "<unk>", true}
                                         : SpecialNames{"<|endoftext|>", "<|endoftext|>", "<|endoftext|>"};
    QS_CHECK(addSpecial(special, files, config, vocabulary, components, setup));
    QS_TRY(auto model, makeBpe(std::move(vocabulary), merges, {}, "merges.txt"));
    return makePipelineTokenizer(components, std::move(model), setup);
}

Result<std::shared_ptr<const Tokenizer>> loadWordPieceVocabulary(const NamedFiles& files,
                                                                 const std::string& configText) {
    QS_TRY(const json config, parseObject(configText, kConfig));
    QS_TRY(const std::string name, tokenizerClass(config));
    const char* known[] = {"", "Bert", "DistilBert", "Electra", "MobileBert", "PreTrained"};
    if (std::find(std::begin(known), std::end(known), name) == std::end(known))
        return unknownClass(name, "vocab.txt", "Bert, DistilBert, Electra, MobileBert");
    QS_TRY(const auto text, files.read("vocab.txt", kMaxFileBytes));
    QS_TRY(auto vocabulary, parseVocabularyLines(text));
    QS_TRY(const bool lower, boolField(config, "do_lower_case", true, kConfig));
    QS_TRY(const bool accents, boolField(config, "strip_accents", lower, kConfig));
    QS_TRY(const bool chinese, boolField(config, "tokenize_chinese_chars", true, kConfig));

    PipelineSetup setup = setupFor("vocab.txt", text + configText);
    json components = {{"normalizer",
                        {{"type", "BertNormalizer"},
                         {"lowercase", lower},
                         {"strip_accents", accents},
                         {"handle_chinese_chars", chinese}}},
                       {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                       {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}}}};
    QS_CHECK(addSpecial({"[CLS]", "[SEP]", "[UNK]", true}, files, config, vocabulary, components, setup));
    WordPieceOptions options;
    QS_TRY(options.unknown, tokenName(config, "unk_token", "[UNK]"));
    QS_TRY(auto model, makeWordPiece(std::move(vocabulary), std::move(options), "vocab.txt"));
    return makePipelineTokenizer(components, std::move(model), setup);
}

} // namespace qs::text
