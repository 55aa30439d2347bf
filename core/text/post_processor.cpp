// SPDX-License-Identifier: Apache-2.0
#include "core/text/post_processor.h"

#include "core/text/json_fields.h"
#include "core/text/vocabulary.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::text {

using nlohmann::json;

namespace {

constexpr size_t kMaxTemplate = 256;

// special_tokens: {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}
Result<std::vector<int>> idsOfSpecial(const json& j, const std::string& name, const std::string& where) {
    const json* table = member(j, "special_tokens");
    const json* entry = table ? member(*table, name.c_str()) : nullptr;
    if (!entry) return Error::corrupt(fmt::format("'special_tokens' has no entry '{}'", name), where);
    QS_TRY(const json* list, arrayField(*entry, "ids", where + ".special_tokens." + name));
    std::vector<int> ids;
    for (const json& v : *list) {
        if (ids.size() >= kMaxTemplate || !v.is_number_integer() || v.get<long long>() < 0 ||
            v.get<long long>() > kMaxTokenId)
            return Error::corrupt(fmt::format("ids of '{}' must be at most {} numbers from 0 to {}", name,
                                              kMaxTemplate, kMaxTokenId),
                                  where);
        ids.push_back(v.get<int>());
    }
    return ids;
}

Result<Affixes> parseTemplate(const json& j, const std::string& where) {
    const std::string here = where + ".single";
    QS_TRY(const json* parts, arrayField(j, "single", where));
    if (parts->size() > kMaxTemplate)
        return Error::unsupported(
            fmt::format("a template may have {} parts, this one has {}", kMaxTemplate, parts->size()), here);
    Affixes affixes;
    bool seenText = false;
    for (const json& part : *parts) {
        if (const json* special = member(part, "SpecialToken")) {
            QS_TRY(const auto name, stringField(*special, "id", here));
            QS_TRY(const auto ids, idsOfSpecial(j, name, where));
            auto& to = seenText ? affixes.after : affixes.before;
            to.insert(to.end(), ids.begin(), ids.end());
        } else if (const json* sequence = member(part, "Sequence")) {
            QS_TRY(const auto name, stringField(*sequence, "id", here));
            if (name != "A" || seenText)
                return Error::unsupported(
                    fmt::format("the template must hold sequence A once; found '{}'", name), here);
            seenText = true;
        } else {
            return Error::corrupt(
                fmt::format("a template part is a SpecialToken or a Sequence, not {}", shortJson(part)),
                here);
        }
    }
    if (!seenText) return Error::unsupported("the template must hold sequence A once; it is missing", here);
    return affixes;
}

// "cls": ["<s>", 0]
Result<int> idOfPair(const json& j, const char* key, const std::string& where) {
    const json* v = member(j, key);
    if (!v || !v->is_array() || v->size() != 2 || !(*v)[1].is_number_integer() ||
        (*v)[1].get<long long>() < 0 || (*v)[1].get<long long>() > kMaxTokenId)
        return Error::corrupt(fmt::format("'{}' must be [token, id]", key), where);
    return (*v)[1].get<int>();
}

Result<Affixes> parseSequence(const json& j, const std::string& where, int depth) {
    QS_TRY(const json* list, sequenceField(j, "processors", depth, where));
    Affixes all;
    for (size_t i = 0; i < list->size(); ++i) {
        QS_TRY(const auto part,
               parsePostProcessor((*list)[i], fmt::format("{}.processors[{}]", where, i), depth + 1));
        all.before.insert(all.before.begin(), part.before.begin(), part.before.end());
        all.after.insert(all.after.end(), part.after.begin(), part.after.end());
        if (all.before.size() + all.after.size() > kMaxTemplate)
            return Error::unsupported(fmt::format("more than {} special tokens are added", kMaxTemplate),
                                      where);
    }
    return all;
}

} // namespace

Result<Affixes> parsePostProcessor(const json& j, const std::string& where, int depth) {
    QS_TRY(const std::string type, componentType(j, where));
    if (type == "Sequence") return parseSequence(j, where, depth);
    if (type == "ByteLevel") return Affixes{}; // it only trims offsets
    if (type == "TemplateProcessing") return parseTemplate(j, where);
    if (type == "BertProcessing" || type == "RobertaProcessing") {
        QS_TRY(const int cls, idOfPair(j, "cls", where));
        QS_TRY(const int sep, idOfPair(j, "sep", where));
        return Affixes{{cls}, {sep}};
    }
    return Error::unsupported(fmt::format("post-processor type '{}' is not supported", type), where);
}

} // namespace qs::text
