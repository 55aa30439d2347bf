// SPDX-License-Identifier: Apache-2.0
#include "core/text/byte_alphabet.h"

#include "core/text/unicode.h"

namespace qs::text {

namespace {

struct Alphabet {
    std::array<char32_t, 256> character{};
    std::array<int, 324> byte{}; // 256 + 68 is the last character
    std::array<std::string, 256> spelling;
    Alphabet() {
        byte.fill(-1);
        char32_t next = 256;
        for (unsigned b = 0; b < 256; ++b) {
            const bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            character[b] = itself ? b : next++;
            byte[character[b]] = int(b);
            appendUtf8(spelling[b], character[b]);
        }
    }
};

const Alphabet& alphabet() {
    static const Alphabet a;
    return a;
}

} // namespace

const std::array<char32_t, 256>& byteAlphabet() {
    return alphabet().character;
}

int byteOfCharacter(char32_t c) {
    return c < alphabet().byte.size() ? alphabet().byte[c] : -1;
}

void appendByteLevel(std::string& out, std::string_view bytes) {
    const Alphabet& a = alphabet();
    for (const char c : bytes)
        out += a.spelling[static_cast<unsigned char>(c)];
}

bool appendBytesOf(std::string& out, std::string_view spelling) {
    const size_t before = out.size();
    for (size_t i = 0; i < spelling.size();) {
        const Decoded d = decodeUtf8(spelling, i);
        const int b = d.valid ? byteOfCharacter(d.value) : -1;
        if (b < 0) {
            out.resize(before);
            return false;
        }
        out += char(b);
        i += d.length;
    }
    return true;
}

} // namespace qs::text
