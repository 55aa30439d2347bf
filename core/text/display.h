// SPDX-License-Identifier: Apache-2.0
// How a token's bytes look to a person: what cannot be seen is named.
#pragma once

#include <string>
#include <string_view>

namespace qs::text {

/// Spaces as "␣", line feed, tab and carriage return as "\n" "\t" "\r", bytes that are not UTF-8 as "<0xE2>",
/// other invisible characters as "<U+200B>". The rest as it is.
std::string visibleText(std::string_view bytes);

} // namespace qs::text
