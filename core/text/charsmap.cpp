// SPDX-License-Identifier: Apache-2.0
#include "core/text/charsmap.h"

#include <fmt/format.h>

namespace qs::text {

namespace {

// Fields of a darts-clone unit.
uint32_t offsetOf(uint32_t unit) {
    return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}
uint32_t labelOf(uint32_t unit) {
    return unit & ((1u << 31) | 0xFF);
}
bool hasLeaf(uint32_t unit) {
    return (unit >> 8) & 1;
}
uint32_t valueOf(uint32_t unit) {
    return unit & 0x7FFFFFFF;
}

uint32_t readU32(std::string_view b, size_t at) {
    uint32_t v = 0;
    for (size_t i = 0; i < 4; ++i)
        v |= uint32_t(static_cast<unsigned char>(b[at + i])) << (8 * i);
    return v;
}

// SentencePiece asks its trie for this many prefixes at most.
constexpr int kMaxPrefixes = 32;

} // namespace

Result<Charsmap> Charsmap::parse(std::string_view blob, const std::string& where) {
    Charsmap map;
    if (blob.empty()) return map;
    const size_t trieBytes = blob.size() >= 4 ? readU32(blob, 0) : 0;
    if (blob.size() <= 4 || trieBytes == 0 || trieBytes % 4 != 0 || trieBytes >= blob.size() - 4)
        return Error::corrupt(
            fmt::format("the trie has {} bytes, the character map {}", trieBytes, blob.size()), where);
    for (size_t i = 0; i < trieBytes; i += 4)
        map.units_.push_back(readU32(blob, 4 + i));
    map.replacements_ = blob.substr(4 + trieBytes);
    if (map.replacements_.back() != '\0')
        return Error::corrupt("the last replacement of the character map has no end", where);
    return map;
}

template<class F>
void Charsmap::eachRule(std::string_view text, F found) const {
    if (units_.empty()) return;
    size_t at = offsetOf(units_[0]);
    for (size_t i = 0; i < text.size(); ++i) {
        const uint32_t byte = static_cast<unsigned char>(text[i]);
        at ^= byte;
        if (at >= units_.size() || labelOf(units_[at]) != byte) return;
        const uint32_t unit = units_[at];
        at ^= offsetOf(unit);
        if (at >= units_.size()) return;
        if (!hasLeaf(unit)) continue;
        const uint32_t value = valueOf(units_[at]);
        if (value >= replacements_.size() || !found(i + 1, value)) return;
    }
}

std::string_view Charsmap::replacementAt(uint32_t value) const {
    const auto rest = std::string_view(replacements_).substr(value);
    return rest.substr(0, rest.find('\0'));
}

size_t Charsmap::longestRule(std::string_view text, std::string_view& replacement) const {
    size_t length = 0;
    uint32_t value = 0;
    int count = 0;
    eachRule(text, [&](size_t n, uint32_t v) {
        length = n;
        value = v;
        return ++count < kMaxPrefixes;
    });
    if (length > 0) replacement = replacementAt(value);
    return length;
}

size_t Charsmap::shortestRule(std::string_view text, std::string_view& replacement) const {
    size_t length = 0;
    eachRule(text.substr(0, text.find('\0')), [&](size_t n, uint32_t v) {
        length = n;
        replacement = replacementAt(v);
        return false;
    });
    return length;
}

} // namespace qs::text
