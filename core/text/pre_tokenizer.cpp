// SPDX-License-Identifier: Apache-2.0
#include "core/text/pre_tokenizer.h"

#include "core/text/byte_alphabet.h"
#include "core/text/json_fields.h"
#include "core/text/regex.h"
#include "core/text/scripts.h"
#include "core/text/splitting.h"
#include "core/text/unicode.h"
#include "core/text/word_patterns.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <optional>

namespace qs::text {

using nlohmann::json;
using PreTokenizerPtr = std::shared_ptr<const PreTokenizer>;

namespace {

// Rust's \w has the two joiners, Oniguruma's has not.
constexpr const char* kWordPattern = R"([\w\x{200C}\x{200D}]+|[^\w\s\x{200C}\x{200D}]+)";

class ByteLevel final : public PreTokenizer {
public:
    ByteLevel(bool prefixSpace, std::optional<Pattern> pattern, std::string where)
        : prefixSpace_(prefixSpace), pattern_(std::move(pattern)), where_(std::move(where)) {}

    Result<void> apply(PreTokens& t) const override {
        if (prefixSpace_)
            QS_CHECK(t.rewriteEach(where_, [](const Piece&, std::string_view text, std::string& out) {
                if (!text.starts_with(' ')) out += ' ';
                out += text;
            }));
        if (pattern_)
            QS_CHECK(cutEach(t, SplitBehavior::Isolated, [&](std::string_view text, auto& found) {
                return pattern_->findAll(text, found);
            }));
        return t.rewriteEach(where_, [](const Piece&, std::string_view text, std::string& out) {
            appendByteLevel(out, text);
        });
    }

private:
    bool prefixSpace_;
    std::optional<Pattern> pattern_;
    std::string where_;
};

class Split final : public PreTokenizer {
public:
    Split(Pattern pattern, SplitBehavior behavior, bool invert)
        : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

    Result<void> apply(PreTokens& t) const override {
        return cutEach(t, behavior_, [&](std::string_view text, std::vector<Stretch>& found) -> Result<void> {
            QS_CHECK(pattern_.findAll(text, found));
            if (invert_)
                for (Stretch& s : found)
                    s.isMatch = !s.isMatch;
            return {};
        });
    }

private:
    Pattern pattern_;
    SplitBehavior behavior_;
    bool invert_;
};

// Digits, Punctuation, WhitespaceSplit, CharDelimiterSplit: cuts at characters.
template<class Test>
class CharacterSplit final : public PreTokenizer {
public:
    CharacterSplit(Test test, SplitBehavior behavior) : test_(std::move(test)), behavior_(behavior) {}
    Result<void> apply(PreTokens& t) const override {
        return cutEach(t, behavior_, [&](std::string_view text, auto& found) {
            return findCharacters(text, found, test_);
        });
    }

private:
    Test test_;
    SplitBehavior behavior_;
};

template<class Test>
PreTokenizerPtr characterSplit(Test test, SplitBehavior behavior) {
    return std::make_shared<CharacterSplit<Test>>(std::move(test), behavior);
}

class BertPreTokenizer final : public PreTokenizer {
public:
    Result<void> apply(PreTokens& t) const override {
        QS_CHECK(cutEach(t, SplitBehavior::Removed, [](std::string_view text, auto& found) {
            return findCharacters(text, found, isWhitespace);
        }));
        return cutEach(t, SplitBehavior::Isolated, [](std::string_view text, auto& found) {
            return findCharacters(text, found, isPunctuation);
        });
    }
};

// Cuts where the script changes; characters of every script go with what stands before them. What stands
// before the first character with a script is dropped, as in the reference.
class UnicodeScripts final : public PreTokenizer {
public:
    Result<void> apply(PreTokens& t) const override {
        return cutEach(t, SplitBehavior::Removed, [](std::string_view text, auto& found) -> Result<void> {
            size_t begin = 0;
            int last = -1;
            bool started = false;
            for (size_t i = 0; i < text.size();) {
                const Decoded d = decodeUtf8(text, i);
                const int script = joinedScriptOf(d.value);
                if (script >= 0 && script != last) {
                    if (i > begin) found.push_back({begin, i, !started});
                    begin = i;
                    started = true;
                    last = script;
                }
                i += d.length;
            }
            if (begin < text.size()) found.push_back({begin, text.size(), !started});
            return {};
        });
    }
};

class FixedLength final : public PreTokenizer {
public:
    explicit FixedLength(size_t length) : length_(length) {}
    Result<void> apply(PreTokens& t) const override {
        return cutEach(t, SplitBehavior::Isolated, [&](std::string_view text, auto& found) -> Result<void> {
            for (size_t begin = 0, i = 0; begin < text.size(); begin = i) {
                for (size_t n = 0; n < length_ && i < text.size(); ++n)
                    i += utf8Length(text, i);
                found.push_back({begin, i, true});
            }
            return {};
        });
    }

private:
    size_t length_; // characters
};

class Metaspace final : public PreTokenizer {
public:
    enum class Prepend { Always, First, Never };
    Metaspace(std::string mark, Prepend prepend, bool split, std::string where)
        : mark_(std::move(mark)), prepend_(prepend), split_(split), where_(std::move(where)) {}

