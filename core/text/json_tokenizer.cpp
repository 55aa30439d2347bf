// SPDX-License-Identifier: Apache-2.0
// tokenizer.json. "truncation" and "padding" are not applied: they are defaults for batches, which Hugging
// Face's own callers override.
#include "core/text/json_fields.h"
#include "core/text/loaders.h"
#include "core/text/pipeline.h"

#include <nlohmann/json.hpp>

namespace qs::text {

Result<std::shared_ptr<const Tokenizer>> tokenizerFromJson(const std::string& text,
                                                           const std::string& configJson,
                                                           const std::string& name,
                                                           const std::string& fingerprint) {
    PipelineSetup setup;
    QS_TRY(setup.config, TokenizerConfig::parse(configJson));
    setup.format = "tokenizer.json";
    setup.name = name;
    setup.fingerprint = fingerprint;
    const auto j = nlohmann::json::parse(text, nullptr, false);
    if (j.is_discarded()) return Error::corrupt("is not valid JSON", name);
    if (!j.is_object()) return Error::corrupt("must hold a JSON object", name);
    const auto* model = member(j, "model");
    if (!model) return Error::corrupt("'model' is missing", name);
    QS_TRY(auto parsed, parseTokenModel(*model, name + ": model"));
    return makePipelineTokenizer(j, std::move(parsed), setup);
}

} // namespace qs::text
