// SPDX-License-Identifier: Apache-2.0
// The two file formats from memory. `name` goes into errors, `fingerprint` into the tokenizer.
#pragma once

#include "core/text/tokenizer.h"

namespace qs::text {

Result<std::shared_ptr<const Tokenizer>> tokenizerFromJson(const std::string& json,
                                                           const std::string& configJson,
                                                           const std::string& name,
                                                           const std::string& fingerprint);
Result<std::shared_ptr<const Tokenizer>> tokenizerFromSentencePiece(std::string_view bytes,
                                                                    const std::string& configJson,
                                                                    const std::string& name,
                                                                    const std::string& fingerprint);

} // namespace qs::text
