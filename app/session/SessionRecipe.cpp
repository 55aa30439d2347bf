// SPDX-License-Identifier: GPL-3.0-or-later
// Session: recipes of files, of other tools and of quantized models.
#include "app/session/Session.h"
#include "core/base/file.h"
#include "core/export/clone_recipe.h"

#include <QFileInfo>
#include <algorithm>
#include <nlohmann/json.hpp>

namespace qs::app {

namespace {

/// What applying it did, for people.
QString wordsOf(const ForeignRecipe& recipe) {
    const auto quantized = std::count_if(recipe.schemes.begin(), recipe.schemes.end(),
                                         [](const auto& scheme) { return scheme.has_value(); });
    return Session::tr("%1 of %2 linears have a format by %n patterns.", nullptr, int(recipe.patterns.size()))
        .arg(quantized)
        .arg(recipe.schemes.size());
}

} // namespace

QString Session::loadRecipe(const QString& file) {
    if (!m_model) return tr("Open a model first: a recipe is resolved against one.");
    const auto text = readTextFile(file.toStdString(), kLargestRecipeText);
    if (!text) return QString::fromStdString(text.error().describe());
    if (const RecipeFormatDescriptor* format = recipeFormatOf(*text)) {
        const auto body = [format, text = *text, where = file.toStdString(), model = m_model,
                           base = m_table.defaultScheme()](const JobScope&) {
            return Outcome::from(readForeignRecipe(*format, {text, where}, *model, base));
        };
        takeRecipe(
            m_pool.post({QStringLiteral("recipe"), tr("Read %1").arg(QFileInfo(file).fileName())}, body),
            tr("Load recipe %1").arg(QFileInfo(file).fileName()));
        return {};
    }
    const auto recipe = Recipe::load(file.toStdString());
    if (!recipe) return QString::fromStdString(recipe.error().describe());
    m_table.applyRecipe(*recipe, tr("Load recipe %1").arg(QFileInfo(file).fileName()));
    return {};
}

JobHandle* Session::cloneRecipe(const QString& path) {
    const auto body = [from = path.toStdString(), model = m_model,
                       base = m_table.defaultScheme()](const JobScope& scope) -> Outcome {
        scope.job().report("Reading headers", 0, 1);
        const auto other = qs::openModel(from);
        if (!other) return other.error();
        return Outcome::from(qs::cloneRecipe(**other, *model, base));
    };
    const QString name = QFileInfo(path).fileName();
    return takeRecipe(m_pool.post({QStringLiteral("recipe"), tr("Read %1").arg(name)}, body),
                      tr("Clone recipe of %1").arg(name));
}

/// Applies what the job gives, unless another model is open by then.
JobHandle* Session::takeRecipe(JobHandle* job, const QString& undoText) {
    job->then(this, [this, undoText, model = m_model](const Outcome& outcome) {
        const auto recipe = outcome.as<ForeignRecipe>();
        if (!recipe || model != m_model) return;
        m_table.applySchemes(recipe->schemes, recipe->notes, undoText);
        emit recipeTaken(wordsOf(*recipe));
    });
    return report(job);
}

JobHandle* Session::saveRecipeAs(const RecipeFormatDescriptor& format, const QString& file) {
    JobRequest request{{}, tr("Save recipe %1").arg(QFileInfo(file).fileName())};
    request.essential = true;
    const auto body = [&format, to = file.toStdString(), model = m_model,
                       plan = m_table.plan()](const JobScope&) -> Outcome {
        const auto text = writeForeignRecipe(format, plan, *model);
        if (!text) return text.error();
        return Outcome::from(writeFileAtomically(to, *text));
    };
    return report(m_pool.post(request, body));
}

} // namespace qs::app
