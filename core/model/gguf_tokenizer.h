// SPDX-License-Identifier: Apache-2.0
// The vocabulary in a GGUF file's metadata, both ways.
#pragma once

#include "core/checkpoint/gguf_metadata.h"
#include "core/checkpoint/gguf_writer.h"
#include "core/text/gguf_vocabulary.h"

namespace qs {

/// The keys tokenizer.ggml.* as they are; what is absent keeps its default. Errors name the key. NotFound
/// when there is no vocabulary, or it is "none".
Result<text::GgufVocabulary> ggufVocabulary(const GgufMetadata& metadata);
/// The inverse: the keys of everything that is set.
void setGgufVocabulary(const text::GgufVocabulary& vocabulary, GgufFields& fields);

} // namespace qs
