// SPDX-License-Identifier: Apache-2.0
// Decoders of tokenizer.json: from pieces back to text. Each step maps a list of strings to a list of
// strings; the result is their concatenation. Behaviour follows Hugging Face tokenizers. Known: ByteLevel
// Sequence Replace ByteFallback Fuse Strip Metaspace WordPiece CTC BPEDecoder; others are Error::unsupported.
#pragma once

#include "core/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>
#include <vector>

namespace qs::text {

/// Immutable and thread-safe.
class Decoder {
public:
    virtual ~Decoder() = default;
    virtual Result<void> apply(std::vector<std::string>& pieces) const = 0;
};

/// The component as written in the file; `where` is its path there.
Result<std::shared_ptr<const Decoder>> parseDecoder(const nlohmann::json& json, const std::string& where,
                                                    int depth = 0);

/// Value of "<0x0A>", -1 when the piece has another form.
int byteOfPiece(const std::string& piece);

} // namespace qs::text
