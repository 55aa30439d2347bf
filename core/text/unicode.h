// SPDX-License-Identifier: Apache-2.0
// UTF-8 and the character properties tokenizers need. Properties are those of the engines the reference
// implementation uses (Rust's char methods and its regex crate), so that word and whitespace borders fall in
// the same places.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace qs::text {

inline constexpr char32_t kReplacement = 0xFFFD;

/// One decoded character: `length` bytes were read, at least 1. `valid` is false for a malformed sequence;
/// then `value` is U+FFFD and `length` is the maximal subpart (Unicode 15, section 3.9, "U+FFFD Substitution
/// of Maximal Subparts").
struct Decoded {
    char32_t value = kReplacement;
    unsigned length = 1;
    bool valid = false;
};
/// Requires pos < text.size().
Decoded decodeUtf8(std::string_view text, size_t pos);
/// Bytes of the character at `pos` (1 for a malformed one's first byte). Requires pos < text.size().
unsigned utf8Length(std::string_view text, size_t pos);
/// Start of the character that ends before `pos` (0 < pos <= size) in valid UTF-8.
size_t previousUtf8(std::string_view text, size_t pos);
/// Bytes of the extended grapheme cluster (UAX #29) that begins at `pos` (< text.size()), a cluster's start.
size_t graphemeLength(std::string_view text, size_t pos);
void appendUtf8(std::string& out, char32_t value);
bool isValidUtf8(std::string_view text);
bool isAscii(std::string_view text);

/// What a malformed sequence becomes: one U+FFFD for its maximal subpart (Rust, Python, browsers), or one for
/// each of its bytes (SentencePiece).
enum class BadUtf8 { PerSubpart, PerByte };
std::string replaceBadUtf8(std::string_view text, BadUtf8 how);

/// White_Space.
bool isWhitespace(char32_t c);
/// General category N*.
bool isNumeric(char32_t c);
/// ASCII punctuation and general category P*.
bool isPunctuation(char32_t c);
/// \w of UTS #18: Alphabetic, M*, Nd, Pc, Join_Control.
bool isWordCharacter(char32_t c);
/// General category M*.
bool isCombiningMark(char32_t c);
/// General category Mn.
bool isNonspacingMark(char32_t c);
/// General category C*: control, format, surrogate, private use, unassigned.
bool isOther(char32_t c);
/// Unassigned, control, format, surrogate, private use or separator other than U+0020: nothing to see on a
/// screen.
bool isInvisible(char32_t c);
/// The full lower-case mapping without context rules (as Rust's char::to_lowercase).
void appendLowercase(std::string& out, char32_t c);

/// Normalization forms of UAX #15. `text` must be valid UTF-8. Time is n log n at worst, also for runs of
/// combining marks.
enum class NormalForm { Nfc, Nfd, Nfkc, Nfkd };
Result<std::string> normalizeUnicode(std::string_view text, NormalForm form);

} // namespace qs::text
