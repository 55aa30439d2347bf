// SPDX-License-Identifier: Apache-2.0
#include "core/text/gguf_export.h"

#include "core/base/file.h"
#include "core/text/base64.h"
#include "core/text/gguf_splitters.h"
#include "core/text/json_fields.h"
#include "core/text/sentencepiece_proto.h"
#include "core/text/vocabulary.h"
#include "core/text/word_cache.h"
#include "core/text/word_patterns.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace qs::text {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char *kFile = "tokenizer.json", *kConfigFile = "tokenizer_config.json";
constexpr size_t kMaxJsonBytes = size_t(256) << 20, kMaxModelBytes = size_t(64) << 20;

Error cannotHold(const std::string& what) {
    return Error::unsupported(what + ", which GGUF cannot express", kFile);
}

std::string typeName(const json& component) {
    const json* type = member(component, "type");
    return type && type->is_string() ? type->get<std::string>() : std::string();
}

/// The parts of a component, a sequence or a single one; none when it is null.
std::vector<const json*> partsOf(const json* component, const char* listKey) {
    std::vector<const json*> parts;
    if (!component || component->is_null()) return parts;
    const json* list = typeName(*component) == "Sequence" ? member(*component, listKey) : nullptr;
    if (!list) return {component};
    for (const json& part : *list)
        for (const json* inner : partsOf(&part, listKey))
            parts.push_back(inner);
    return parts;
}

bool flag(const json& object, const char* key, bool fallback) {
    const json* v = member(object, key);
    return v && v->is_boolean() ? v->get<bool>() : fallback;
}

bool isByteToken(const std::string& token) {
    return token.size() == 6 && token.starts_with("<0x") && token.back() == '>';
}

/// tokenizer.json, and what is made of it.
class JsonVocabulary {
public:
    explicit JsonVocabulary(const json& file)
        : file_(file)
        , model_(file.at("model"))
        , normalizers_(partsOf(member(file, "normalizer"), "normalizers"))
        , splitters_(partsOf(member(file, "pre_tokenizer"), "pretokenizers")) {}

    Result<GgufVocabulary> make() {
        const std::string type = typeName(model_);
        if (type == "BPE") {
            QS_CHECK(hasByteAlphabet() ? byteLevel() : sentencePieceBpe());
        } else if (type == "Unigram") {
            QS_CHECK(unigram());
        } else if (type == "WordPiece") {
            QS_CHECK(wordPiece());
        } else {
            return cannotHold(fmt::format("the model is {}", type));
        }
        return std::move(v_);
    }

    /// Normal, unknown and byte tokens spelled and numbered as in `v`.
    bool agreesWith(const GgufVocabulary& v) const {
        for (const auto& [piece, id] : model_.at("vocab").items()) {
            const size_t i = id.get<size_t>();
            if (i >= v.tokens.size() || v.tokens[i] != piece) return false;
        }
        return true;
    }

private:
    bool hasByteAlphabet() const {
        return std::any_of(splitters_.begin(), splitters_.end(),
                           [](const json* s) { return typeName(*s) == "ByteLevel"; });
    }

    Result<void> place(size_t id, const std::string& token, PieceType type) {
        if (id > size_t(kMaxTokenId))
            return Error::corrupt(fmt::format("id {} of '{}' is above {}", id, token, kMaxTokenId), kFile);
        if (id >= v_.tokens.size()) {
            v_.tokens.resize(id + 1);
            v_.types.resize(id + 1, int32_t(PieceType::Unused));
            if (!v_.scores.empty()) v_.scores.resize(id + 1, 0.0f);
        }
        v_.tokens[id] = token;
        v_.types[id] = int32_t(type);
        return {};
    }

    Result<void> addedTokens() {
        const json* added = member(file_, "added_tokens");
        if (!added || !added->is_array()) return {};
        for (const json& t : *added)
            QS_CHECK(place(t.at("id").get<size_t>(), t.at("content").get<std::string>(),
                           flag(t, "special", false) ? PieceType::Control : PieceType::UserDefined));
        return {};
    }

    Result<void> piecesOfObject() {
        for (const auto& [piece, id] : model_.at("vocab").items())
            QS_CHECK(
                place(id.get<size_t>(), piece, isByteToken(piece) ? PieceType::Byte : PieceType::Normal));
        return {};
    }

