// SPDX-License-Identifier: Apache-2.0
// A GGUF file as the Hugging Face checkpoint that it was made from: config.json from the metadata, tensors
// under their original names and in their original layout.
#pragma once

#include "core/checkpoint/gguf_names.h"
#include "core/checkpoint/gguf_set.h"
#include "core/checkpoint/gguf_view.h"

#include <nlohmann/json.hpp>

namespace qs {

/// The sizes that names, layouts and config depend on.
struct GgufDims {
    uint64_t hidden = 0, blocks = 0, feedForward = 0, vocabulary = 0, context = 0;
    uint64_t heads = 0, kvHeads = 0, headDim = 0, ropeDim = 0;
    uint64_t experts = 0, expertsUsed = 0;
};

/// From the keys "<architecture>.*" and the embedding's shape; errors name the key.
Result<GgufDims> ggufDims(const GgufArchitecture& architecture, const GgufSet& set);

/// config.json as transformers (v4 spelling) would have it; `tie_word_embeddings` when there is no output
/// matrix.
Result<nlohmann::json> ggufConfig(const GgufArchitecture& architecture, const GgufDims& dims,
                                  const GgufSet& set);

struct GgufModel {
    nlohmann::json config;       ///< null when `reason` says why
    std::vector<GgufView> views; ///< what is presented, in file order
    std::string reason;          ///< why the tensors keep the file's own names and there is no config, or ""
};

/// Never fails for an architecture that is not known or whose metadata does not fit: then the tensors are
/// shown as they are, with the reason. Errors: two tensors would get the same name.
Result<GgufModel> presentGguf(const GgufSet& set);

} // namespace qs
