// SPDX-License-Identifier: Apache-2.0
#include "core/text/base64.h"

#include <cstdint>

namespace qs::text {

namespace {
int valueOf(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}
} // namespace

std::optional<std::string> decodeBase64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    size_t padding = 0;
    while (padding < 2 && text.ends_with('=')) {
        text.remove_suffix(1);
        ++padding;
    }
    std::string out;
    out.reserve(text.size() / 4 * 3 + 2);
    uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const int v = valueOf(c);
        if (v < 0) return std::nullopt;
        bits = bits << 6 | uint32_t(v);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += char(bits >> count);
        }
    }
    if ((bits & ((1u << count) - 1)) != 0) return std::nullopt; // bits that belong to no byte
    return out;
}

} // namespace qs::text
