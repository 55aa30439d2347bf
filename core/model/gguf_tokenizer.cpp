// SPDX-License-Identifier: Apache-2.0
#include "core/model/gguf_tokenizer.h"

#include <limits>

namespace qs {

namespace {

constexpr std::string_view kPrefix = "tokenizer.ggml.";

using text::GgufVocabulary;

constexpr std::pair<const char*, int GgufVocabulary::*> kIds[] = {
    {"bos_token_id", &GgufVocabulary::bos},     {"eos_token_id", &GgufVocabulary::eos},
    {"unknown_token_id", &GgufVocabulary::unk}, {"seperator_token_id", &GgufVocabulary::sep}, // so spelled
    {"padding_token_id", &GgufVocabulary::pad}, {"cls_token_id", &GgufVocabulary::cls},
    {"mask_token_id", &GgufVocabulary::mask}};

constexpr std::pair<const char*, std::optional<bool> GgufVocabulary::*> kFlags[] = {
    {"add_bos_token", &GgufVocabulary::addBos},
    {"add_eos_token", &GgufVocabulary::addEos},
    {"add_space_prefix", &GgufVocabulary::addSpacePrefix},
    {"remove_extra_whitespaces", &GgufVocabulary::removeExtraWhitespaces}};

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

Result<GgufVocabulary> ggufVocabulary(const GgufMetadata& m) {
    GgufVocabulary v;
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
    for (const auto& [name, id] : kIds)
        QS_CHECK(readId(m, name, v.*id));
    for (const auto& [name, flag] : kFlags)
        QS_CHECK(readFlag(m, name, v.*flag));
    return v;
}

void setGgufVocabulary(const GgufVocabulary& v, GgufFields& fields) {
    fields.text(keyOf("model"), v.model);
    if (!v.pre.empty()) fields.text(keyOf("pre"), v.pre);
    fields.texts(keyOf("tokens"), v.tokens);
    if (!v.scores.empty()) fields.floats(keyOf("scores"), v.scores);
    if (!v.types.empty()) fields.integers(keyOf("token_type"), v.types);
    if (!v.merges.empty()) fields.texts(keyOf("merges"), v.merges);
    if (!v.precompiledCharsmap.empty()) fields.octets(keyOf("precompiled_charsmap"), v.precompiledCharsmap);
    for (const auto& [name, id] : kIds)
        if (v.*id >= 0) fields.u32(keyOf(name), uint32_t(v.*id));
    for (const auto& [name, flag] : kFlags)
        if (v.*flag) fields.boolean(keyOf(name), *(v.*flag));
}

} // namespace qs
