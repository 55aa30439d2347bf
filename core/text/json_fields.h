// SPDX-License-Identifier: Apache-2.0
// Typed fields of a JSON object, with errors that name the field, the rule and the value.
#pragma once

#include "core/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace qs::text {

/// A JSON value short enough for an error message.
std::string shortJson(const nlohmann::json& value);
/// The member, or null when absent or `object` is not an object.
const nlohmann::json* member(const nlohmann::json& object, const char* key);

/// Absent or null: `fallback`.
Result<bool> boolField(const nlohmann::json& object, const char* key, bool fallback,
                       const std::string& where);
/// Required; valid UTF-8 by JSON's own rules.
Result<std::string> stringField(const nlohmann::json& object, const char* key, const std::string& where);
/// Absent or null: "".
Result<std::string> optionalString(const nlohmann::json& object, const char* key, const std::string& where);
/// Required, exactly one character.
Result<std::string> oneCharacter(const nlohmann::json& object, const char* key, const std::string& where);
/// Required, a whole number in [lo, hi].
Result<long long> integerField(const nlohmann::json& object, const char* key, long long lo, long long hi,
                               const std::string& where);
/// Required array.
Result<const nlohmann::json*> arrayField(const nlohmann::json& object, const char* key,
                                         const std::string& where);
/// "type" of a component.
Result<std::string> componentType(const nlohmann::json& object, const std::string& where);

/// Sequences nest; a file may not nest them deeper than this.
inline constexpr int kMaxNesting = 16;
/// And a sequence may have this many members.
inline constexpr size_t kMaxSequence = 256;
/// Parts of a "Sequence" component, checked against both limits.
Result<const nlohmann::json*> sequenceField(const nlohmann::json& object, const char* key, int depth,
                                            const std::string& where);

} // namespace qs::text
