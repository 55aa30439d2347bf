// SPDX-License-Identifier: Apache-2.0
// The key-value part of an exported GGUF file, and what of a model it cannot say.
#pragma once

#include "core/export/gguf_tensors.h"
#include "core/text/gguf_vocabulary.h"

namespace qs {

/// What llama.cpp's architecture would compute otherwise than this model does, one sentence each: rotary
/// scalings, windows, activations and scales that the keys cannot express. Empty when it computes the same.
std::vector<std::string> ggufRefusals(const ModelSpec& spec, const GgufArchitecture& architecture);

/// The vocabulary as it is to be written, made from the folder's files. Nothing when the model has no
/// tokenizer, or comes from a GGUF file, whose keys are copied.
Result<std::optional<text::GgufVocabulary>> ggufVocabularyFor(const Model& model);

/// All keys: general.*, the architecture's, the tokenizer's and chat template, and quantoscope.* with the
/// plan, the calibration's fingerprint and the versions. The types of `outputs` are chosen already.
Result<GgufFields> ggufFields(const ExportSource& source, const GgufArchitecture& architecture,
                              const GgufOutputs& outputs);

} // namespace qs
