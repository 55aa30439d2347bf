// SPDX-License-Identifier: Apache-2.0
#include "core/text/unicode.h"

#include <fmt/format.h>
#include <oniguruma.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace qs::text {

namespace {

struct LeadRule {
    unsigned length;         // 0 when no sequence starts with this byte
    unsigned char low, high; // allowed second byte
};

// Unicode 15, table 3-7 (well-formed UTF-8 byte sequences).
LeadRule leadRule(unsigned char b) {
    if (b < 0x80) return {1, 0, 0};
    if (b < 0xC2) return {0, 0, 0};
    if (b < 0xE0) return {2, 0x80, 0xBF};
    if (b == 0xE0) return {3, 0xA0, 0xBF};
    if (b == 0xED) return {3, 0x80, 0x9F};
    if (b < 0xF0) return {3, 0x80, 0xBF};
    if (b == 0xF0) return {4, 0x90, 0xBF};
    if (b < 0xF4) return {4, 0x80, 0xBF};
    if (b == 0xF4) return {4, 0x80, 0x8F};
    return {0, 0, 0};
}

utf8proc_category_t category(char32_t c) {
    return utf8proc_category(utf8proc_int32_t(c));
}

} // namespace

Decoded decodeUtf8(std::string_view text, size_t pos) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(pos);
    const LeadRule rule = leadRule(lead);
    if (rule.length == 1) return {lead, 1, true};
    if (rule.length == 0) return {};
    char32_t value = lead & (0x7Fu >> rule.length);
    for (unsigned i = 1; i < rule.length; ++i) {
        const unsigned char low = i == 1 ? rule.low : 0x80, high = i == 1 ? rule.high : 0xBF;
        if (pos + i >= text.size() || byte(pos + i) < low || byte(pos + i) > high)
            return {kReplacement, i, false};
        value = (value << 6) | (byte(pos + i) & 0x3F);
    }
    return {value, rule.length, true};
}

unsigned utf8Length(std::string_view text, size_t pos) {
    return decodeUtf8(text, pos).length;
}

size_t previousUtf8(std::string_view text, size_t pos) {
    size_t i = pos - 1;
    while (i > 0 && pos - i < 4 && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80)
        --i;
    return i;
}

size_t graphemeLength(std::string_view text, size_t pos) {
    Decoded d = decodeUtf8(text, pos);
    size_t end = pos + d.length;
    utf8proc_int32_t state = 0;
    while (end < text.size()) {
        const Decoded next = decodeUtf8(text, end);
        if (utf8proc_grapheme_break_stateful(utf8proc_int32_t(d.value), utf8proc_int32_t(next.value), &state))
            break;
        end += next.length;
        d = next;
    }
    return end - pos;
}

void appendUtf8(std::string& out, char32_t c) {
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) c = kReplacement;
    if (c < 0x80) {
        out += char(c);
    } else if (c < 0x800) {
        out += char(0xC0 | (c >> 6));
        out += char(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        out += char(0xE0 | (c >> 12));
        out += char(0x80 | ((c >> 6) & 0x3F));
        out += char(0x80 | (c & 0x3F));
    } else {
        out += char(0xF0 | (c >> 18));
        out += char(0x80 | ((c >> 12) & 0x3F));
        out += char(0x80 | ((c >> 6) & 0x3F));
        out += char(0x80 | (c & 0x3F));
    }
}

bool isValidUtf8(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
        uint64_t eight = 0;
        if (i + 8 <= text.size()) {
            std::memcpy(&eight, text.data() + i, 8);
            if ((eight & 0x8080808080808080u) == 0) { // all ASCII
                i += 8;
                continue;
            }
        }
        const Decoded d = decodeUtf8(text, i);
        if (!d.valid) return false;
        i += d.length;
    }
    return true;
}

bool isAscii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string replaceBadUtf8(std::string_view text, BadUtf8 how) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size();) {
        const Decoded d = decodeUtf8(text, i);
        if (d.valid) {
            out.append(text.substr(i, d.length));
            i += d.length;
        } else {
            appendUtf8(out, kReplacement);
            i += how == BadUtf8::PerByte ? 1 : d.length;
        }
    }
    return out;
}

