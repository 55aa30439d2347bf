// SPDX-License-Identifier: Apache-2.0
#include "core/text/normalizer.h"

#include "core/text/base64.h"
#include "core/text/bert_normalizer.h"
#include "core/text/byte_alphabet.h"
#include "core/text/charsmap.h"
#include "core/text/json_fields.h"
#include "core/text/pre_tokens.h"
#include "core/text/regex.h"
#include "core/text/unicode.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::text {

using nlohmann::json;
using NormalizerPtr = std::shared_ptr<const Normalizer>;

namespace {

class UnicodeForm final : public Normalizer {
public:
    explicit UnicodeForm(NormalForm form) : form_(form) {}
    Result<void> apply(NormalizedText& t) const override {
        QS_TRY(t.text, normalizeUnicode(t.text, form_));
        return {};
    }

private:
    NormalForm form_;
};

class Lowercase final : public Normalizer {
public:
    Result<void> apply(NormalizedText& t) const override {
        std::string out;
        out.reserve(t.text.size());
        for (size_t i = 0; i < t.text.size();) {
            const Decoded d = decodeUtf8(t.text, i);
            appendLowercase(out, d.value);
            i += d.length;
        }
        t.text = std::move(out);
        return {};
    }
};

class StripSpace final : public Normalizer {
public:
    StripSpace(bool left, bool right) : left_(left), right_(right) {}
    Result<void> apply(NormalizedText& t) const override {
        size_t begin = 0, end = t.text.size();
        while (left_ && begin < end) {
            const Decoded d = decodeUtf8(t.text, begin);
            if (!isWhitespace(d.value)) break;
            begin += d.length;
        }
        while (right_ && end > begin) {
            const size_t last = previousUtf8(t.text, end);
            if (!isWhitespace(decodeUtf8(t.text, last).value)) break;
            end = last;
        }
        if (begin > 0) t.headRemoved = true;
        t.text = t.text.substr(begin, end - begin);
        return {};
    }

private:
    bool left_, right_;
};

class StripAccents final : public Normalizer {
public:
    Result<void> apply(NormalizedText& t) const override {
        std::string out;
        out.reserve(t.text.size());
        for (size_t i = 0; i < t.text.size();) {
            const Decoded d = decodeUtf8(t.text, i);
            if (!isCombiningMark(d.value))
                out.append(t.text, i, d.length);
            else if (i == 0)
                t.headRemoved = true;
            i += d.length;
        }
        t.text = std::move(out);
        return {};
    }
};

// The rules of SentencePiece's "nmt" normalization as Hugging Face tokenizers list them: some control
// characters are dropped, some characters are spaces.
class Nmt final : public Normalizer {
public:
    Result<void> apply(NormalizedText& t) const override {
        std::string out;
        out.reserve(t.text.size());
        for (size_t i = 0; i < t.text.size();) {
            const Decoded d = decodeUtf8(t.text, i);
            if (isDropped(d.value))
                t.headRemoved = t.headRemoved || i == 0;
            else if (isSpace(d.value))
                out += ' ';
            else
                out.append(t.text, i, d.length);
            i += d.length;
        }
        t.text = std::move(out);
        return {};
    }

private:
    static bool isDropped(char32_t c) {
        return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
               c == 0x9F;
    }
    static bool isSpace(char32_t c) {
        return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
               (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
               c == kReplacement;
    }
};

// A character map as the Hugging Face port applies it: to a whole grapheme cluster of less than six bytes if
// some rule starts it, else to its characters one by one; the shortest rule decides and takes all.
class Precompiled final : public Normalizer {
public:
    Precompiled(Charsmap map, std::string where) : map_(std::move(map)), where_(std::move(where)) {}
    Result<void> apply(NormalizedText& t) const override {
        std::string out;
        out.reserve(t.text.size());
        for (size_t i = 0; i < t.text.size();) {
            const std::string_view cluster = std::string_view(t.text).substr(i, graphemeLength(t.text, i));
            i += cluster.size();
            if (cluster.size() < 6 && replace(cluster, out)) continue;
            for (size_t k = 0; k < cluster.size();) {
                const std::string_view character = cluster.substr(k, utf8Length(cluster, k));
                if (!replace(character, out)) out += character;
                k += character.size();
            }
            if (out.size() > t.limit) return grewTooMuch(where_);
        }
        t.text = isValidUtf8(out) ? std::move(out) : replaceBadUtf8(out, BadUtf8::PerSubpart);
        return {};
    }

private:
    bool replace(std::string_view part, std::string& out) const {
        std::string_view replacement;
        if (map_.shortestRule(part, replacement) == 0) return false;
        out += replacement;
        return true;
    }

