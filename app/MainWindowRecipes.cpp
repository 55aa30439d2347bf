// SPDX-License-Identifier: GPL-3.0-or-later
// Recipes as files: our own, those of other tools, and those of models that are quantized already.
#include "app/MainWindow.h"
#include "app/session/RecipeOf.h"
#include "core/export/recipe_format.h"

#include <QFileInfo>
#include <QMenu>

namespace qs::app {

void MainWindow::saveRecipe() {
    FileQuestion q;
    q.kind = FileQuestion::Kind::SaveFile;
    q.title = tr("Save recipe");
    q.filter = tr("Recipes (*.json)");
    q.suffix = QStringLiteral("json");
    m_dialogs->ask(this, q, [this](const QString& path) {
        // The rules of a large model, and syncing the disk, take their time: not on this thread.
        const int state = m_session.undoStack()->index();
        JobRequest request{{}, tr("Save recipe %1").arg(QFileInfo(path).fileName())};
        request.essential = true;
        JobHandle* job = m_session.pool()->post(
            request, [model = m_session.model(), schemes = m_session.table()->schemes(),
                      settings = m_session.table()->settings(), file = path.toStdString(),
                      name = QFileInfo(path).completeBaseName().toStdString()](const JobScope&) {
                return Outcome::from(recipeOf(*model, schemes, settings, name).save(file));
            });
        job->then(this, [this, state](const Outcome& outcome) {
            if (outcome.failed()) showError(QString::fromStdString(outcome.error().describe()));
            if (outcome.done() && m_session.undoStack()->index() == state) m_session.undoStack()->setClean();
        });
    });
}

void MainWindow::makeRecipeMenu(QMenu* file) {
    m_recipeMenu = file->addMenu(tr("Save recipe for anot&her tool"));
    int number = 0;
    for (const RecipeFormatDescriptor* format : recipeFormats()) {
        const QString name = QStringLiteral("saveRecipe-%1").arg(QString::fromStdString(format->id));
        QAction* a = addAction(
            m_recipeMenu, qPrintable(name), QStringLiteral("%1…").arg(QString::fromStdString(format->label)),
            "", QKeySequence(tr("Ctrl+Shift+%1").arg(++number)), [this, format] { saveRecipeAs(*format); });
        a->setStatusTip(QString::fromStdString(format->summary));
    }
}

void MainWindow::saveRecipeAs(const RecipeFormatDescriptor& format) {
    FileQuestion q;
    q.kind = FileQuestion::Kind::SaveFile;
    q.title = tr("Save recipe for another tool");
    q.suffix = QString::fromStdString(format.extension);
    q.filter = QStringLiteral("%1 (*.%2)").arg(QString::fromStdString(format.label), q.suffix);
    m_dialogs->ask(this, q, [this, &format](const QString& path) { m_session.saveRecipeAs(format, path); });
}

void MainWindow::cloneRecipe() {
    FileQuestion q;
    q.kind = FileQuestion::Kind::OpenFile;
    q.title = tr("Clone recipe of a quantized model");
    q.filter = tr("Models (%1 *.index.json config.json);;All files (*)").arg(modelPatterns());
    m_dialogs->ask(this, q, [this](const QString& path) {
        // A Hugging Face model is its folder.
        const QFileInfo file(path);
        const bool folder = file.fileName() == QLatin1String("config.json");
        m_session.cloneRecipe(folder ? file.absolutePath() : path);
    });
}

} // namespace qs::app
