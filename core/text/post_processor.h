// SPDX-License-Identifier: Apache-2.0
// Post-processors of tokenizer.json, for one sequence: ids put before and after the text's own.
// Known: TemplateProcessing Sequence ByteLevel BertProcessing RobertaProcessing; others are
// Error::unsupported.
#pragma once

#include "core/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace qs::text {

struct Affixes {
    std::vector<int> before, after;
};

/// The component as written in the file; `where` is its path there.
Result<Affixes> parsePostProcessor(const nlohmann::json& json, const std::string& where, int depth = 0);

} // namespace qs::text
