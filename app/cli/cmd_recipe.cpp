// SPDX-License-Identifier: Apache-2.0
#include "app/cli/quantize_steps.h"
#include "app/cli/scheme_flags.h"
#include "app/cli/text.h"
#include "core/base/file.h"
#include "core/export/clone_recipe.h"
#include "core/report/plan_summary.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

struct RecipeCommand {
    std::string model, from, format, clone, as = "quantoscope", output;
    SchemeFlags scheme;
};

Result<ForeignRecipe> readFrom(const RecipeCommand& o, const Model& model, const Scheme& base) {
    QS_TRY(const std::string text, readTextFile(o.from, kLargestRecipeText));
    const RecipeFormatDescriptor* format = recipeFormatOf(text);
    if (!o.format.empty()) {
        QS_TRY(format, findRecipeFormat(o.format));
    }
    if (!format) return Error::unsupported("looks like no known recipe: name its --from-format", o.from);
    return readForeignRecipe(*format, {text, o.from}, model, base);
}

/// The schemes for the model, and what is to be told about where they are from.
Result<ForeignRecipe> schemesFor(const RecipeCommand& o, const Model& model, const Recipe& flags) {
    const Scheme* base =
        !flags.rules.empty() && flags.rules.front().scheme ? &*flags.rules.front().scheme : nullptr;
    if (!o.from.empty() || !o.clone.empty()) {
        if (!base)
            return Error::invalid("names no scheme for what the other recipe does not say", "--recipe");
        if (!o.from.empty()) return readFrom(o, model, *base);
        QS_TRY(const auto other, openModel(o.clone));
        return cloneRecipe(*other, model, *base);
    }
    const Plan plan = resolvePlan(flags, model);
    QS_CHECK(requirePlan(plan));
    ForeignRecipe out;
    for (const PlanEntry& e : plan.entries)
        out.schemes.push_back(e.scheme);
    return out;
}

Result<std::string> wordsFor(const RecipeCommand& o, const Plan& plan, const Model& model) {
    if (o.as == "quantoscope") return recipeOfPlan(plan, "").toJson().dump(2) + "\n";
    QS_TRY(const RecipeFormatDescriptor* format, findRecipeFormat(o.as));
    return writeForeignRecipe(*format, plan, model);
}

Result<void> runRecipe(Session& session, const RecipeCommand& o) {
    QS_TRY(const auto model, openModel(o.model));
    QS_TRY(const Recipe flags, o.scheme.recipe());
    QS_TRY(const ForeignRecipe recipe, schemesFor(o, *model, flags));
    const Plan plan = planFromSchemes(recipe.schemes, *model, flags.seed, flags);
    QS_CHECK(requirePlan(plan));
    QS_TRY(const std::string words, wordsFor(o, plan, *model));
    if (!o.output.empty()) QS_CHECK(writeFileAtomically(o.output, words));

    json patterns = json::array();
    Table t({{"pattern"}, {"linears", true}});
    for (const RecipePattern& p : recipe.patterns) {
        patterns.push_back({{"pattern", p.text}, {"matched", p.matched}});
        t.add({p.text, fmt::format("{}", p.matched)});
    }
    Fields f;
    f.add("Plan", planSummary(plan));
    f.add("Checkpoint", fmt::format("{} ({} bytes)", humanBytes(plan.totalBytesAfter), plan.totalBytesAfter));
    for (const std::string& note : recipe.notes)
        f.add("Note", note);
    if (!o.output.empty()) f.add("Recipe", o.output);
    session.console.text((t.empty() ? "" : t.text() + "\n") + f.text() +
                         (o.output.empty() ? "\n" + words : ""));
    session.console.result({{"path", o.model},
                            {"patterns", patterns},
                            {"notes", recipe.notes},
                            {"bits_per_weight", plan.bitsPerWeight()},
                            {"checkpoint_bytes", plan.totalBytesAfter},
                            {"as", o.as},
                            {"text", words}});
    return {};
}

} // namespace

void addRecipe(Commands& commands) {
    auto o = std::make_shared<RecipeCommand>();
    CLI::App& app = commands.add(
        "recipe", "Recipes of other tools: read them, write them, or take that of a quantized model",
        {"recipe MODEL --from types.txt --method imatrix --output recipe.json",
         "recipe MODEL --clone model-Q4_K_M.gguf --method gptq --output recipe.json",
         "recipe MODEL --recipe recipe.json --as llama_quantize --output types.txt"},
        [o](Session& session) { return runRecipe(session, *o); });
    app.add_option("model", o->model, "Model folder, or a weight file, that the recipe is for")->required();
    std::vector<std::string> ids;
    for (const RecipeFormatDescriptor* d : recipeFormats())
        ids.push_back(d->id);
    CLI::Option* from = app.add_option("--from", o->from,
                                       "Recipe of another tool; what it does not say (the method, the codec "
                                       "where it names bits) the flags below do")
                            ->type_name("FILE");
    app.add_option("--from-format", o->format, "Its format; without this it is told by the text")
        ->needs(from)
        ->check(CLI::IsMember(ids));
    app.add_option("--clone", o->clone, "Quantized model whose formats are taken, linear by linear")
        ->type_name("MODEL")
        ->excludes(from);
    ids.push_back("quantoscope");
    app.add_option("--as", o->as, "Format to write")->check(CLI::IsMember(ids))->capture_default_str();
    app.add_option("--output,-o", o->output, "File to write; without it the recipe is shown")
        ->type_name("FILE");
    o->scheme.declare(app);
}

} // namespace qs::cli
