// SPDX-License-Identifier: Apache-2.0
// tokenizer.model: text > normalizer_spec > model > ids, and back, as the sentencepiece library does it
// (normalizer.cc, sentencepiece_processor.cc). Control pieces are never matched in a text. BOS is added
// unless add_bos_token says otherwise, EOS only if add_eos_token says so (the defaults of Hugging Face's
// LlamaTokenizer, which most such files belong to).
#include "core/text/sentencepiece_tokenizer.h"
#include "core/text/charsmap.h"
#include "core/text/display.h"
#include "core/text/loaders.h"
#include "core/text/pre_tokens.h"
#include "core/text/sentencepiece_model.h"
#include "core/text/unicode.h"
#include "core/text/word_cache.h"

#include <fmt/format.h>

#include <algorithm>

namespace qs::text {

namespace {

class SentencePieceTokenizer final : public Tokenizer {
public:
    SentencePieceTokenizer(SentencePieceProto proto, std::unique_ptr<const SentencePieceModel> model,
                           Charsmap charsmap, SentencePieceSetup setup)
        : proto_(std::move(proto))
        , model_(std::move(model))
        , charsmap_(std::move(charsmap))
        , setup_(std::move(setup)) {}

    Result<std::vector<int>> encode(std::string_view text, bool addSpecial) const override;
    Result<std::string> decode(const std::vector<int>& ids, bool skipSpecial) const override;
    std::string piece(int id) const override;
    std::string display(int id) const override;
    int vocabularySize() const override { return pieces().vocabulary().size(); }
    int bosId() const override { return setup_.special.bos; }
    int eosId() const override { return setup_.special.eos; }
    std::string description() const override;
    std::string fingerprint() const override { return setup_.fingerprint; }

    Result<void> selfTest(const std::string& where) const;

private:
    const PieceTable& pieces() const { return model_->pieces(); }
    Result<void> normalize(std::string_view text, std::string& out) const;
    size_t normalizePrefix(std::string_view text, std::string_view& replacement) const;
    std::string surface(int id, bool& mayDropSpace, bool skipSpecial) const;

