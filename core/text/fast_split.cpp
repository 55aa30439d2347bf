// SPDX-License-Identifier: Apache-2.0
#include "core/text/fast_split.h"

#include "core/text/unicode.h"
#include "core/text/word_patterns.h"

#include <oniguruma.h>

#include <array>
#include <cstdint>
#include <string>

namespace qs::text {

namespace {

enum class Class : uint8_t { Other, Letter, Number, Space };

// \p{L}, \p{N} and \s of every character, from Oniguruma's own tables.
class ClassTable {
public:
    ClassTable() : classes_(0x110000, Class::Other) {
        OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
        if (onig_initialize(encodings, 1) != ONIG_NORMAL) return;
        fill("L", Class::Letter);
        fill("N", Class::Number);
        fill("Space", Class::Space);
    }
    Class of(char32_t c) const { return classes_[c]; }

private:
    void fill(std::string name, Class value) {
        auto* begin = reinterpret_cast<OnigUChar*>(name.data());
        const int type = ONIGENC_PROPERTY_NAME_TO_CTYPE(ONIG_ENCODING_UTF8, begin, begin + name.size());
        OnigCodePoint single = 0;
        const OnigCodePoint* ranges = nullptr;
        if (type < 0 || ONIGENC_GET_CTYPE_CODE_RANGE(ONIG_ENCODING_UTF8, type, &single, &ranges) != 0) return;
        for (OnigCodePoint i = 0; i < ranges[0]; ++i)
            for (OnigCodePoint c = ranges[1 + 2 * i]; c <= ranges[2 + 2 * i] && c < classes_.size(); ++c)
                classes_[c] = value;
    }
    std::vector<Class> classes_;
};

const ClassTable& classTable() {
    static const ClassTable table;
    return table;
}

/// A position in the text; methods named after what they read give the end, or `at` when nothing is there.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text), table_(classTable()) {}

    bool atEnd(size_t at) const { return at >= text_.size(); }
    char byte(size_t at) const { return at < text_.size() ? text_[at] : '\0'; }
    Class classAt(size_t at, unsigned& length) const {
        const auto b = static_cast<unsigned char>(text_[at]);
        length = 1;
        if (b < 0x80) return table_.of(b);
        const Decoded d = decodeUtf8(text_, at);
        length = d.length;
        return table_.of(d.value);
    }
    size_t run(size_t at, Class wanted, size_t most = SIZE_MAX) const {
        unsigned length = 0;
        for (size_t n = 0; n < most && !atEnd(at) && classAt(at, length) == wanted; ++n)
            at += length;
        return at;
    }
    size_t newlines(size_t at) const {
        while (!atEnd(at) && (text_[at] == '\r' || text_[at] == '\n'))
            ++at;
        return at;
    }
    /// Whitespace from `at`: \s+(?!\S)|\s+ leaves the last one to the word that follows, if there are two.
    size_t whitespace(size_t at, size_t end) const {
        if (end == text_.size()) return end;
        const size_t last = previousUtf8(text_, end);
        return last > at ? last : end;
    }
    /// \s*[\r\n]+ in the whitespace [at, end): up to its last line break, `at` when it has none.
    size_t throughLastNewline(size_t at, size_t end) const {
        while (end > at && text_[end - 1] != '\r' && text_[end - 1] != '\n')
            --end;
        return end;
    }
    /// 's|'t|'re|'ve|'m|'ll|'d; `fold`: in any case.
    size_t contraction(size_t at, bool fold) const {
        const auto letter = [&](size_t i) {
            const char c = byte(i);
            return fold && c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
        };
        const char a = letter(at + 1), b = letter(at + 2);
        if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
        if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return at + 3;
        // U+017F folds to s.
        if (fold && text_.substr(at + 1, 2) == "\xC5\xBF") return at + 3;
        return at;
    }

private:
    std::string_view text_;
    const ClassTable& table_;
};

size_t matchGpt2(const Scanner& s, size_t at) {
    if (s.byte(at) == '\'')
        if (const size_t end = s.contraction(at, false); end > at) return end;
    unsigned length = 0;
    size_t begin = at;
    if (s.byte(at) == ' ' && !s.atEnd(at + 1) && s.classAt(at + 1, length) != Class::Space) begin = at + 1;
    const Class c = s.classAt(begin, length);
    const size_t end = s.run(begin, c);
    return c == Class::Space ? s.whitespace(at, end) : end;
}

size_t matchLlama3(const Scanner& s, size_t at, unsigned digits) {
    if (s.byte(at) == '\'')
        if (const size_t end = s.contraction(at, true); end > at) return end;
    unsigned length = 0, next = 0;
    const Class c = s.classAt(at, length);
    if (c == Class::Letter) return s.run(at, Class::Letter);
    if (c == Class::Number) return s.run(at, Class::Number, digits);
    const bool newline = s.byte(at) == '\r' || s.byte(at) == '\n';
    const bool followed = !s.atEnd(at + length);
    if (!newline && followed && s.classAt(at + length, next) == Class::Letter)
        return s.run(at + length, Class::Letter);
    if (c == Class::Other) return s.newlines(s.run(at, Class::Other));
    if (s.byte(at) == ' ' && followed && s.classAt(at + 1, next) == Class::Other)
        return s.newlines(s.run(at + 1, Class::Other));
    const size_t end = s.run(at, Class::Space);
    if (const size_t lines = s.throughLastNewline(at, end); lines > at) return lines;
    return s.whitespace(at, end);
}

} // namespace

std::optional<FastSplitter> FastSplitter::of(std::string_view expression) {
    if (expression == kGpt2Pattern) return FastSplitter(0);
    if (expression == kLlama3Pattern) return FastSplitter(3);
    if (expression == kQwen2Pattern) return FastSplitter(1);
    return std::nullopt;
}

void FastSplitter::split(std::string_view text, std::vector<Stretch>& out) const {
    const Scanner scanner(text);
    for (size_t at = 0; at < text.size();) {
        const size_t end = digits_ == 0 ? matchGpt2(scanner, at) : matchLlama3(scanner, at, digits_);
        out.push_back({at, end, true});
        at = end;
    }
}

} // namespace qs::text