    /// Pairs "a b" by rank.
    std::vector<std::pair<std::string, std::string>> merges() const {
        std::vector<std::pair<std::string, std::string>> out;
        for (const json& m : model_.at("merges")) {
            if (m.is_array()) {
                out.emplace_back(m.at(0).get<std::string>(), m.at(1).get<std::string>());
                continue;
            }
            const std::string line = m.get<std::string>();
            if (line.starts_with("#version")) continue;
            const size_t space = line.find(' ', 1);
            out.emplace_back(line.substr(0, space), line.substr(std::min(line.size(), space + 1)));
        }
        return out;
    }

    Result<void> byteLevel() {
        v_.model = "gpt2";
        QS_CHECK(nameSplitter());
        QS_CHECK(piecesOfObject());
        QS_CHECK(addedTokens());
        for (const auto& [left, right] : merges())
            v_.merges.push_back(left + " " + right);
        return {};
    }

    Result<void> nameSplitter() {
        bool nfc = false;
        for (const json* n : normalizers_) {
            if (typeName(*n) != "NFC") return cannotHold(fmt::format("the normalizer is {}", typeName(*n)));
            nfc = true;
        }
        std::vector<std::string> patterns;
        for (const json* s : splitters_)
            QS_CHECK(addPattern(*s, patterns));
        const bool ignoreMerges = flag(model_, "ignore_merges", false);
        const GgufSplitter* splitter = matchGgufSplitter(patterns, nfc, ignoreMerges);
        if (!splitter)
            return Error::unsupported(
                fmt::format("llama.cpp has no name for the word splitter that cuts at {}{}{}",
                            fmt::join(patterns, " then "), nfc ? ", after NFC" : "",
                            ignoreMerges ? ", with ignore_merges" : ""),
                std::string(kFile) + ": pre_tokenizer");
        v_.pre = splitter->names.front();
        return {};
    }

    static Result<void> addPattern(const json& splitter, std::vector<std::string>& patterns) {
        const std::string type = typeName(splitter);
        if (type == "ByteLevel") {
            if (flag(splitter, "add_prefix_space", true))
                return cannotHold("a space is put before the text (add_prefix_space)");
            if (flag(splitter, "use_regex", true)) patterns.emplace_back(kGpt2Pattern);
        } else if (type == "Split") {
            const json& pattern = splitter.at("pattern");
            const json* regex = member(pattern, "Regex");
            if (!regex) return cannotHold("words are split at a fixed string");
            patterns.push_back(regex->get<std::string>());
        } else if (type == "Digits") {
            patterns.emplace_back(flag(splitter, "individual_digits", false) ? kSingleDigits : kDigitRuns);
        } else if (type == "Punctuation" && splitter.value("behavior", "") == "Contiguous") {
            patterns.emplace_back(kPunctuationRuns);
        } else {
            return cannotHold(fmt::format("the pre-tokenizer is {}", type));
        }
        return {};
    }

    /// Whether a mark is put before the first word.
    bool prefixesSpace() const {
        for (const json* n : normalizers_)
            if (typeName(*n) == "Prepend") return true;
        for (const json* s : splitters_) {
            if (typeName(*s) != "Metaspace") continue;
            const json* scheme = member(*s, "prepend_scheme");
            return scheme ? *scheme != "never" : flag(*s, "add_prefix_space", true);
        }
        return false;
    }

    /// SentencePiece joins the pair whose piece has the highest score, this model the pair of lowest rank: a
    /// piece's score is the rank that makes it, negated.
    Result<void> sentencePieceBpe() {
        v_.model = "llama";
        v_.addSpacePrefix = prefixesSpace();
        QS_CHECK(piecesOfObject());
        const auto ranked = merges();
        std::map<std::string, size_t> rankOf;
        for (size_t rank = 0; rank < ranked.size(); ++rank)
            rankOf.try_emplace(ranked[rank].first + ranked[rank].second, rank);
        v_.scores.resize(v_.tokens.size());
        for (size_t i = 0; i < v_.tokens.size(); ++i) {
            const auto it = rankOf.find(v_.tokens[i]);
            v_.scores[i] = -float(it != rankOf.end() ? it->second : ranked.size() + i);
        }
        QS_CHECK(addedTokens());
        if (const json* unknown = member(model_, "unk_token"); unknown && unknown->is_string())
            markUnknown(unknown->get<std::string>());
        return {};
    }

    void markUnknown(const std::string& token) {
        for (size_t i = 0; i < v_.tokens.size(); ++i)
            if (v_.tokens[i] == token) {
                v_.types[i] = int32_t(PieceType::Unknown);
                v_.unk = int(i);
            }
    }

