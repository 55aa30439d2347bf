// SPDX-License-Identifier: Apache-2.0
#include "core/base/file.h"
#include "core/text/bpe.h"
#include "core/text/gguf_splitters.h"
#include "core/text/gguf_vocabulary.h"
#include "core/text/pipeline.h"
#include "core/text/sentencepiece_tokenizer.h"
#include "core/text/unicode.h"
#include "core/text/word_cache.h"
#include "core/text/word_models.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace qs::text {

using nlohmann::json;

namespace {

constexpr const char* kWhere = "tokenizer.ggml";

std::string key(const char* name) {
    return fmt::format("{}.{}", kWhere, name);
}

Result<void> checkCounts(const GgufVocabulary& v) {
    if (v.tokens.empty()) return Error::corrupt("holds no tokens", key("tokens"));
    if (v.tokens.size() > size_t(kMaxTokenId) + 1)
        return Error::corrupt(fmt::format("more than {} tokens", kMaxTokenId + 1), key("tokens"));
    const auto check = [&](size_t n, const char* name) -> Result<void> {
        if (n == 0 || n == v.tokens.size()) return {};
        return Error::corrupt(fmt::format("{} entries for {} tokens", n, v.tokens.size()), key(name));
    };
    QS_CHECK(check(v.scores.size(), "scores"));
    return check(v.types.size(), "token_type");
}

Result<void> checkIds(const GgufVocabulary& v) {
    const std::pair<const char*, int> ids[] = {{"bos_token_id", v.bos},     {"eos_token_id", v.eos},
                                               {"unknown_token_id", v.unk}, {"seperator_token_id", v.sep},
                                               {"padding_token_id", v.pad}, {"cls_token_id", v.cls},
                                               {"mask_token_id", v.mask}};
    for (const auto& [name, id] : ids)
        if (id < -1 || id >= int(v.tokens.size()))
            return Error::corrupt(fmt::format("id {} of a vocabulary of {}", id, v.tokens.size()), key(name));
    return {};
}

Result<void> checkTokens(const GgufVocabulary& v) {
    for (size_t i = 0; i < v.tokens.size(); ++i) {
        const std::string& t = v.tokens[i];
        if (t.size() > kMaxPieceBytes || !isValidUtf8(t))
            return Error::corrupt(
                fmt::format("token {} must be at most {} bytes of UTF-8", i, kMaxPieceBytes), key("tokens"));
        if (i < v.scores.size() && !std::isfinite(v.scores[i]))
            return Error::corrupt(fmt::format("the score of token {} is not a finite number", i),
                                  key("scores"));
        if (i < v.types.size() && (v.types[i] < 1 || v.types[i] > 6))
            return Error::corrupt(fmt::format("the type of token {} must be 1 to 6, not {}", i, v.types[i]),
                                  key("token_type"));
    }
    return {};
}

std::string fingerprintOf(const GgufVocabulary& v) {
    Sha256 sha;
    const auto bytes = [&](const auto& list) { sha.update(std::as_bytes(std::span(list))); };
    const auto text = [&](const std::string& s) {
        sha.update(s);
        sha.update(std::string(1, '\0'));
    };
    text(v.model);
    text(v.pre);
    for (const auto* list : {&v.tokens, &v.merges})
        for (const auto& s : *list)
            text(s);
    bytes(v.scores);
    bytes(v.types);
    bytes(v.precompiledCharsmap);
    const auto flag = [](const std::optional<bool>& b) { return b ? int(*b) : -1; };
    const int rest[] = {v.bos,
                        v.eos,
                        v.unk,
                        v.sep,
                        v.pad,
                        v.cls,
                        v.mask,
                        flag(v.addBos),
                        flag(v.addEos),
                        flag(v.addSpacePrefix),
                        flag(v.removeExtraWhitespaces)};
    bytes(rest);
    return sha.hex();
}

// BOS and EOS around a text. `addBos`, `addEos`: what holds when the file does not say.
Result<Affixes> affixesOf(const GgufVocabulary& v, bool addBos, bool addEos) {
    Affixes a;
    const auto apply = [](std::optional<bool> asked, bool standard, int id, const char* name,
                          std::vector<int>& list) -> Result<void> {
        if (!asked.value_or(standard && id >= 0)) return {};
        if (id < 0)
            return Error::corrupt(fmt::format("add_{0}_token is true, but {0}_token_id is not set", name),
                                  kWhere);
        list.push_back(id);
        return {};
    };
    QS_CHECK(apply(v.addBos, addBos, v.bos, "bos", a.before));
    QS_CHECK(apply(v.addEos, addEos, v.eos, "eos", a.after));
    return a;
}

PieceType typeOf(const GgufVocabulary& v, size_t id) {
    return id < v.types.size() ? PieceType(v.types[id]) : PieceType::Normal;
}

// Scores and types as SentencePiece has them.
SentencePieceProto protoOf(const GgufVocabulary& v) {
    SentencePieceProto proto;
    proto.pieces.reserve(v.tokens.size());
    bool hasBytes = false;
    for (size_t i = 0; i < v.tokens.size(); ++i) {
        const PieceType type = v.tokens[i].empty() ? PieceType::Unused : typeOf(v, i);
        // Padding may be empty; pieces need names.
        std::string text = v.tokens[i].empty() ? fmt::format("[EMPTY_{}]", i) : v.tokens[i];
        proto.pieces.push_back({std::move(text), i < v.scores.size() ? v.scores[i] : 0.0f, type});
        hasBytes = hasBytes || type == PieceType::Byte;
    }
    proto.byteFallback = hasBytes;
    proto.removeExtraWhitespaces = v.removeExtraWhitespaces.value_or(false);
    proto.addDummyPrefix = v.addSpacePrefix.value_or(true);
    proto.charsmap.assign(reinterpret_cast<const char*>(v.precompiledCharsmap.data()),
                          v.precompiledCharsmap.size());
    return proto;
}

// The unknown piece by its id where the types do not mark one.
void markUnknown(SentencePieceProto& proto, int id) {
    for (const auto& p : proto.pieces)
        if (p.type == PieceType::Unknown) return;
    if (id >= 0 && size_t(id) < proto.pieces.size()) proto.pieces[size_t(id)].type = PieceType::Unknown;
}

Result<std::shared_ptr<const Tokenizer>> makeLlama(const GgufVocabulary& v) {
    SentencePieceProto proto = protoOf(v);
    proto.kind = SentencePieceKind::Bpe;
    markUnknown(proto, v.unk >= 0 ? v.unk : 0);
    SentencePieceSetup setup{"GGUF", v.fingerprint, {v.bos, v.eos}, {}};
    QS_TRY(setup.affixes, affixesOf(v, true, false));
    return makeSentencePieceTokenizer(std::move(proto), std::move(setup), key("tokens"));
}

Result<std::shared_ptr<const Tokenizer>> makeT5(const GgufVocabulary& v) {
    SentencePieceProto proto = protoOf(v);
    proto.kind = SentencePieceKind::Unigram;
    proto.addDummyPrefix = v.addSpacePrefix.value_or(false);
    markUnknown(proto, v.unk >= 0 ? v.unk : 2);
    SentencePieceSetup setup{"GGUF", v.fingerprint, {v.bos, v.eos}, {}};
    QS_TRY(setup.affixes, affixesOf(v, false, true));
    return makeSentencePieceTokenizer(std::move(proto), std::move(setup), key("tokens"));
}

json addedToken(const GgufVocabulary& v, size_t id, bool special) {
    return {{"id", id}, {"content", v.tokens[id]}, {"special", special}, {"normalized", false}};
}

// "a b"; the left part may begin with a space itself.
Result<std::vector<BpeMerge>> mergesOf(const GgufVocabulary& v) {
    std::vector<BpeMerge> merges;
    merges.reserve(v.merges.size());
    for (const std::string& line : v.merges) {
        const size_t space = line.find(' ', 1);
        if (space == std::string::npos || space + 1 == line.size())
            return Error::corrupt(fmt::format("merge {} is '{}', not two parts", merges.size(), line),
                                  key("merges"));
        merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    }
    return merges;
}

json splitterJson(const GgufSplitter& splitter, bool prefixSpace) {
    json parts = json::array();
    if (prefixSpace) { // where the text begins, before it is cut
        const json space = {
            {"type", "Metaspace"}, {"replacement", " "}, {"prepend_scheme", "first"}, {"split", false}};
        parts.push_back(space);
    }
    for (const char* pattern : splitter.patterns) {
        const json cut = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}};
        parts.push_back(cut);
    }
    const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
    parts.push_back(bytes);
    return {{"type", "Sequence"}, {"pretokenizers", std::move(parts)}};
}

