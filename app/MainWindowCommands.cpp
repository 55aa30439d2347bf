// SPDX-License-Identifier: GPL-3.0-or-later
// MainWindow: the command palette, and the session file with what is said about it.
#include "app/MainWindow.h"
#include "app/WindowSession.h"
#include "app/dialogs/CommandPalette.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "app/pages/MessageBar.h"

#include <QComboBox>
#include <QDir>
#include <QDockWidget>
#include <QFileInfo>
#include <QHash>
#include <QMenuBar>
#include <QStandardPaths>

namespace qs::app {

namespace {

struct MenuEntry {
    QAction* action;
    QString name; ///< "Set bits: 4 bits" in a submenu
};

QString plainText(const QAction& action) {
    QString text = action.text();
    text.remove(QLatin1Char('&'));
    return text;
}

/// Every entry of the menus that does something, submenus included.
void collect(const QList<QAction*>& actions, const QString& menu, std::vector<MenuEntry>& out) {
    for (QAction* a : actions) {
        if (a->menu())
            collect(a->menu()->actions(), plainText(*a) + QStringLiteral(": "), out);
        else if (!a->isSeparator() && a->isVisible() && (!a->objectName().isEmpty() || a->isCheckable()))
            out.push_back({a, menu + plainText(*a)});
    }
}

} // namespace

// --- What every action does, in a sentence: status line, palette, screen readers ---

void MainWindow::describeActions() {
    const QHash<QString, QString> tips{
        {QStringLiteral("open"), tr("Opens a Hugging Face model folder; only headers are read.")},
        {QStringLiteral("openFile"), tr("Opens a weight file: safetensors, GGUF, PyTorch or HDF5.")},
        {QStringLiteral("openSample"), tr("Opens the small model that comes with the program.")},
        {QStringLiteral("openSession"), tr("Brings back a saved session: model, recipe, run and view.")},
        {QStringLiteral("saveSession"),
         tr("Saves what is open and how it is shown into the session's file.")},
        {QStringLiteral("saveSessionAs"), tr("Saves the session under another name.")},
        {QStringLiteral("loadRecipe"), tr("Applies a recipe, ours or that of another tool; one undo step.")},
        {QStringLiteral("cloneRecipe"),
         tr("Takes the formats of a model that somebody quantized, linear by linear.")},
        {QStringLiteral("saveRecipe"),
         tr("Writes the present schemes as rules that the command line reads.")},
        {QStringLiteral("close"), tr("Closes the model. What was written stays.")},
        {QStringLiteral("quit"), tr("Closes the window; running jobs are stopped and can be resumed.")},
        {QStringLiteral("undo"), tr("Takes the last change of the recipe back.")},
        {QStringLiteral("redo"), tr("Makes the change of the recipe that was taken back again.")},
        {QStringLiteral("palette"), tr("Finds actions, recent files and tensors by a few letters.")},
        {QStringLiteral("bitsKeep"), tr("Keeps the selected tensors as the checkpoint stores them.")},
        {QStringLiteral("selectAll"), tr("Selects every tensor that can be quantized.")},
        {QStringLiteral("filter"), tr("Goes to the filter, which narrows tree, table and maps.")},
        {QStringLiteral("goInspect"), tr("Look at weights, activations and outliers.")},
        {QStringLiteral("goTune"), tr("Find bits for every layer within a budget.")},
        {QStringLiteral("goRun"), tr("Quantize, block by block.")},
        {QStringLiteral("goJudge"), tr("Compare with the original.")},
        {QStringLiteral("goExport"), tr("Write a format that runtimes load.")},
        {QStringLiteral("profile"), tr("Goes to the channel profile of the current tensor.")},
        {QStringLiteral("distribution"), tr("Goes to the weights' histogram of the current tensor.")},
        {QStringLiteral("tokens"), tr("Goes to the activations of one window, token by token.")},
        {QStringLiteral("trace"), tr("Follows the marked channel through the residual stream.")},
        {QStringLiteral("device-auto"), tr("Takes a GPU where there is one, else the processor.")},
        {QStringLiteral("device-cpu"), tr("Computes on all processor cores.")},
        {QStringLiteral("precision-f32"), tr("Exact to float32; what results are compared in.")},
        {QStringLiteral("precision-bf16"),
         tr("Rounds the factors of products to bfloat16: several times faster where the processor "
            "multiplies them, with a slightly different loss.")},
        {QStringLiteral("exportReport"), tr("Writes what Judge shows as one HTML file.")},
        {QStringLiteral("resetLayout"), tr("Puts every dock back where it was at first.")},
        {QStringLiteral("maximize"),
         tr("Gives the pane that has the keyboard the whole window; again to go back.")},
        {QStringLiteral("themeLight"), tr("Light colours.")},
        {QStringLiteral("themeDark"), tr("Dark colours.")},
        {QStringLiteral("themeSystem"), tr("Colours as the desktop has them.")},
        {QStringLiteral("calibrate"), tr("Runs the model over a text to measure what every layer receives.")},
        {QStringLiteral("openCalibration"), tr("Takes activations from a file instead of measuring them.")},
        {QStringLiteral("scan"), tr("Measures the weights that were not measured yet.")},
        {QStringLiteral("transforms"),
         tr("Goes to the transforms that scale the model's channels before it is quantized.")},
        {QStringLiteral("run"), tr("Quantizes the model as the recipe says; continues a stopped run.")},
        {QStringLiteral("stop"), tr("Stops the job in progress; finished blocks are kept.")},
        {QStringLiteral("openRun"), tr("Opens a run folder with its model and results.")},
        {QStringLiteral("evaluate"), tr("Measures perplexity and divergence from the original on a text.")},
        {QStringLiteral("klShare"),
         tr("Measures what each layer alone costs in KL divergence, and colours the map by it.")},
        {QStringLiteral("predictions"),
         tr("Shows how well the score of the Tune page predicts what recipes do to the model.")},
        {QStringLiteral("scaling"),
         tr("Shows how good runs are for their size, and what published laws say of the model.")},
        {QStringLiteral("methods"),
         tr("Lists methods, formats, transforms, scores and allocators: sources, needs and exports.")},
        {QStringLiteral("export"), tr("Goes to the export formats.")},
        {QStringLiteral("exportNow"), tr("Writes the chosen format and compares the file with the run.")},
        {QStringLiteral("about"), tr("Version, device and licences.")}};
    for (auto it = tips.cbegin(); it != tips.cend(); ++it)
        if (QAction* a = action(it.key())) a->setStatusTip(it.value());
    for (int b = 2; b <= 8; ++b)
        action(QStringLiteral("bits%1").arg(b))
            ->setStatusTip(tr("Gives the selected tensors %n bits.", nullptr, b));
    for (const Dock& d : m_docks)
        d.dock->toggleViewAction()->setStatusTip(tr("Shows or hides the dock."));
}

// --- Palette ---

void MainWindow::makePalette() {
    m_palette = new CommandPalette(this);
    connect(m_palette, &CommandPalette::refused, this, [this](const QString& why) { showNote(why); });
}

void MainWindow::showPalette() {
    std::vector<MenuEntry> entries;
    for (const QAction* menu : menuBar()->actions())
        collect(menu->menu()->actions(), {}, entries);
    std::vector<PaletteModel::Command> commands;
    for (const MenuEntry& e : entries)
        // allow() makes the reason the tool tip of a disabled action.
        commands.push_back({e.name, e.action->shortcut().toString(QKeySequence::NativeText),
                            e.action->isEnabled() ? QString() : e.action->toolTip()});
    QStringList files;
    for (const Settings::RecentFile& f : m_settings.recentFiles())
        if (f.exists) files << f.path;
    m_palette->model()->setContent(std::move(commands), files,
                                   m_session.model() ? m_session.table()->names() : nullptr,
                                   [this](int target) { return m_session.table()->row(target).module; });
    // What was listed last time is gone.
    disconnect(m_palette, &CommandPalette::chosen, this, nullptr);
    connect(m_palette, &CommandPalette::chosen, this, [this, entries, files](PaletteModel::Hit hit) {
        switch (hit.kind) {
        case PaletteModel::Kind::Action:
            entries[size_t(hit.id)].action->trigger();
            break;
        case PaletteModel::Kind::File:
            openPath(files[hit.id]);
            break;
        case PaletteModel::Kind::Tensor:
            setWorkspace(Workspace::Inspect);
            m_session.selection()->selectOne(hit.id);
            break;
        }
    });
    m_palette->popUp();
}

// --- Session file ---

void MainWindow::makeSessionFiles(const QString& cacheDirectory, int autosaveMs) {
    const QString cache = cacheDirectory.isEmpty()
                              ? QStandardPaths::writableLocation(QStandardPaths::CacheLocation)
                              : cacheDirectory;
    m_sessionFiles =
        new WindowSession(this, m_dialogs.get(), cache + QStringLiteral("/autosave"), autosaveMs);
    connect(m_sessionFiles, &WindowSession::failed, this, &MainWindow::showError);
    connect(m_sessionFiles, &WindowSession::fileChanged, this, &MainWindow::updateTitle);
    connect(m_sessionFiles, &WindowSession::saved, &m_settings, &Settings::addRecent);
    connect(m_sessionFiles, &WindowSession::restored, this,
            [this](const QString& file, const QStringList& problems) {
                if (!file.isEmpty() && QFileInfo::exists(file)) m_settings.addRecent(file);
                if (problems.isEmpty()) return;
                m_messageAction = {};
                const QString list = problems.join(QStringLiteral("; "));
                const int n = int(problems.size());
                m_message->showMessage(
                    MessageBar::Tone::Warning,
                    tr("%n parts of the session are not as they were saved: %1", nullptr, n).arg(list));
            });
    if (auto* metric = m_inspect->heatMap()->findChild<QComboBox*>(QStringLiteral("metric")))
        connect(metric, &QComboBox::currentIndexChanged, m_sessionFiles, &WindowSession::touch);
    connect(m_inspect, &QTabWidget::currentChanged, m_sessionFiles, &WindowSession::touch);
}

void MainWindow::offerRecovery() {
    const QString file = m_sessionFiles->recoverable();
    if (file.isEmpty()) return;
    const QString when = QLocale().toString(QFileInfo(file).lastModified(), QLocale::ShortFormat);
    showNote(tr("The program ended without closing its window. Its session of %1 can be restored.").arg(when),
             tr("Restore"), [this] { m_sessionFiles->recover(); });
}

void MainWindow::updateTitle() {
    const QString file = m_sessionFiles ? QFileInfo(m_sessionFiles->file()).fileName() : QString();
    const QString title = file.isEmpty() ? m_session.title() : file;
    setWindowTitle(m_session.model() ? tr("%1 — Quantoscope").arg(title) : tr("Quantoscope"));
}

} // namespace qs::app
