// SPDX-License-Identifier: Apache-2.0
// The pipeline of Hugging Face tokenizers, whatever file its parts came from: added tokens > normalizer >
// pre-tokenizer > model > post-processor, and the decoder.
#pragma once

#include "core/text/added_tokens.h"
#include "core/text/model.h"
#include "core/text/tokenizer.h"
#include "core/text/tokenizer_config.h"

#include <optional>

namespace qs::text {

struct PipelineSetup {
    std::string format; ///< for people: "tokenizer.json"
    std::string name;   ///< for errors: the file's name
    std::string fingerprint;
    TokenizerConfig config;
    std::optional<SpecialIds> special; ///< found by name when absent
    std::optional<Affixes> affixes;    ///< instead of the post-processor's and what the config asks for
};

/// `components` has the members "added_tokens", "normalizer", "pre_tokenizer", "post_processor" and "decoder"
/// of tokenizer.json, each as it is written there, or not at all.
Result<std::shared_ptr<const Tokenizer>> makePipelineTokenizer(const nlohmann::json& components,
                                                               std::shared_ptr<const TokenModel> model,
                                                               const PipelineSetup& setup);

} // namespace qs::text