PipelineSetup pipelineSetup(const GgufVocabulary& v) {
    PipelineSetup setup;
    setup.format = "GGUF";
    setup.name = kWhere;
    setup.fingerprint = v.fingerprint;
    return setup;
}

// Byte-level BPE. Control and user-defined tokens are found in the text as they are written; unused ones
// never.
Result<std::shared_ptr<const Tokenizer>> makeGpt2(const GgufVocabulary& v) {
    QS_TRY(const GgufSplitter* splitter, findGgufSplitter(v.pre));
    if (v.merges.empty()) return Error::corrupt("holds no merges", key("merges"));
    Vocabulary vocabulary;
    json added = json::array();
    for (size_t i = 0; i < v.tokens.size(); ++i) {
        const PieceType type = typeOf(v, i);
        if (type == PieceType::Unused || v.tokens[i].empty())
            QS_CHECK(vocabulary.addHidden(v.tokens[i], (long long)i, key("tokens")));
        else if (type == PieceType::Control || type == PieceType::UserDefined)
            added.push_back(addedToken(v, i, type == PieceType::Control));
        else
            QS_CHECK(vocabulary.add(v.tokens[i], (long long)i, key("tokens")));
    }
    BpeOptions options;
    options.ignoreMerges = splitter->ignoreMerges;
    QS_TRY(const auto merges, mergesOf(v));
    QS_TRY(auto model, makeBpe(std::move(vocabulary), merges, std::move(options), kWhere));
    json components = {{"added_tokens", std::move(added)},
                       {"pre_tokenizer", splitterJson(*splitter, v.addSpacePrefix.value_or(false))},
                       {"decoder", {{"type", "ByteLevel"}}}};
    if (splitter->nfc) components["normalizer"] = {{"type", "NFC"}};
    PipelineSetup setup = pipelineSetup(v);
    setup.special = SpecialIds{v.bos, v.eos};
    QS_TRY(setup.affixes, affixesOf(v, splitter->addBos, false));
    return makePipelineTokenizer(components, std::move(model), setup);
}