bool isWhitespace(char32_t c) {
    if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool isNumeric(char32_t c) {
    const auto k = category(c);
    return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}

bool isPunctuation(char32_t c) {
    if (c < 0x80)
        return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
               (c >= 0x7B && c <= 0x7E);
    const auto k = category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool isWordCharacter(char32_t c) {
    // Oniguruma's Word has Alphabetic, M*, Nd and Pc; UTS #18 adds the two joiners.
    if (c == 0x200C || c == 0x200D) return true;
    return ONIGENC_IS_CODE_CTYPE(ONIG_ENCODING_UTF8, OnigCodePoint(c), ONIGENC_CTYPE_WORD) != 0;
}

bool isCombiningMark(char32_t c) {
    const auto k = category(c);
    return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME;
}

bool isNonspacingMark(char32_t c) {
    return category(c) == UTF8PROC_CATEGORY_MN;
}

bool isOther(char32_t c) {
    const auto k = category(c);
    return k == UTF8PROC_CATEGORY_CN || k >= UTF8PROC_CATEGORY_CC;
}

bool isInvisible(char32_t c) {
    if (c == ' ') return false;
    const auto k = category(c);
    return k == UTF8PROC_CATEGORY_CN || k >= UTF8PROC_CATEGORY_ZS;
}

void appendLowercase(std::string& out, char32_t c) {
    // The one character whose unconditional lower-case mapping has two characters (SpecialCasing.txt).
    if (c == 0x130) {
        out += "i\xCC\x87";
        return;
    }
    appendUtf8(out, char32_t(utf8proc_tolower(utf8proc_int32_t(c))));
}

namespace {

// utf8proc's own loop sorts combining marks by insertion, which is quadratic on hostile runs of them.
void sortCombiningMarks(std::vector<utf8proc_int32_t>& chars) {
    const auto order = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
    for (size_t i = 0; i < chars.size();) {
        if (order(chars[i]) == 0) {
            ++i;
            continue;
        }
        size_t end = i + 1;
        while (end < chars.size() && order(chars[end]) != 0)
            ++end;
        std::stable_sort(chars.begin() + long(i), chars.begin() + long(end),
                         [&](auto a, auto b) { return order(a) < order(b); });
        i = end;
    }
}

Result<std::vector<utf8proc_int32_t>> decompose(std::string_view text, utf8proc_option_t options) {
    std::vector<utf8proc_int32_t> chars;
    chars.reserve(text.size());
    std::array<utf8proc_int32_t, 64> buffer{};
    for (size_t i = 0; i < text.size();) {
        const Decoded d = decodeUtf8(text, i);
        const auto n = utf8proc_decompose_char(utf8proc_int32_t(d.value), buffer.data(), long(buffer.size()),
                                               options, nullptr);
        if (n < 0 || size_t(n) > buffer.size())
            return Error::internal(
                fmt::format("cannot decompose U+{:04X}: {}", uint32_t(d.value), utf8proc_errmsg(n)));
        chars.insert(chars.end(), buffer.begin(), buffer.begin() + n);
        i += d.length;
    }
    return chars;
}

} // namespace

Result<std::string> normalizeUnicode(std::string_view text, NormalForm form) {
    if (isAscii(text)) return std::string(text);
    const bool compatible = form == NormalForm::Nfkc || form == NormalForm::Nfkd;
    const bool compose = form == NormalForm::Nfc || form == NormalForm::Nfkc;
    const auto options =
        utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
    QS_TRY(auto chars, decompose(text, options));
    sortCombiningMarks(chars);
    if (compose) {
        const auto n = utf8proc_normalize_utf32(chars.data(), long(chars.size()),
                                                utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
        if (n < 0) return Error::internal(fmt::format("cannot compose: {}", utf8proc_errmsg(n)));
        chars.resize(size_t(n));
    }
    std::string out;
    out.reserve(text.size() + 16);
    for (const auto c : chars)
        appendUtf8(out, char32_t(c));
    return out;
}

} // namespace qs::text
