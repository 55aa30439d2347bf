// SPDX-License-Identifier: Apache-2.0
#include "core/text/pipeline.h"

#include "core/text/byte_alphabet.h"
#include "core/text/decoder.h"
#include "core/text/display.h"
#include "core/text/json_fields.h"
#include "core/text/normalizer.h"
#include "core/text/post_processor.h"
#include "core/text/pre_tokenizer.h"
#include "core/text/unicode.h"
#include "core/text/word_cache.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::text {

using nlohmann::json;

namespace {

struct Parts {
    std::shared_ptr<const Normalizer> normalizer;     // may be null
    std::shared_ptr<const PreTokenizer> preTokenizer; // may be null
    std::shared_ptr<const TokenModel> model;
    std::shared_ptr<const Decoder> decoder; // may be null
    AddedTokens added;
    Affixes affixes;
    SpecialIds special;
    bool byteLevel = false;
    std::string format, fingerprint;
};

class PipelineTokenizer final : public Tokenizer {
public:
    explicit PipelineTokenizer(Parts parts) : p_(std::move(parts)) {}

    Result<std::vector<int>> encode(std::string_view text, bool addSpecial) const override;
    Result<std::string> decode(const std::vector<int>& ids, bool skipSpecial) const override;
    std::string piece(int id) const override;
    std::string display(int id) const override;
    int vocabularySize() const override { return std::max(p_.model->vocabulary().size(), p_.added.size()); }
    int bosId() const override { return p_.special.bos; }
    int eosId() const override { return p_.special.eos; }
    std::string description() const override;
    std::string fingerprint() const override { return p_.fingerprint; }

private:
    Parts p_;
};

Result<std::vector<int>> PipelineTokenizer::encode(std::string_view text, bool addSpecial) const {
    std::string repaired;
    if (!isValidUtf8(text)) {
        repaired = replaceBadUtf8(text, BadUtf8::PerSubpart);
        text = repaired;
    }
    QS_TRY(auto tokens, p_.added.extract(text, p_.normalizer.get()));
    if (p_.preTokenizer) QS_CHECK(p_.preTokenizer->apply(tokens));
    std::vector<int> ids;
    ids.reserve(text.size() / 3 + 8);
    if (addSpecial) ids = p_.affixes.before;
    QS_CHECK(p_.model->encode(tokens, ids));
    if (addSpecial) ids.insert(ids.end(), p_.affixes.after.begin(), p_.affixes.after.end());
    return ids;
}

Result<std::string> PipelineTokenizer::decode(const std::vector<int>& ids, bool skipSpecial) const {
    std::vector<std::string> pieces;
    pieces.reserve(ids.size());
    for (const int id : ids) {
        if (const AddedToken* t = p_.added.find(id)) {
            if (!(t->special && skipSpecial)) pieces.push_back(t->spelling);
            continue;
        }
        const std::string* piece = p_.model->vocabulary().piece(id);
        if (!piece)
            return Error::invalid(
                fmt::format("token id {} is not in the vocabulary (0 to {})", id, vocabularySize() - 1));
        pieces.push_back(*piece);
    }
    if (p_.decoder) QS_CHECK(p_.decoder->apply(pieces));
    std::string text;
    for (size_t i = 0; i < pieces.size(); ++i) {
        if (i > 0 && !p_.decoder) text += ' ';
        text += pieces[i];
    }
    return text;
}

std::string PipelineTokenizer::piece(int id) const {
    if (const AddedToken* t = p_.added.find(id)) return t->content;
    const std::string* piece = p_.model->vocabulary().piece(id);
    return piece ? *piece : std::string();
}

std::string PipelineTokenizer::display(int id) const {
    const std::string spelling = piece(id);
    if (p_.added.find(id)) return visibleText(spelling);
    std::string bytes;
    if (p_.byteLevel && appendBytesOf(bytes, spelling)) return visibleText(bytes);
    if (const int b = p_.model->hasByteFallback() ? byteOfPiece(spelling) : -1; b >= 0)
        return visibleText(std::string(1, char(b)));
    return visibleText(p_.byteLevel ? spelling : spacesForMarks(spelling));
}

std::string PipelineTokenizer::description() const {
    const char* kind = p_.byteLevel ? ", byte-level" : p_.model->hasByteFallback() ? ", byte fallback" : "";
    return fmt::format("{} ({}{})", p_.format, p_.model->family(), kind);
}

// Whether a component, or a part of a sequence of them, has this type.
bool hasType(const json& component, const char* type) {
    if (!component.is_object()) return false;
    if (const json* t = member(component, "type");
        t && t->is_string() && t->get_ref<const std::string&>() == type)
        return true;
    for (const char* key : {"normalizers", "pretokenizers", "decoders"})
        if (const json* parts = member(component, key); parts && parts->is_array())
            for (const json& part : *parts)
                if (hasType(part, type)) return true;
    return false;
}

// Null when the component is absent; `parse` otherwise.
template<class T, class F>
Result<void> parseOptional(const json& j, const char* key, const std::string& name, F parse, T& out) {
    const json* v = member(j, key);
    if (!v || v->is_null()) return {};
    QS_TRY(out, parse(*v, name + ": " + key, 0));
    return {};
}

Result<void> findSpecial(const PipelineSetup& setup, Parts& p) {
    const auto idOf = [&](std::string_view piece) {
        const AddedToken* t = p.added.find(piece);
        return t ? t->id : p.model->vocabulary().find(piece);
    };
    p.special = setup.special ? *setup.special : findSpecialIds(setup.config, p.affixes, idOf);
    if (setup.affixes)
        p.affixes = *setup.affixes;
    else
        QS_CHECK(applyConfig(setup.config, p.special, p.affixes));
    for (const auto* list : {&p.affixes.before, &p.affixes.after})
        for (const int id : *list)
            if (!p.added.find(id) && !p.model->vocabulary().piece(id))
                return Error::corrupt(fmt::format("special token id {} is not in the vocabulary", id),
                                      setup.name + ": post_processor");
    return {};
}

} // namespace

Result<std::shared_ptr<const Tokenizer>> makePipelineTokenizer(const json& components,
                                                               std::shared_ptr<const TokenModel> model,
                                                               const PipelineSetup& setup) {
    Parts p;
    p.model = std::move(model);
    p.format = setup.format;
    p.fingerprint = setup.fingerprint;
    const std::string& name = setup.name;
    QS_CHECK(parseOptional(components, "normalizer", name, parseNormalizer, p.normalizer));
    QS_CHECK(parseOptional(components, "pre_tokenizer", name, parsePreTokenizer, p.preTokenizer));
    QS_CHECK(parseOptional(components, "post_processor", name, parsePostProcessor, p.affixes));
    QS_CHECK(parseOptional(components, "decoder", name, parseDecoder, p.decoder));
    for (const char* key : {"normalizer", "pre_tokenizer", "decoder"})
        if (const json* v = member(components, key)) p.byteLevel = p.byteLevel || hasType(*v, "ByteLevel");
    if (const json* list = member(components, "added_tokens")) {
        QS_TRY(p.added,
               AddedTokens::parse(*list, p.model->vocabulary(), p.normalizer.get(), name + ": added_tokens"));
    }
    QS_CHECK(findSpecial(setup, p));
    return std::shared_ptr<const Tokenizer>(std::make_shared<PipelineTokenizer>(std::move(p)));
}

} // namespace qs::text
