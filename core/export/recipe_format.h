// SPDX-License-Identifier: Apache-2.0
// Recipe formats: what other tools call a recipe, read into schemes for one model and written from a plan
// (recipe_formats.def + recipe_formats/<id>.cpp).
#pragma once

#include "core/recipe/recipe.h"

#include <span>
#include <string_view>

namespace qs {

/// One pattern, rule or name of a file, and how many linears of the model it matched.
struct RecipePattern {
    std::string text;
    size_t matched = 0;
};

struct ForeignRecipe {
    std::vector<std::optional<Scheme>> schemes; ///< one per target of the model; none: kept
    std::vector<RecipePattern> patterns;        ///< in the order of the file
    std::vector<std::string> notes;             ///< what else it says, for people
};

inline constexpr size_t kLargestRecipeText = size_t(64) << 20; ///< bytes of a file that is read

/// A text to read, with the file it is from, for errors.
struct RecipeText {
    std::string_view text;
    std::string where;
};

struct RecipeFormatDescriptor {
    std::string id;
    std::string label, summary, citation;
    std::string extension; ///< "yaml"
    /// Whether a text looks like it: enough to tell the formats apart.
    bool (*looksLike)(std::string_view text) = nullptr;
    /// `base` says what the file does not: the method, and the codec where the file names only bits.
    Result<ForeignRecipe> (*read)(const RecipeText& text, const Model& model, const Scheme& base) = nullptr;
    /// Unsupported, with the linear, for schemes that the format has no words for.
    Result<std::string> (*write)(const Plan& plan, const Model& model) = nullptr;
};

std::span<const RecipeFormatDescriptor* const> recipeFormats();
/// NotFound lists the known ids.
Result<const RecipeFormatDescriptor*> findRecipeFormat(const std::string& id);
/// The first that the text looks like; nullptr when there is none.
const RecipeFormatDescriptor* recipeFormatOf(std::string_view text);

/// Corrupt or Unsupported for what the text says wrongly; a pattern that matches nothing is an error that
/// names it. Complexity: patterns x linears.
Result<ForeignRecipe> readForeignRecipe(const RecipeFormatDescriptor& format, const RecipeText& text,
                                        const Model& model, const Scheme& base);
/// The plan in the format's words. What was written is read back: Unsupported when that would not give the
/// same schemes, with the first linear and both of its schemes.
Result<std::string> writeForeignRecipe(const RecipeFormatDescriptor& format, const Plan& plan,
                                       const Model& model);

// --- What the formats share ---

/// `base` with another codec: its own parameters where it is of this codec, else the registry's defaults,
/// with `params` on top.
Result<Scheme> schemeWithCodec(const Scheme& base, const std::string& codec, const nlohmann::json& params,
                               const std::string& where);
/// Codec `int`; `group` -1: one scale per output.
Result<Scheme> integerScheme(const Scheme& base, int bits, long long group, bool symmetric,
                             const std::string& where);

} // namespace qs