// The converter writes a piece that begins a word with "▁" in front and one that continues it bare, instead
// of BERT's own spelling; names in brackets stay.
std::string bertSpelling(const std::string& token, bool marked) {
    if (!marked || (token.starts_with('[') && token.ends_with(']'))) return token;
    return token.starts_with(kWordMark) ? token.substr(kWordMark.size()) : "##" + token;
}

// A vocabulary with upper-case letters was made for cased text.
bool hasUpperCase(const std::string& piece) {
    std::string lower;
    for (size_t i = 0; i < piece.size();) {
        const Decoded d = decodeUtf8(piece, i);
        appendLowercase(lower, d.value);
        i += d.length;
    }
    return lower != piece;
}

Result<std::shared_ptr<const Tokenizer>> makeBert(const GgufVocabulary& v) {
    const bool marked = std::any_of(v.tokens.begin(), v.tokens.end(),
                                    [](const std::string& t) { return t.starts_with(kWordMark); });
    Vocabulary vocabulary;
    json added = json::array();
    bool cased = false;
    for (size_t i = 0; i < v.tokens.size(); ++i) {
        const std::string spelling = bertSpelling(v.tokens[i], marked);
        const PieceType type = typeOf(v, i);
        const bool bracketed = spelling.starts_with('[') && spelling.ends_with(']');
        if (type == PieceType::Control || type == PieceType::UserDefined)
            added.push_back(addedToken(v, i, type == PieceType::Control));
        if (type == PieceType::Unused || spelling.empty())
            QS_CHECK(vocabulary.addHidden(spelling, (long long)i, key("tokens")));
        else
            QS_CHECK(vocabulary.add(spelling, (long long)i, key("tokens")));
        cased = cased || (type == PieceType::Normal && !bracketed && hasUpperCase(spelling));
    }
    const auto idOr = [&](int id, const char* name) { return id >= 0 ? id : vocabulary.find(name); };
    const int cls = idOr(v.cls >= 0 ? v.cls : v.bos, "[CLS]"),
              sep = idOr(v.sep >= 0 ? v.sep : v.eos, "[SEP]");
    WordPieceOptions options;
    if (v.unk >= 0) options.unknown = bertSpelling(v.tokens[size_t(v.unk)], marked);
    QS_TRY(auto model, makeWordPiece(std::move(vocabulary), std::move(options), kWhere));
    PipelineSetup setup = pipelineSetup(v);
    setup.special = SpecialIds{cls, sep};
    setup.affixes = Affixes{};
    if (v.addBos.value_or(true) && cls >= 0) setup.affixes->before = {cls};
    if (v.addEos.value_or(true) && sep >= 0) setup.affixes->after = {sep};
    return makePipelineTokenizer({{"added_tokens", std::move(added)},
                                  {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", !cased}}},
                                  {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                                  {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}}}},
                                 std::move(model), setup);
}

} // namespace

Result<std::shared_ptr<const Tokenizer>> tokenizerFromGguf(GgufVocabulary v) {
    QS_CHECK(checkCounts(v));
    QS_CHECK(checkIds(v));
    QS_CHECK(checkTokens(v));
    if (v.fingerprint.empty()) v.fingerprint = fingerprintOf(v);
    if (v.model == "llama") return makeLlama(v);
    if (v.model == "gpt2") return makeGpt2(v);
    if (v.model == "bert") return makeBert(v);
    if (v.model == "t5") return makeT5(v);
    return Error::unsupported(fmt::format("'{}' is not supported; known: llama, gpt2, bert, t5", v.model),
                              key("model"));
}

} // namespace qs::text
