// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/json_scanner.h"

#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

using Byte = unsigned char;

bool isSpace(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}
bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

/// True when none of the eight bytes is a quote, a backslash or below 0x20. May say false for bytes that are
/// plain.
bool plainBytes(const char* p) {
    constexpr uint64_t ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
    uint64_t v;
    std::memcpy(&v, p, 8);
    // A byte's top bit appears in x - ones when that byte of x is zero (or above 0x80, or a lower byte
    // borrows).
    const uint64_t quote = (v ^ (ones * '"')) - ones, backslash = (v ^ (ones * '\\')) - ones;
    return ((quote | backslash | (v - ones * 0x20)) & tops) == 0;
}

/// Length of the well-formed sequence at `p`, 0 when there is none (Unicode 15, table 3-7).
size_t sequenceLength(const Byte* p, const Byte* end) {
    const Byte a = p[0];
    const size_t n = a < 0x80 ? 1 : a < 0xC2 ? 0 : a < 0xE0 ? 2 : a < 0xF0 ? 3 : a < 0xF5 ? 4 : 0;
    if (n < 2 || size_t(end - p) < n) return n == 1 ? 1 : 0;
    const Byte low = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80;
    const Byte high = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < n; ++i)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return n;
}

void appendUtf8(std::string& out, uint32_t c) {
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

} // namespace

size_t findBadUtf8(std::string_view text) {
    const Byte* const begin = reinterpret_cast<const Byte*>(text.data());
    const Byte* const end = begin + text.size();
    for (const Byte* p = begin; p < end;) {
        uint64_t eight = 0;
        if (size_t(end - p) >= 8) {
            std::memcpy(&eight, p, 8);
            if ((eight & 0x8080808080808080ull) == 0) {
                p += 8;
                continue;
            }
        }
        const size_t n = sequenceLength(p, end);
        if (n == 0) return size_t(p - begin);
        p += n;
    }
    return std::string_view::npos;
}

std::string quoteJson(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            (out += '\\') += c;
        else if (Byte(c) < 0x20)
            out += fmt::format("\\u{:04x}", Byte(c));
        else
            out += c;
    }
    return out += '"';
}

bool JsonScanner::fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return false;
}

Error JsonScanner::error(const std::string& where) const {
    return Error::corrupt(fmt::format("{} (byte {} of the JSON)", problem_, offset()), where);
}

void JsonScanner::skipSpace() {
    while (p_ < end_ && isSpace(*p_))
        ++p_;
}

std::string JsonScanner::nextForMessage() const {
    if (p_ >= end_) return "the end of the text";
    if (Byte(*p_) < 0x20 || Byte(*p_) >= 0x7F) return fmt::format("byte 0x{:02x}", Byte(*p_));
    return fmt::format("'{}'", *p_);
}

bool JsonScanner::consume(char c) {
    skipSpace();
    if (failed() || p_ >= end_ || *p_ != c) return false;
    ++p_;
    return true;
}

bool JsonScanner::expect(char c) {
    return consume(c) || fail(fmt::format("expected '{}', found {}", c, nextForMessage()));
}

bool JsonScanner::more(char closer) {
    if (consume(',')) return true;
    if (consume(closer)) return false;
    return fail(fmt::format("expected ',' or '{}', found {}", closer, nextForMessage()));
}

bool JsonScanner::atEnd() {
    skipSpace();
    return p_ >= end_;
}

bool JsonScanner::readString(std::string_view& out) {
    if (!consume('"')) return fail(fmt::format("expected a string, found {}", nextForMessage()));
    const char* const start = p_;
    while (end_ - p_ >= 8 && plainBytes(p_))
        p_ += 8;
    for (; p_ < end_; ++p_) {
        if (*p_ == '"') {
            out = {start, size_t(p_ - start)};
            ++p_;
            return true;
        }
        if (*p_ == '\\') return readEscapes(start, out);
        if (Byte(*p_) < 0x20) return fail("control character inside a string");
    }
    return fail("string without an end");
}

bool JsonScanner::readEscapes(const char* start, std::string_view& out) {
    scratch_.assign(start, p_);
    while (p_ < end_) {
        const char c = *p_;
        if (Byte(c) < 0x20) return fail("control character inside a string");
        ++p_;
        if (c == '"') {
            out = scratch_;
            return true;
        }
        if (c != '\\')
            scratch_ += c;
        else if (!readEscape())
            return false;
    }
    return fail("string without an end");
}

