// SPDX-License-Identifier: Apache-2.0
// Patterns over paths with '/': "*" any run inside one part, "**" any run, "**/" also none at all, "?" one
// character. What the stars stood for can be used in a name: "{1}" is the first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qs {

inline constexpr size_t kMaxPathPattern = 256;
inline constexpr size_t kMaxPathStars = 8;

/// What each star stood for, or nullopt when `path` does not match. Work is taken from `budget`; once that is
/// 0, nothing matches any more. Precondition: the limits above hold for `pattern`.
std::optional<std::vector<std::string>> matchPath(std::string_view pattern, std::string_view path,
                                                  uint64_t& budget);

/// Number of stars in a pattern ("**" is one).
size_t pathStars(std::string_view pattern);

/// `text` with "{n}" replaced. nullopt when there is no star n.
std::optional<std::string> fillIn(std::string_view text, const std::vector<std::string>& stars);

} // namespace qs
