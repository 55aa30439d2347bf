// SPDX-License-Identifier: Apache-2.0
// What the tests of recipe formats share: the sample model, schemes by hand, and random recipes.
#pragma once

#include "core/export/recipe_format.h"
#include "tests/support/qs_test.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

namespace qs::test {

inline std::shared_ptr<const Model> sample() {
    static const auto model = openModel(sampleModel());
    return model ? *model : nullptr;
}

inline Scheme scheme(const char* codec, const char* method, const nlohmann::json& params) {
    Scheme s = Scheme::make(codec, method).value();
    s.codecParams = Params::fromJson((*findCodec(codec))->params, params, "test").value();
    return s;
}

inline size_t targetOf(const Model& model, const std::string& module) {
    for (size_t t = 0; t < model.targets().size(); ++t)
        if (model.targets()[t].module == module) return t;
    return size_t(-1);
}

inline Result<ForeignRecipe> readAs(const char* format, const std::string& text, const Scheme& base,
                                    const Model& model = *sample()) {
    QS_TRY(const RecipeFormatDescriptor* f, findRecipeFormat(format));
    return readForeignRecipe(*f, {text, "recipe.txt"}, model, base);
}

inline Result<std::string> writeAs(const char* format, const std::vector<std::optional<Scheme>>& schemes,
                                   const Model& model = *sample()) {
    QS_TRY(const RecipeFormatDescriptor* f, findRecipeFormat(format));
    return writeForeignRecipe(*f, planFromSchemes(schemes, model, 0), model);
}

/// Schemes drawn from `choices` (none: kept), one for every fused group.
inline std::vector<std::optional<Scheme>> randomSchemes(const std::vector<std::optional<Scheme>>& choices,
                                                        const Model& model, std::mt19937_64& random) {
    std::map<std::string, size_t> ofGroup;
    std::vector<std::optional<Scheme>> out;
    for (const QuantTarget& t : model.targets()) {
        const size_t drawn = random() % choices.size();
        const std::string key = t.fusedGroup.empty() ? t.module : t.fusedGroup;
        out.push_back(choices[ofGroup.emplace(key, drawn).first->second]);
    }
    return out;
}

/// What is written is told from other formats, and is read as the same schemes.
inline void roundTrips(const char* format, const std::vector<std::optional<Scheme>>& choices) {
    std::mt19937_64 random(5);
    for (int turn = 0; turn < 50; ++turn) {
        const auto schemes = randomSchemes(choices, *sample(), random);
        const auto first =
            std::find_if(schemes.begin(), schemes.end(), [](const auto& s) { return bool(s); });
        if (first == schemes.end()) continue;
        const auto text = writeAs(format, schemes);
        QS_VERIFY_OK(text);
        const RecipeFormatDescriptor* told = recipeFormatOf(*text);
        QVERIFY2(told && told->id == format, text->c_str());
        const auto back = readAs(format, *text, **first);
        QS_VERIFY_OK(back);
        for (size_t t = 0; t < schemes.size(); ++t)
            QVERIFY2(back->schemes[t] == schemes[t], sample()->targets()[t].module.c_str());
        for (const RecipePattern& p : back->patterns)
            QVERIFY(p.matched > 0);
    }
}

inline void refused(const Result<ForeignRecipe>& r, const char* part) {
    QVERIFY(!r);
    QVERIFY2(r.error().describe().find(part) != std::string::npos, r.error().describe().c_str());
}
inline void refused(const Result<std::string>& r, const char* part) {
    QVERIFY(!r);
    QVERIFY2(r.error().describe().find(part) != std::string::npos, r.error().describe().c_str());
}

} // namespace qs::test
