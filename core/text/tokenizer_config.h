// SPDX-License-Identifier: Apache-2.0
// The keys of tokenizer_config.json that change ids.
#pragma once

#include "core/base/result.h"
#include "core/text/post_processor.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace qs::text {

struct TokenizerConfig {
    std::optional<bool> addBos, addEos;
    std::optional<std::string> bosToken, eosToken; ///< as text

    /// `text` is the file's text or "". Tokens may be strings or objects with "content".
    static Result<TokenizerConfig> parse(const std::string& text);
};

struct SpecialIds {
    int bos = -1, eos = -1;
};

/// Ids of BOS and EOS: the config's tokens, else a single affix, else a customary name. `idOf` gives -1 for
/// an unknown piece.
SpecialIds findSpecialIds(const TokenizerConfig& config, const Affixes& affixes,
                          const std::function<int(std::string_view)>& idOf);
/// Adds or removes BOS in front and EOS at the end as add_bos_token / add_eos_token say; a key that is absent
/// changes nothing. Error::corrupt when a token is to be added that the vocabulary lacks.
Result<void> applyConfig(const TokenizerConfig& config, SpecialIds ids, Affixes& affixes);

} // namespace qs::text
