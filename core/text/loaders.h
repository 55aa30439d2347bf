// SPDX-License-Identifier: Apache-2.0
// The two file formats from memory, and the tokenizer among a model's files. `name` goes into errors,
// `fingerprint` into the tokenizer.
#pragma once

#include "core/base/named_files.h"
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

/// As loadTokenizer of a folder; `place` is named when there is none.
Result<std::shared_ptr<const Tokenizer>> tokenizerAmong(const NamedFiles& files, const std::string& place);

} // namespace qs::text
