// SPDX-License-Identifier: Apache-2.0
#include "core/base/file.h"
#include "core/text/gguf_vocabulary.h"
#include "core/text/sentencepiece_tokenizer.h"
#include "core/text/unicode.h"
#include "core/text/vocabulary.h"

#include <fmt/format.h>

#include <cmath>

namespace qs::text {

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
Result<Affixes> affixesOf(const GgufVocabulary& v, int bos, int eos, bool addBos, bool addEos) {
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
    QS_CHECK(apply(v.addBos, addBos, bos, "bos", a.before));
    QS_CHECK(apply(v.addEos, addEos, eos, "eos", a.after));
    return a;
}

// Scores and types as SentencePiece has them.
SentencePieceProto protoOf(const GgufVocabulary& v) {
    SentencePieceProto proto;
    proto.pieces.reserve(v.tokens.size());
    bool hasBytes = false;
    for (size_t i = 0; i < v.tokens.size(); ++i) {
        const auto type = i < v.types.size() ? PieceType(v.types[i]) : PieceType::Normal;
        proto.pieces.push_back({v.tokens[i], i < v.scores.size() ? v.scores[i] : 0.0f, type});
        hasBytes = hasBytes || type == PieceType::Byte;
    }
    proto.byteFallback = hasBytes;
    proto.removeExtraWhitespaces = v.removeExtraWhitespaces.value_or(false);
    proto.addDummyPrefix = v.addSpacePrefix.value_or(true);
    return proto;
}

Result<std::shared_ptr<const Tokenizer>> makeLlama(const GgufVocabulary& v) {
    SentencePieceProto proto = protoOf(v);
    proto.kind = SentencePieceKind::Bpe;
    SentencePieceSetup setup{"GGUF", v.fingerprint, {v.bos, v.eos}, {}};
    QS_TRY(setup.affixes, affixesOf(v, v.bos, v.eos, true, false));
    return makeSentencePieceTokenizer(std::move(proto), std::move(setup), key("tokens"));
}

} // namespace

Result<std::shared_ptr<const Tokenizer>> tokenizerFromGguf(GgufVocabulary v) {
    QS_CHECK(checkCounts(v));
    QS_CHECK(checkIds(v));
    QS_CHECK(checkTokens(v));
    if (v.fingerprint.empty()) v.fingerprint = fingerprintOf(v);
    if (v.model == "llama") return makeLlama(v);
    return Error::unsupported(fmt::format("'{}' is not supported; known: llama", v.model), key("model"));
}

} // namespace qs::text
