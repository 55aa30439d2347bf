// SPDX-License-Identifier: Apache-2.0
// Scripts of Unicode (UAX #24), from Oniguruma's tables.
#pragma once

namespace qs::text {

/// A number for the character's script, the same for characters of one script; -1 for unassigned ones.
/// Thread-safe.
int scriptOf(char32_t c);
/// scriptOf with the exceptions of SentencePiece's trainer, which the UnicodeScripts pre-tokenizer shares:
/// Hiragana, Katakana and U+30FC count as Han, and " " belongs to every script (-1).
int joinedScriptOf(char32_t c);

} // namespace qs::text
