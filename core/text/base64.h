// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace qs::text {

/// Bytes of a base64 text (RFC 4648, section 4, padded); nothing when it is malformed.
std::optional<std::string> decodeBase64(std::string_view text);

} // namespace qs::text
