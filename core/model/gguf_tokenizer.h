// SPDX-License-Identifier: Apache-2.0
// The vocabulary in a GGUF file's metadata.
#pragma once

#include "core/checkpoint/gguf_metadata.h"
#include "core/text/gguf_vocabulary.h"

namespace qs {

/// The keys tokenizer.ggml.* as they are; what is absent keeps its default. Errors name the key. NotFound
/// when there is no vocabulary, or it is "none".
Result<text::GgufVocabulary> ggufVocabulary(const GgufMetadata& metadata);

} // namespace qs
