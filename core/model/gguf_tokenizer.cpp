// SPDX-License-Identifier: Apache-2.0
#include "core/model/gguf_tokenizer.h"

#include <limits>

namespace qs {

namespace {

constexpr std::string_view kPrefix = "tokenizer.ggml.";

std::string keyOf(std::string_view name) {
    return std::string(kPrefix) + std::string(name);
}

Result<void> readId(const GgufMetadata& m, std::string_view name, int& id) {
    const std::string key = keyOf(name);
    if (!m.has(key)) return {};
    QS_TRY(const uint64_t value, m.size(key, std::numeric_limits<uint32_t>::max()));
    // Some writers store -1, "none", as an unsigned number.
    id = value > uint64_t(std::numeric_limits<int>::max()) ? -1 : int(value);
    return {};
}

Result<void> readFlag(const GgufMetadata& m, std::string_view name, std::optional<bool>& flag) {
    const std::string key = keyOf(name);
    if (!m.has(key)) return {};
    QS_TRY(flag, m.booleanOr(key, false));
    return {};
}

} // namespace

Result<text::GgufVocabulary> ggufVocabulary(const GgufMetadata& m) {
    text::GgufVocabulary v;
    QS_TRY(const std::string_view model, m.textOr(keyOf("model"), "none"));
    if (model == "none") return Error::notFound("the file has no vocabulary", m.place(keyOf("model")));
    QS_TRY(const std::string_view pre, m.textOr(keyOf("pre"), ""));
    v.model = std::string(model);
    v.pre = std::string(pre);
    QS_TRY(v.tokens, m.texts(keyOf("tokens")));
    QS_TRY(v.scores, m.floats(keyOf("scores")));
    QS_TRY(v.types, m.integers(keyOf("token_type")));
    QS_TRY(v.merges, m.texts(keyOf("merges")));
    QS_TRY(v.precompiledCharsmap, m.octets(keyOf("precompiled_charsmap")));
    for (const auto& [name, id] :
         {std::pair("bos_token_id", &v.bos), std::pair("eos_token_id", &v.eos),
          std::pair("unknown_token_id", &v.unk), std::pair("seperator_token_id", &v.sep),
          std::pair("padding_token_id", &v.pad), std::pair("cls_token_id", &v.cls),
          std::pair("mask_token_id", &v.mask)})
        QS_CHECK(readId(m, name, *id));
    for (const auto& [name, flag] :
         {std::pair("add_bos_token", &v.addBos), std::pair("add_eos_token", &v.addEos),
          std::pair("add_space_prefix", &v.addSpacePrefix),
          std::pair("remove_extra_whitespaces", &v.removeExtraWhitespaces)})
        QS_CHECK(readFlag(m, name, *flag));
    return v;
}

} // namespace qs