    SentencePieceProto proto_;
    std::unique_ptr<const SentencePieceModel> model_;
    Charsmap charsmap_;
    SentencePieceSetup setup_;
};

// How much of the text one step of normalization takes, and what it gives for it.
size_t SentencePieceTokenizer::normalizePrefix(std::string_view text, std::string_view& replacement) const {
    int id = -1;
    if (const size_t n = pieces().userDefined().longest(text, 0, id); n > 0) {
        replacement = text.substr(0, n);
        return n;
    }
    if (const size_t n = charsmap_.longestRule(text, replacement); n > 0) return n;
    const Decoded d = decodeUtf8(text, 0);
    if (!d.valid) {
        replacement = "\xEF\xBF\xBD";
        return 1;
    }
    replacement = text.substr(0, d.length);
    return d.length;
}

Result<void> SentencePieceTokenizer::normalize(std::string_view text, std::string& out) const {
    const std::string_view mark = proto_.escapeWhitespaces ? kWordMark : std::string_view(" ");
    const size_t limit = growthLimit(text.size());
    out.clear();
    out.reserve(text.size() + text.size() / 2 + 8);
    std::string_view part;
    bool atSpace = proto_.removeExtraWhitespaces;
    bool started = false;
    while (!text.empty()) {
        const size_t taken = normalizePrefix(text, part);
        text.remove_prefix(taken);
        // Leading spaces, one step at a time: only a step that gives exactly a space counts.
        if (!started && proto_.removeExtraWhitespaces && part == " ") continue;
        if (!started && !proto_.whitespaceAsSuffix && proto_.addDummyPrefix) out += mark;
        started = true;
        while (atSpace && part.starts_with(' '))
            part.remove_prefix(1);
        if (!part.empty()) {
            for (const char c : part) {
                if (c == ' ')
                    out += mark;
                else
                    out += c;
            }
            atSpace = part.ends_with(' ');
        }
        if (!proto_.removeExtraWhitespaces) atSpace = false;
        if (out.size() > limit) return grewTooMuch("normalizer_spec");
    }
    if (!started) return {};
    while (proto_.removeExtraWhitespaces && out.ends_with(mark))
        out.erase(out.size() - mark.size());
    if (proto_.whitespaceAsSuffix && proto_.addDummyPrefix) out += mark;
    return {};
}

Result<std::vector<int>> SentencePieceTokenizer::encode(std::string_view text, bool addSpecial) const {
    std::string normalized;
    QS_CHECK(normalize(text, normalized));
    QS_TRY(auto ids, model_->encode(normalized));
    if (addSpecial) {
        ids.insert(ids.begin(), setup_.affixes.before.begin(), setup_.affixes.before.end());
        ids.insert(ids.end(), setup_.affixes.after.begin(), setup_.affixes.after.end());
    }
    return ids;
}

// `mayDropSpace` is true until a text has begun: the space that encoding puts there is taken off again.
std::string SentencePieceTokenizer::surface(int id, bool& mayDropSpace, bool skipSpecial) const {
    const std::string& spelling = *pieces().vocabulary().piece(id);
    if (pieces().type(id) == PieceType::Control) return skipSpecial ? std::string() : spelling;
    if (id == pieces().unknownId()) return proto_.unknownSurface;
    std::string_view rest = spelling;
    if (mayDropSpace && (proto_.addDummyPrefix || proto_.removeExtraWhitespaces) &&
        rest.starts_with(kWordMark)) {
        rest.remove_prefix(kWordMark.size());
        if (!proto_.removeExtraWhitespaces) mayDropSpace = false;
    }
    return spacesForMarks(rest);
}

Result<std::string> SentencePieceTokenizer::decode(const std::vector<int>& ids, bool skipSpecial) const {
    std::string text, bytes;
    const auto flush = [&] {
        text += replaceBadUtf8(bytes, BadUtf8::PerByte);
        bytes.clear();
    };
    bool mayDropSpace = true;
    for (const int id : ids) {
        if (!pieces().vocabulary().piece(id))
            return Error::invalid(
                fmt::format("token id {} is not in the vocabulary (0 to {})", id, vocabularySize() - 1));
        if (const int b = pieces().byteOf(id); b >= 0) {
            bytes += char(b);
            continue;
        }
        flush();
        if (!text.empty()) mayDropSpace = false;
        text += surface(id, mayDropSpace, skipSpecial);
    }
    flush();
    return text;
}

std::string SentencePieceTokenizer::piece(int id) const {
    const std::string* p = pieces().vocabulary().piece(id);
    return p ? *p : std::string();
}

std::string SentencePieceTokenizer::display(int id) const {
    if (const int b = pieces().byteOf(id); b >= 0) return visibleText(std::string(1, char(b)));
    return visibleText(spacesForMarks(piece(id)));
}

std::string SentencePieceTokenizer::description() const {
    const char* kind = proto_.kind == SentencePieceKind::Bpe       ? "BPE"
                       : proto_.kind == SentencePieceKind::Unigram ? "Unigram"
                       : proto_.kind == SentencePieceKind::Word    ? "word"
                                                                   : "character";
    return fmt::format("{} (SentencePiece {}{})", setup_.format, kind,
                       proto_.byteFallback ? ", byte fallback" : "");
}

// Some files carry texts with the pieces they must give, joined by spaces. As in the library a difference
// makes the file unusable. Samples with unknown pieces are left out: they are written with the text itself,
// which ids do not keep.
Result<void> SentencePieceTokenizer::selfTest(const std::string& where) const {
    for (const auto& sample : proto_.samples) {
        QS_TRY(const auto ids, encode(sample.input, false));
        if (std::find(ids.begin(), ids.end(), pieces().unknownId()) != ids.end()) continue;
        std::string got;
        for (const int id : ids) {
            if (!got.empty()) got += ' ';
            got += piece(id);
        }
        if (got != sample.expected)
            return Error::corrupt(fmt::format("self_test_data: '{}' gives '{}', the file expects '{}'",
                                              sample.input, got, sample.expected),
                                  where);
    }
    return {};
}

// BOS and EOS by the config's names, else by the model's own.
Result<void> findSpecial(const SentencePieceProto& proto, const TokenizerConfig& config,
                         SentencePieceSetup& setup) {
    const auto idOf = [&](const std::string& piece, bool controlOnly) {
        for (size_t i = 0; i < proto.pieces.size(); ++i)
            if (proto.pieces[i].text == piece)
                return !controlOnly || proto.pieces[i].type == PieceType::Control ? int(i) : -1;
        return -1;
    };
    setup.special.bos = config.bosToken ? idOf(*config.bosToken, false) : idOf(proto.bosPiece, true);
    setup.special.eos = config.eosToken ? idOf(*config.eosToken, false) : idOf(proto.eosPiece, true);
    TokenizerConfig effective = config;
    if (!effective.addBos) effective.addBos = setup.special.bos >= 0;
    return applyConfig(effective, setup.special, setup.affixes);
}

} // namespace

Result<std::shared_ptr<const Tokenizer>>
makeSentencePieceTokenizer(SentencePieceProto proto, SentencePieceSetup setup, const std::string& where) {
    if (proto.hasDenormalizer)
        return Error::unsupported("denormalizer_spec.precompiled_charsmap is not supported", where);
    QS_TRY(auto model, makeSentencePieceModel(proto, where));
    QS_TRY(auto charsmap, Charsmap::parse(proto.charsmap, where + ": precompiled_charsmap"));
    auto tokenizer = std::make_shared<SentencePieceTokenizer>(std::move(proto), std::move(model),
                                                              std::move(charsmap), std::move(setup));
    QS_CHECK(tokenizer->selfTest(where));
    return std::shared_ptr<const Tokenizer>(std::move(tokenizer));
}

Result<std::shared_ptr<const Tokenizer>> tokenizerFromSentencePiece(std::string_view bytes,
                                                                    const std::string& configJson,
                                                                    const std::string& name,
                                                                    const std::string& fingerprint) {
    QS_TRY(const auto config, TokenizerConfig::parse(configJson));
    QS_TRY(auto proto, SentencePieceProto::parse(bytes, name));
    SentencePieceSetup setup{"tokenizer.model", fingerprint, {}, {}};
    QS_CHECK(findSpecial(proto, config, setup));
    return makeSentencePieceTokenizer(std::move(proto), std::move(setup), name);
}

} // namespace qs::text
