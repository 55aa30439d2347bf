// SPDX-License-Identifier: Apache-2.0
#include "core/text/model.h"

#include "core/text/bpe.h"
#include "core/text/json_fields.h"
#include "core/text/unigram.h"
#include "core/text/word_models.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::text {

using nlohmann::json;

Result<Vocabulary> parseVocabulary(const json& j, const std::string& where) {
    const json* list = member(j, "vocab");
    if (!list || !list->is_object()) return Error::corrupt("'vocab' must be an object of piece: id", where);
    Vocabulary vocabulary;
    for (const auto& [piece, id] : list->items()) {
        if (!id.is_number_integer())
            return Error::corrupt(fmt::format("id of '{}' must be a whole number", piece), where + ".vocab");
        QS_CHECK(vocabulary.add(piece, id.get<long long>(), where + ".vocab"));
    }
    if (vocabulary.count() == 0) return Error::corrupt("'vocab' is empty", where);
    return vocabulary;
}

namespace {

// Files from before 2021 leave the type out; then the members tell.
Result<std::string> modelType(const json& j, const std::string& where) {
    if (member(j, "type")) return stringField(j, "type", where);
    if (member(j, "merges")) return std::string("BPE");
    if (member(j, "max_input_chars_per_word")) return std::string("WordPiece");
    if (const json* vocab = member(j, "vocab"); vocab && vocab->is_array()) return std::string("Unigram");
    return Error::unsupported("a model without 'type' and without the members of a known type", where);
}

} // namespace

Result<std::shared_ptr<const TokenModel>> parseTokenModel(const json& j, const std::string& where) {
    if (!j.is_object()) return Error::corrupt(fmt::format("must be an object, not {}", shortJson(j)), where);
    QS_TRY(const std::string type, modelType(j, where));
    if (type == "BPE") return parseBpe(j, where);
    if (type == "Unigram") return parseUnigram(j, where);
    if (type == "WordPiece") return parseWordPiece(j, where);
    if (type == "WordLevel") return parseWordLevel(j, where);
    return Error::unsupported(
        fmt::format("model type '{}' is not supported; known: BPE, Unigram, WordPiece, WordLevel", type),
        where);
}

} // namespace qs::text