    Result<void> unigram() {
        v_.model = "t5";
        v_.addSpacePrefix = prefixesSpace();
        v_.removeExtraWhitespaces = false;
        for (const json* n : normalizers_) {
            const std::string type = typeName(*n);
            if (type == "Precompiled") {
                const auto map = decodeBase64(n->at("precompiled_charsmap").get<std::string>());
                if (!map) return Error::corrupt("precompiled_charsmap is not base64", kFile);
                const auto bytes = std::as_bytes(std::span(*map));
                v_.precompiledCharsmap.assign(bytes.begin(), bytes.end());
            } else if (type == "Strip" || type == "Replace") {
                v_.removeExtraWhitespaces = true; // in these forms SentencePiece's converter writes it
            } else if (type != "Prepend") {
                return cannotHold(fmt::format("the normalizer is {}", type));
            }
        }
        for (const json* s : splitters_)
            if (typeName(*s) == "WhitespaceSplit") v_.removeExtraWhitespaces = true;
        const json& vocab = model_.at("vocab");
        for (size_t i = 0; i < vocab.size(); ++i) {
            const std::string piece = vocab[i].at(0).get<std::string>();
            QS_CHECK(place(i, piece, isByteToken(piece) ? PieceType::Byte : PieceType::Normal));
            v_.scores.resize(v_.tokens.size());
            v_.scores[i] = vocab[i].at(1).get<float>();
        }
        QS_CHECK(addedTokens());
        if (const json* unknown = member(model_, "unk_id"); unknown && unknown->is_number_unsigned())
            if (const size_t id = unknown->get<size_t>(); id < v_.tokens.size()) {
                v_.types[id] = int32_t(PieceType::Unknown);
                v_.unk = int(id);
            }
        return {};
    }

    /// A piece that begins a word gets a mark, one that continues it loses "##"; names in brackets stay.
    Result<void> wordPiece() {
        v_.model = "bert";
        for (const json* n : normalizers_)
            if (typeName(*n) != "BertNormalizer")
                return cannotHold(fmt::format("the normalizer is {}", typeName(*n)));
        for (const auto& [piece, id] : model_.at("vocab").items()) {
            const bool bracketed = piece.starts_with('[') && piece.ends_with(']');
            const std::string token = bracketed                 ? piece
                                      : piece.starts_with("##") ? piece.substr(2)
                                                                : std::string(kWordMark) + piece;
            QS_CHECK(place(id.get<size_t>(), token, PieceType::Normal));
        }
        QS_CHECK(addedTokens());
        const auto idOf = [&](const char* token) {
            const auto it = std::find(v_.tokens.begin(), v_.tokens.end(), token);
            return it == v_.tokens.end() ? -1 : int(it - v_.tokens.begin());
        };
        v_.unk = idOf("[UNK]");
        v_.cls = idOf("[CLS]");
        v_.sep = idOf("[SEP]");
        v_.mask = idOf("[MASK]");
        v_.pad = idOf("[PAD]");
        return {};
    }

    const json& file_;
    const json& model_;
    const std::vector<const json*> normalizers_, splitters_;
    GgufVocabulary v_;
};

/// What llama.cpp does to a text before SentencePiece BPE is to put marks for spaces, nothing else; only of
/// unigram models it reads how they normalize.
Result<GgufVocabulary> fromModelFile(const fs::path& file) {
    QS_TRY(const std::string bytes, readTextFile(file, kMaxModelBytes));
    QS_TRY(const SentencePieceProto proto, SentencePieceProto::parse(bytes, file.filename().string()));
    GgufVocabulary v;
    if (proto.kind == SentencePieceKind::Word || proto.whitespaceAsSuffix)
        return Error::unsupported("word models and marks behind words cannot be expressed in GGUF",
                                  file.string());
    v.model = proto.kind == SentencePieceKind::Unigram ? "t5" : "llama";
    for (size_t i = 0; i < proto.pieces.size(); ++i) {
        const ScoredPiece& p = proto.pieces[i];
        v.tokens.push_back(p.text);
        v.scores.push_back(p.score);
        v.types.push_back(int32_t(p.type));
        if (p.type == PieceType::Unknown) v.unk = int(i);
    }
    v.addSpacePrefix = proto.addDummyPrefix;
    v.removeExtraWhitespaces = proto.removeExtraWhitespaces;
    const auto map = std::as_bytes(std::span(proto.charsmap));
    v.precompiledCharsmap.assign(map.begin(), map.end());
    return v;
}