    Result<void> apply(PreTokens& t) const override {
        QS_CHECK(t.rewriteEach(where_, [&](const Piece& piece, std::string_view text, std::string& out) {
            const bool marked = text.starts_with(' ') || text.starts_with(mark_);
            if (!marked && (prepend_ == Prepend::Always || (prepend_ == Prepend::First && piece.atStart)))
                out += mark_;
            for (const char c : text) {
                if (c == ' ')
                    out += mark_;
                else
                    out += c;
            }
        }));
        if (!split_) return {};
        const char32_t mark = decodeUtf8(mark_, 0).value;
        return cutEach(t, SplitBehavior::MergedWithNext, [&](std::string_view text, auto& found) {
            return findCharacters(text, found, [&](char32_t c) { return c == mark; });
        });
    }

private:
    std::string mark_;
    Prepend prepend_;
    bool split_;
    std::string where_;
};

class PreTokenizerSequence final : public PreTokenizer {
public:
    explicit PreTokenizerSequence(std::vector<PreTokenizerPtr> parts) : parts_(std::move(parts)) {}
    Result<void> apply(PreTokens& t) const override {
        for (const auto& p : parts_)
            QS_CHECK(p->apply(t));
        return {};
    }

private:
    std::vector<PreTokenizerPtr> parts_;
};

Result<PreTokenizerPtr> parseSequence(const json& j, const std::string& where, int depth) {
    QS_TRY(const json* list, sequenceField(j, "pretokenizers", depth, where));
    std::vector<PreTokenizerPtr> parts;
    for (size_t i = 0; i < list->size(); ++i) {
        QS_TRY(auto part,
               parsePreTokenizer((*list)[i], fmt::format("{}.pretokenizers[{}]", where, i), depth + 1));
        parts.push_back(std::move(part));
    }
    return PreTokenizerPtr(std::make_shared<PreTokenizerSequence>(std::move(parts)));
}

Result<PreTokenizerPtr> parseByteLevel(const json& j, const std::string& where) {
    QS_TRY(const bool prefixSpace, boolField(j, "add_prefix_space", true, where));
    QS_TRY(const bool useRegex, boolField(j, "use_regex", true, where));
    std::optional<Pattern> pattern;
    if (useRegex) {
        QS_TRY(pattern, Pattern::regex(kGpt2Pattern, where));
    }
    return PreTokenizerPtr(std::make_shared<ByteLevel>(prefixSpace, std::move(pattern), where));
}

Result<PreTokenizerPtr> parseSplit(const json& j, const std::string& where) {
    const json* pattern = member(j, "pattern");
    if (!pattern) return Error::corrupt("'pattern' is missing", where);
    QS_TRY(auto compiled, Pattern::fromJson(*pattern, where + ".pattern"));
    QS_TRY(const auto behavior, parseSplitBehavior(j, "behavior", where));
    QS_TRY(const bool invert, boolField(j, "invert", false, where));
    return PreTokenizerPtr(std::make_shared<Split>(std::move(compiled), behavior, invert));
}

Result<PreTokenizerPtr> parseMetaspace(const json& j, const std::string& where) {
    QS_TRY(auto mark, oneCharacter(j, "replacement", where));
    QS_TRY(const bool prefixSpace, boolField(j, "add_prefix_space", true, where));
    QS_TRY(const bool split, boolField(j, "split", true, where));
    QS_TRY(const auto scheme, optionalString(j, "prepend_scheme", where));
    auto prepend = Metaspace::Prepend::Always;
    if (scheme == "first")
        prepend = Metaspace::Prepend::First;
    else if (scheme == "never" || !prefixSpace) // files older than prepend_scheme have only add_prefix_space
        prepend = Metaspace::Prepend::Never;
    else if (!scheme.empty() && scheme != "always")
        return Error::unsupported(fmt::format("'prepend_scheme' value '{}' is not supported", scheme), where);
    return PreTokenizerPtr(std::make_shared<Metaspace>(std::move(mark), prepend, split, where));
}

} // namespace

Result<PreTokenizerPtr> parsePreTokenizer(const json& j, const std::string& where, int depth) {
    QS_TRY(const std::string type, componentType(j, where));
    if (type == "Sequence") return parseSequence(j, where, depth);
    if (type == "ByteLevel") return parseByteLevel(j, where);
    if (type == "Split") return parseSplit(j, where);
    if (type == "Metaspace") return parseMetaspace(j, where);
    if (type == "Digits") {
        QS_TRY(const bool single, boolField(j, "individual_digits", false, where));
        return characterSplit(isNumeric, single ? SplitBehavior::Isolated : SplitBehavior::Contiguous);
    }
    if (type == "Punctuation") {
        auto behavior = SplitBehavior::Isolated;
        if (member(j, "behavior")) {
            QS_TRY(behavior, parseSplitBehavior(j, "behavior", where));
        }
        return characterSplit(isPunctuation, behavior);
    }
    if (type == "BertPreTokenizer") return PreTokenizerPtr(std::make_shared<BertPreTokenizer>());
    if (type == "UnicodeScripts") return PreTokenizerPtr(std::make_shared<UnicodeScripts>());
    if (type == "FixedLength") {
        long long length = 5;
        if (member(j, "length")) {
            QS_TRY(length, integerField(j, "length", 1, INT32_MAX, where));
        }
        return PreTokenizerPtr(std::make_shared<FixedLength>(size_t(length)));
    }
    if (type == "WhitespaceSplit") return characterSplit(isWhitespace, SplitBehavior::Removed);
    if (type == "CharDelimiterSplit") {
        QS_TRY(const auto text, oneCharacter(j, "delimiter", where));
        const char32_t delimiter = decodeUtf8(text, 0).value;
        return characterSplit([delimiter](char32_t c) { return c == delimiter; }, SplitBehavior::Removed);
    }
    if (type == "Whitespace") {
        QS_TRY(auto words, Pattern::regex(kWordPattern, where));
        return PreTokenizerPtr(std::make_shared<Split>(std::move(words), SplitBehavior::Removed, true));
    }
    return Error::unsupported(fmt::format("pre-tokenizer type '{}' is not supported", type), where);
}

} // namespace qs::text
