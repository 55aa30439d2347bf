// SPDX-License-Identifier: Apache-2.0
// The 256 printable characters that stand for bytes in byte-level vocabularies: 33-126, 161-172 and 174-255
// stand for themselves, the others for 256, 257, ... in order (Radford et al. 2019, encoder.py of GPT-2).
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace qs::text {

/// Byte -> code point.
const std::array<char32_t, 256>& byteAlphabet();
/// Code point -> byte, -1 when it is not in the alphabet.
int byteOfCharacter(char32_t c);
/// Appends the alphabet's spelling of some bytes.
void appendByteLevel(std::string& out, std::string_view bytes);
/// Bytes of a spelling; false (and nothing appended) when a character is not in the alphabet.
bool appendBytesOf(std::string& out, std::string_view spelling);

} // namespace qs::text