/// What stands around a text, from what the tokenizer does.
Result<void> setAffixes(const Tokenizer& tokenizer, GgufVocabulary& v) {
    v.bos = tokenizer.bosId();
    v.eos = tokenizer.eosId();
    QS_TRY(const std::vector<int> with, tokenizer.encode("a", true));
    QS_TRY(std::vector<int> expected, tokenizer.encode("a", false));
    v.addBos = with.size() > expected.size() && with.front() == v.bos;
    v.addEos = with.size() > expected.size() && with.back() == v.eos;
    if (*v.addBos) expected.insert(expected.begin(), v.bos);
    if (*v.addEos) expected.push_back(v.eos);
    if (expected == with) return {};
    return cannotHold(fmt::format("{} tokens are put around a text, other than one BOS and one EOS",
                                  with.size() - std::min(with.size(), expected.size())));
}

Result<void> fitToRows(GgufVocabulary& v, size_t rows) {
    if (v.tokens.size() > rows)
        return Error::unsupported(
            fmt::format("the tokenizer has {} tokens, the embedding {} rows: llama.cpp wants a row for each",
                        v.tokens.size(), rows),
            kFile);
    for (size_t i = 0; i < rows; ++i) {
        const bool there =
            i < v.tokens.size() && !(v.tokens[i].empty() && v.types[i] == int32_t(PieceType::Unused));
        if (there) continue;
        if (i >= v.tokens.size()) {
            v.tokens.emplace_back();
            v.types.push_back(0);
        }
        v.tokens[i] = fmt::format("[PAD{}]", i);
        v.types[i] = int32_t(PieceType::Unused);
    }
    if (!v.scores.empty()) v.scores.resize(rows, 0.0f);
    return {};
}

/// Ids of the special tokens that tokenizer_config.json names and the vocabulary does not by itself.
Result<void> setNamedIds(const fs::path& folder, GgufVocabulary& v) {
    std::error_code ec;
    if (!fs::is_regular_file(folder / kConfigFile, ec)) return {};
    QS_TRY(const std::string text, readTextFile(folder / kConfigFile, kMaxJsonBytes));
    const json config = json::parse(text, nullptr, false);
    if (!config.is_object()) return {}; // which the tokenizer has refused
    const std::pair<const char*, int*> ids[] = {{"unk_token", &v.unk},
                                                {"pad_token", &v.pad},
                                                {"sep_token", &v.sep},
                                                {"cls_token", &v.cls},
                                                {"mask_token", &v.mask}};
    for (const auto& [key, id] : ids) {
        const json* token = member(config, key);
        if (token && token->is_object()) token = member(*token, "content");
        if (*id >= 0 || !token || !token->is_string()) continue;
        const auto it = std::find(v.tokens.begin(), v.tokens.end(), token->get<std::string>());
        if (it != v.tokens.end()) *id = int(it - v.tokens.begin());
    }
    return {};
}

Result<GgufVocabulary> readVocabulary(const fs::path& folder) {
    std::error_code ec;
    const bool hasModel = fs::is_regular_file(folder / "tokenizer.model", ec);
    if (!fs::is_regular_file(folder / kFile, ec)) {
        if (hasModel) return fromModelFile(folder / "tokenizer.model");
        return Error::notFound(
            "GGUF is written from a tokenizer.json or tokenizer.model, the folder has none", folder.string());
    }
    QS_TRY(const std::string text, readTextFile(folder / kFile, kMaxJsonBytes));
    const json file = json::parse(text, nullptr, false);
    try {
        JsonVocabulary maker(file);
        QS_TRY(GgufVocabulary v, maker.make());
        if (!hasModel || v.model != "llama") return v;
        // The scores that the same vocabulary was trained with, in place of ranks.
        const auto trained = fromModelFile(folder / "tokenizer.model");
        if (trained && trained->model == v.model && trained->scores.size() <= v.scores.size() &&
            maker.agreesWith(*trained))
            std::copy(trained->scores.begin(), trained->scores.end(), v.scores.begin());
        return v;
    } catch (const json::exception& e) {
        return Error::corrupt(e.what(), (folder / kFile).string());
    }
}

} // namespace

Result<GgufVocabulary> ggufVocabularyOf(const fs::path& folder, const Tokenizer& tokenizer, size_t rows) {
    QS_TRY(GgufVocabulary v, readVocabulary(folder));
    if (v.model == "llama" && (v.removeExtraWhitespaces.value_or(false) || !v.precompiledCharsmap.empty()))
        return Error::unsupported(
            "it removes extra spaces or normalizes characters, which llama.cpp does not "
            "do before SentencePiece BPE",
            (folder / "tokenizer.model").string());
    QS_CHECK(setAffixes(tokenizer, v));
    QS_CHECK(setNamedIds(folder, v));
    QS_CHECK(fitToRows(v, rows));
    return v;
}

} // namespace qs::text