    Charsmap map_;
    std::string where_;
};

class Replace final : public Normalizer {
public:
    Replace(Pattern pattern, std::string content, std::string where)
        : pattern_(std::move(pattern)), content_(std::move(content)), where_(std::move(where)) {}
    Result<void> apply(NormalizedText& t) const override {
        std::vector<Stretch> found;
        QS_CHECK(pattern_.findAll(t.text, found));
        std::string out;
        out.reserve(t.text.size());
        for (const Stretch& s : found) {
            if (!s.isMatch)
                out.append(t.text, s.begin, s.end - s.begin);
            else
                out += content_;
            if (out.size() > t.limit) return grewTooMuch(where_);
            if (s.isMatch && s.begin == 0 && s.end > 0 && content_.empty()) t.headRemoved = true;
        }
        t.text = std::move(out);
        return {};
    }

private:
    Pattern pattern_;
    std::string content_;
    std::string where_;
};

class Prepend final : public Normalizer {
public:
    Prepend(std::string text, std::string where) : text_(std::move(text)), where_(std::move(where)) {}
    Result<void> apply(NormalizedText& t) const override {
        if (t.text.empty()) return {};
        if (t.text.size() + text_.size() > t.limit) return grewTooMuch(where_);
        t.text.insert(0, text_);
        return {};
    }

private:
    std::string text_;
    std::string where_;
};

class ByteLevelNormalizer final : public Normalizer {
public:
    explicit ByteLevelNormalizer(std::string where) : where_(std::move(where)) {}
    Result<void> apply(NormalizedText& t) const override {
        std::string out;
        appendByteLevel(out, t.text);
        if (out.size() > t.limit) return grewTooMuch(where_);
        t.text = std::move(out);
        return {};
    }

private:
    std::string where_;
};

class NormalizerSequence final : public Normalizer {
public:
    explicit NormalizerSequence(std::vector<NormalizerPtr> parts) : parts_(std::move(parts)) {}
    Result<void> apply(NormalizedText& t) const override {
        for (const auto& p : parts_)
            QS_CHECK(p->apply(t));
        return {};
    }

private:
    std::vector<NormalizerPtr> parts_;
};

Result<NormalizerPtr> parsePrecompiled(const json& j, const std::string& where) {
    // Some converters write null or "" for no map.
    QS_TRY(const auto text, optionalString(j, "precompiled_charsmap", where));
    const auto blob = decodeBase64(text);
    if (!blob) return Error::corrupt("'precompiled_charsmap' is not base64", where);
    QS_TRY(auto map, Charsmap::parse(*blob, where + ".precompiled_charsmap"));
    return NormalizerPtr(std::make_shared<Precompiled>(std::move(map), where));
}

Result<NormalizerPtr> parseSequence(const json& j, const std::string& where, int depth) {
    QS_TRY(const json* list, sequenceField(j, "normalizers", depth, where));
    std::vector<NormalizerPtr> parts;
    for (size_t i = 0; i < list->size(); ++i) {
        QS_TRY(auto part,
               parseNormalizer((*list)[i], fmt::format("{}.normalizers[{}]", where, i), depth + 1));
        parts.push_back(std::move(part));
    }
    return NormalizerPtr(std::make_shared<NormalizerSequence>(std::move(parts)));
}

} // namespace

Result<NormalizerPtr> parseNormalizer(const json& j, const std::string& where, int depth) {
    QS_TRY(const std::string type, componentType(j, where));
    if (type == "Sequence") return parseSequence(j, where, depth);
    if (type == "NFC") return NormalizerPtr(std::make_shared<UnicodeForm>(NormalForm::Nfc));
    if (type == "NFD") return NormalizerPtr(std::make_shared<UnicodeForm>(NormalForm::Nfd));
    if (type == "NFKC") return NormalizerPtr(std::make_shared<UnicodeForm>(NormalForm::Nfkc));
    if (type == "NFKD") return NormalizerPtr(std::make_shared<UnicodeForm>(NormalForm::Nfkd));
    if (type == "Lowercase") return NormalizerPtr(std::make_shared<Lowercase>());
    if (type == "StripAccents") return NormalizerPtr(std::make_shared<StripAccents>());
    if (type == "Nmt") return NormalizerPtr(std::make_shared<Nmt>());
    if (type == "BertNormalizer") return parseBertNormalizer(j, where);
    if (type == "Precompiled") return parsePrecompiled(j, where);
    if (type == "ByteLevel") return NormalizerPtr(std::make_shared<ByteLevelNormalizer>(where));
    if (type == "Strip") {
        QS_TRY(const bool left, boolField(j, "strip_left", true, where));
        QS_TRY(const bool right, boolField(j, "strip_right", true, where));
        return NormalizerPtr(std::make_shared<StripSpace>(left, right));
    }
    if (type == "Replace") {
        const json* pattern = member(j, "pattern");
        if (!pattern) return Error::corrupt("'pattern' is missing", where);
        QS_TRY(auto compiled, Pattern::fromJson(*pattern, where + ".pattern"));
        QS_TRY(auto content, stringField(j, "content", where));
        return NormalizerPtr(std::make_shared<Replace>(std::move(compiled), std::move(content), where));
    }
    if (type == "Prepend") {
        QS_TRY(auto prepend, stringField(j, "prepend", where));
        return NormalizerPtr(std::make_shared<Prepend>(std::move(prepend), where));
    }
    return Error::unsupported(fmt::format("normalizer type '{}' is not supported", type), where);
}

} // namespace qs::text
