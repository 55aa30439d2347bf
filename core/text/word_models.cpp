// SPDX-License-Identifier: Apache-2.0
#include "core/text/word_models.h"

#include "core/text/json_fields.h"
#include "core/text/spelling_trie.h"
#include "core/text/unicode.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::text {

using nlohmann::json;

namespace {

class WordModel : public TokenModel {
public:
    WordModel(Vocabulary vocabulary, std::string unknown, std::string where)
        : vocabulary_(std::move(vocabulary)), unknown_(std::move(unknown)), where_(std::move(where)) {
        unknownId_ = vocabulary_.find(unknown_);
    }

    Result<void> encode(const PreTokens& tokens, std::vector<int>& ids) const override {
        for (const Piece& p : tokens.pieces) {
            if (p.token >= 0) {
                ids.push_back(p.token);
                continue;
            }
            const std::string_view word = tokens.view(p);
            if (word.empty() || encodeWord(word, ids)) continue;
            if (unknownId_ < 0)
                return Error::corrupt(
                    fmt::format("unk_token '{}' is needed and not in the vocabulary", unknown_), where_);
            ids.push_back(unknownId_);
        }
        return {};
    }
    const Vocabulary& vocabulary() const override { return vocabulary_; }
    bool hasByteFallback() const override { return false; }

protected:
    /// Appends the word's ids; false (and nothing appended) when it is unknown.
    virtual bool encodeWord(std::string_view word, std::vector<int>& ids) const = 0;

    const Vocabulary vocabulary_;

private:
    std::string unknown_;
    std::string where_;
    int unknownId_ = -1;
};

class WordLevel final : public WordModel {
public:
    using WordModel::WordModel;
    std::string family() const override { return "WordLevel"; }

protected:
    bool encodeWord(std::string_view word, std::vector<int>& ids) const override {
        const int id = vocabulary_.find(word);
        if (id >= 0) ids.push_back(id);
        return id >= 0;
    }
};

bool isLongerThan(std::string_view word, size_t characters) {
    if (word.size() <= characters) return false;
    size_t n = 0;
    for (size_t i = 0; i < word.size() && n <= characters; ++n)
        i += utf8Length(word, i);
    return n > characters;
}

class WordPiece final : public WordModel {
public:
    WordPiece(Vocabulary vocabulary, const WordPieceOptions& options, std::string where)
        : WordModel(std::move(vocabulary), options.unknown, std::move(where))
        , maxCharacters_(options.maxCharacters) {
        std::vector<std::pair<std::string_view, int>> first, further;
        for (int id = 0; id < vocabulary_.size(); ++id) {
            const std::string* piece = vocabulary_.piece(id);
            if (!piece) continue;
            first.emplace_back(*piece, id);
            if (piece->starts_with(options.prefix))
                further.emplace_back(std::string_view(*piece).substr(options.prefix.size()), id);
        }
        first_ = SpellingTrie(std::move(first));
        further_ = SpellingTrie(std::move(further));
    }
    std::string family() const override { return "WordPiece"; }

protected:
    bool encodeWord(std::string_view word, std::vector<int>& ids) const override {
        if (isLongerThan(word, maxCharacters_)) return false;
        const size_t before = ids.size();
        for (size_t at = 0; at < word.size();) {
            int id = -1;
            const size_t length = (at == 0 ? first_ : further_).longest(word, at, id);
            if (length == 0) {
                ids.resize(before);
                return false;
            }
            ids.push_back(id);
            at += length;
        }
        return true;
    }

private:
    size_t maxCharacters_;
    SpellingTrie first_, further_;
};

} // namespace

Result<std::shared_ptr<const TokenModel>> makeWordPiece(Vocabulary vocabulary, WordPieceOptions options,
                                                        const std::string& where) {
    return std::shared_ptr<const TokenModel>(
        std::make_shared<WordPiece>(std::move(vocabulary), options, where));
}

Result<std::shared_ptr<const TokenModel>> parseWordPiece(const json& j, const std::string& where) {
    WordPieceOptions options;
    if (member(j, "unk_token")) {
        QS_TRY(options.unknown, stringField(j, "unk_token", where));
    }
    if (member(j, "continuing_subword_prefix")) {
        QS_TRY(options.prefix, stringField(j, "continuing_subword_prefix", where));
    }
    if (member(j, "max_input_chars_per_word")) {
        QS_TRY(const auto n, integerField(j, "max_input_chars_per_word", 1, INT32_MAX, where));
        options.maxCharacters = size_t(n);
    }
    QS_TRY(auto vocabulary, parseVocabulary(j, where));
    return makeWordPiece(std::move(vocabulary), std::move(options), where);
}

Result<std::shared_ptr<const TokenModel>> parseWordLevel(const json& j, const std::string& where) {
    QS_TRY(auto unknown, stringField(j, "unk_token", where));
    QS_TRY(auto vocabulary, parseVocabulary(j, where));
    return std::shared_ptr<const TokenModel>(
        std::make_shared<WordLevel>(std::move(vocabulary), std::move(unknown), where));
}

} // namespace qs::text