bool JsonScanner::readEscape() {
    if (p_ >= end_) return fail("string without an end");
    const char c = *p_++;
    switch (c) {
    case '"':
    case '\\':
    case '/':
        scratch_ += c;
        return true;
    case 'b':
        scratch_ += '\b';
        return true;
    case 'f':
        scratch_ += '\f';
        return true;
    case 'n':
        scratch_ += '\n';
        return true;
    case 'r':
        scratch_ += '\r';
        return true;
    case 't':
        scratch_ += '\t';
        return true;
    case 'u':
        break;
    default:
        return fail("unknown escape in a string");
    }
    uint32_t code = 0, low = 0;
    if (!readHex4(code)) return false;
    if (code >= 0xD800 && code <= 0xDFFF) {
        const bool pair = code < 0xDC00 && end_ - p_ >= 2 && p_[0] == '\\' && p_[1] == 'u';
        if (!pair) return fail("lone surrogate in a string");
        p_ += 2;
        if (!readHex4(low)) return false;
        if (low < 0xDC00 || low > 0xDFFF) return fail("lone surrogate in a string");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    appendUtf8(scratch_, code);
    return true;
}

bool JsonScanner::readHex4(uint32_t& out) {
    if (end_ - p_ < 4) return fail("\\u needs four hexadecimal digits");
    out = 0;
    for (int i = 0; i < 4; ++i) {
        const char c = *p_++;
        const int digit = isDigit(c)               ? c - '0'
                          : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                          : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                                   : -1;
        if (digit < 0) return fail("\\u needs four hexadecimal digits");
        out = out << 4 | uint32_t(digit);
    }
    return true;
}

bool JsonScanner::readUnsigned(uint64_t& out) {
    skipSpace();
    if (p_ >= end_ || !isDigit(*p_))
        return fail(fmt::format("expected an integer of 0 or more, found {}", nextForMessage()));
    const char* const start = p_;
    out = 0;
    while (p_ < end_ && isDigit(*p_)) {
        if (__builtin_mul_overflow(out, uint64_t(10), &out) ||
            __builtin_add_overflow(out, uint64_t(*p_ - '0'), &out) || out > uint64_t(1) << 63)
            return fail("integer above 2^63");
        ++p_;
    }
    if (*start == '0' && p_ - start > 1) return fail("integer with a leading zero");
    if (p_ < end_ && (*p_ == '.' || *p_ == 'e' || *p_ == 'E'))
        return fail("expected an integer, found a fraction");
    return true;
}

bool JsonScanner::skipNumber() {
    const auto digits = [this] {
        const char* const start = p_;
        while (p_ < end_ && isDigit(*p_))
            ++p_;
        return p_ > start;
    };
    if (p_ < end_ && *p_ == '-') ++p_;
    if (p_ < end_ && *p_ == '0')
        ++p_;
    else if (!digits())
        return fail("malformed number");
    if (p_ < end_ && *p_ == '.') {
        ++p_;
        if (!digits()) return fail("malformed number");
    }
    if (p_ < end_ && (*p_ == 'e' || *p_ == 'E')) {
        ++p_;
        if (p_ < end_ && (*p_ == '+' || *p_ == '-')) ++p_;
        if (!digits()) return fail("malformed number");
    }
    return true;
}

bool JsonScanner::skipLiteral(std::string_view literal) {
    if (std::string_view(p_, size_t(end_ - p_)).substr(0, literal.size()) != literal)
        return fail(fmt::format("expected a value, found {}", nextForMessage()));
    p_ += literal.size();
    return true;
}

bool JsonScanner::skipContainer(char closer, int maxDepth) {
    if (maxDepth <= 0) return fail("nested too deeply");
    ++p_;
    if (consume(closer)) return true;
    std::string_view key;
    do {
        if (closer == '}' && (!readString(key) || !expect(':'))) return false;
        if (!skipValue(maxDepth - 1)) return false;
    } while (more(closer));
    return !failed();
}

bool JsonScanner::skipValue(int maxDepth) {
    skipSpace();
    if (failed()) return false;
    std::string_view text;
    switch (p_ < end_ ? *p_ : '\0') {
    case '{':
        return skipContainer('}', maxDepth);
    case '[':
        return skipContainer(']', maxDepth);
    case '"':
        return readString(text);
    case 't':
        return skipLiteral("true");
    case 'f':
        return skipLiteral("false");
    case 'n':
        return skipLiteral("null");
    default:
        break;
    }
    if (p_ < end_ && (*p_ == '-' || isDigit(*p_))) return skipNumber();
    return fail(fmt::format("expected a value, found {}", nextForMessage()));
}

} // namespace qs
