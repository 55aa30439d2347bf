// SPDX-License-Identifier: Apache-2.0
#include "core/text/sentencepiece_model.h"

#include "core/text/unicode.h"
#include "core/text/word_cache.h"

namespace qs::text {

namespace {

class WordModel final : public SentencePieceModel {
public:
    WordModel(PieceTable pieces, bool markIsSuffix)
        : SentencePieceModel(std::move(pieces)), markIsSuffix_(markIsSuffix) {}

    Result<std::vector<int>> encode(std::string_view text) const override {
        std::vector<int> ids;
        bool afterUnknown = false;
        for (size_t begin = 0; begin < text.size();) {
            const size_t end = endOfWord(text, begin);
            const std::string_view word = text.substr(begin, end - begin);
            pieces_.emit(word, pieces_.vocabulary().find(word), afterUnknown, ids);
            begin = end;
        }
        return ids;
    }

private:
    size_t endOfWord(std::string_view text, size_t begin) const {
        const size_t mark = text.find(kWordMark, markIsSuffix_ ? begin : begin + 1);
        if (mark == std::string_view::npos) return text.size();
        return markIsSuffix_ ? mark + kWordMark.size() : mark;
    }

    bool markIsSuffix_;
};

class CharModel final : public SentencePieceModel {
public:
    using SentencePieceModel::SentencePieceModel;

    Result<std::vector<int>> encode(std::string_view text) const override {
        std::vector<int> ids;
        bool afterUnknown = false;
        for (size_t i = 0; i < text.size();) {
            int id = -1;
            size_t length = pieces_.userDefined().longest(text, i, id);
            if (length == 0) {
                length = utf8Length(text, i);
                id = pieces_.vocabulary().find(text.substr(i, length));
            }
            pieces_.emit(text.substr(i, length), id, afterUnknown, ids);
            i += length;
        }
        return ids;
    }
};

} // namespace

std::unique_ptr<const SentencePieceModel> makeSentencePieceWord(PieceTable pieces, bool markIsSuffix) {
    return std::make_unique<WordModel>(std::move(pieces), markIsSuffix);
}

std::unique_ptr<const SentencePieceModel> makeSentencePieceChar(PieceTable pieces) {
    return std::make_unique<CharModel>(std::move(pieces));
}

Result<std::unique_ptr<const SentencePieceModel>> makeSentencePieceModel(const SentencePieceProto& proto,
                                                                         const std::string& where) {
    QS_TRY(auto pieces, PieceTable::make(proto, where));
    switch (proto.kind) {
    case SentencePieceKind::Unigram:
        return makeSentencePieceUnigram(std::move(pieces));
    case SentencePieceKind::Bpe:
        return makeSentencePieceBpe(std::move(pieces));
    case SentencePieceKind::Word:
        return makeSentencePieceWord(std::move(pieces), proto.whitespaceAsSuffix);
    case SentencePieceKind::Char:
        return makeSentencePieceChar(std::move(pieces));
    }
    return Error::internal("a SentencePiece model of no kind", where);
}

const char* kindName(SentencePieceKind kind) {
    constexpr const char* kNames[] = {"", "Unigram", "BPE", "word", "character"};
    return kNames[int(kind)];
}

} // namespace qs::text
