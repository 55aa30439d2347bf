// SPDX-License-Identifier: Apache-2.0
#include "core/text/bert_normalizer.h"

#include "core/text/json_fields.h"
#include "core/text/pre_tokens.h"
#include "core/text/unicode.h"

#include <nlohmann/json.hpp>

namespace qs::text {

namespace {

struct BertOptions {
    bool cleanText = true, handleChinese = true, stripAccents = true, lowercase = true;
};

// The blocks of tokenization.py. 2B920 where Unicode's extension E starts at 2B820: so does the reference.
bool isChinese(char32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
           (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

class BertNormalizer final : public Normalizer {
public:
    BertNormalizer(BertOptions options, std::string where) : o_(options), where_(std::move(where)) {}

    Result<void> apply(NormalizedText& t) const override {
        std::string out;
        out.reserve(t.text.size() + t.text.size() / 8);
        for (size_t i = 0; i < t.text.size();) {
            const Decoded d = decodeUtf8(t.text, i);
            if (isDropped(d.value)) {
                if (i == 0) t.headRemoved = true;
            } else {
                append(out, o_.cleanText && isWhitespace(d.value) ? U' ' : d.value);
            }
            i += d.length;
        }
        if (o_.stripAccents) {
            QS_TRY(out, normalizeUnicode(out, NormalForm::Nfd));
        }
        if (o_.stripAccents || o_.lowercase) out = finish(out);
        if (out.size() > t.limit) return grewTooMuch(where_);
        t.text = std::move(out);
        return {};
    }

private:
    bool isDropped(char32_t c) const {
        if (!o_.cleanText || c == '\t' || c == '\n' || c == '\r') return false;
        return c == 0 || c == kReplacement || isOther(c);
    }
    void append(std::string& out, char32_t c) const {
        const bool spaced = o_.handleChinese && isChinese(c);
        if (spaced) out += ' ';
        appendUtf8(out, c);
        if (spaced) out += ' ';
    }
    std::string finish(const std::string& text) const {
        std::string out;
        out.reserve(text.size());
        for (size_t i = 0; i < text.size();) {
            const Decoded d = decodeUtf8(text, i);
            if (!(o_.stripAccents && isNonspacingMark(d.value))) {
                if (o_.lowercase)
                    appendLowercase(out, d.value);
                else
                    appendUtf8(out, d.value);
            }
            i += d.length;
        }
        return out;
    }

    BertOptions o_;
    std::string where_;
};

} // namespace

Result<std::shared_ptr<const Normalizer>> parseBertNormalizer(const nlohmann::json& j,
                                                              const std::string& where) {
    BertOptions o;
    QS_TRY(o.cleanText, boolField(j, "clean_text", true, where));
    QS_TRY(o.handleChinese, boolField(j, "handle_chinese_chars", true, where));
    QS_TRY(o.lowercase, boolField(j, "lowercase", true, where));
    QS_TRY(o.stripAccents, boolField(j, "strip_accents", o.lowercase, where));
    return std::shared_ptr<const Normalizer>(std::make_shared<BertNormalizer>(o, where));
}

} // namespace qs::text
