// SPDX-License-Identifier: GPL-3.0-or-later
// The window: workspaces in the middle, docks around them, and the actions that connect both to a Session.
#pragma once

#include "app/dialogs/FileDialogs.h"
#include "app/pages/InspectState.h"
#include "app/settings/Settings.h"

#include <QMainWindow>
#include <QPointer>
#include <array>
#include <functional>
#include <memory>

class QMenu;
class QStackedWidget;

namespace qs {
struct RecipeFormatDescriptor;
}

namespace qs::ui {
class DockTitleBar;
class SegmentedButtons;
} // namespace qs::ui

namespace qs::app {

class CommandPalette;
class ExportPage;
class InspectorPane;
class InspectPage;
class JobsPane;
class JudgePage;
class MessageBar;
class ModelTreePane;
class OutliersPane;
class ProblemsPane;
class RunPage;
class TunePage;
class TensorsPane;
class WelcomePage;
class WindowSession;

struct WindowOptions {
    SessionOptions session;
    QString settingsFile;                 ///< "": the user's own
    std::unique_ptr<FileDialogs> dialogs; ///< null: real ones
    int autosaveMs = 3000;                ///< from a change to its autosave
};

enum class Workspace { Inspect, Tune, Run, Judge, Export };

class MainWindow : public QMainWindow {
    Q_OBJECT
public:
    explicit MainWindow(WindowOptions options = {}, QWidget* parent = nullptr);
    ~MainWindow() override;

    Session* session() { return &m_session; }
    Settings* settings() { return &m_settings; }
    InspectState* inspectState() { return &m_state; }
    /// What was dropped, given as argument or chosen: a model, a run folder, a calibration (.h5), a recipe
    /// (.json) or a session (.quantoscope).
    void openPath(const QString& path);
    void openSample();

    Workspace workspace() const { return m_workspace; }
    void setWorkspace(Workspace workspace);
    /// The page gets the whole window; again to go back.
    void toggleMaximized();
    void resetLayout();
    void setThemeMode(ui::ThemeMode mode);

    MessageBar* messageBar() const { return m_message; }
    InspectPage* inspectPage() const { return m_inspect; }
    TunePage* tunePage() const { return m_tune; }
    RunPage* runPage() const { return m_runPage; }
    JudgePage* judgePage() const { return m_judge; }
    ExportPage* exportPage() const { return m_export; }
    TensorsPane* tensorsPane() const { return m_tensors; }
    ModelTreePane* treePane() const { return m_tree; }
    InspectorPane* inspectorPane() const { return m_inspector; }
    JobsPane* jobsPane() const { return m_jobs; }
    WindowSession* sessionFiles() const { return m_sessionFiles; }
    CommandPalette* commandPalette() const { return m_palette; }
    /// By its objectName; null when unknown.
    QAction* action(const QString& name) const;

public slots:
    void calibrate();
    void run();
    void stop();
    void evaluate();
    void setBits(int bits); ///< of the selection; 0 keeps the source format
    void traceChannel();    ///< the one looked at, on the Tokens tab

signals:
    /// The window was closed while a job did not answer in time; the process may be ended, files are safe.
    void closedWhileBusy();

protected:
    void closeEvent(QCloseEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    static constexpr int kLayoutVersion = 2;
    static constexpr int kShutdownMs = 5000;

    struct Dock {
        QDockWidget* dock = nullptr;
        ui::DockTitleBar* title = nullptr;
        QWidget* noTitle = nullptr; ///< while it is a tab, the tab is its title
    };

    // MainWindow.cpp
    void makePages();
    void connectSession();
    void onModelChanged();
    void onJobEnded(JobHandle* job);
    void showError(const QString& text);
    void showNote(const QString& text, const QString& action = {}, std::function<void()> then = {});
    bool stopBeforeClosing(); ///< false when nothing runs

    // MainWindowMenus.cpp
    QAction* addAction(QMenu* menu, const char* name, const QString& text, const char* icon,
                       const QKeySequence& shortcut, std::function<void()> slot);
    void makeMenus();
    void makeFileMenu();
    void makeEditMenu();
    void makeViewMenu();
    void makeWorkMenus();
    void makeToolBar();
    void fillRecentMenu();
    void updateActions();
    void allow(const char* name, const QString& blocker);
    void openModelDialog(bool folder);
    void openDialog(const QString& title, const QString& filter, std::function<void(const QString&)> then);
    static QString modelPatterns(); ///< "*.gguf *.safetensors ..."
    void exportReport();
    void about();

    // MainWindowRecipes.cpp
    void saveRecipe();
    void makeRecipeMenu(QMenu* file);
    void saveRecipeAs(const RecipeFormatDescriptor& format);
    void cloneRecipe();

    // MainWindowEngine.cpp
    void makeEngineMenu(QMenu* runs);
    QAction* addDevice(const QString& id, const QString& text, const QKeySequence& shortcut);
    void addPrecision(Precision p, const QString& text, const QKeySequence& shortcut);
    void findDevices(); ///< adds those that the menu lacks
    void useEngine();   ///< as the settings have it

    // MainWindowCommands.cpp
    void describeActions();
    void makePalette();
    void showPalette();
    void makeSessionFiles(const QString& cacheDirectory, int autosaveMs);
    void offerRecovery();
    void updateTitle();

    // MainWindowLayout.cpp
    void makeDocks();
    QDockWidget* addDock(const char* name, const QString& title, QWidget* content, Qt::DockWidgetArea area);
    QDockWidget* dock(const char* name) const;
    void updateTitleBars();
    void showWorkspaceLayout();
    void applyDefaultLayout(Workspace workspace);
    void maximize(QDockWidget* dock); ///< null: the page
    void unmaximize();
    void saveLayout();
    void restoreLayout();

    Settings m_settings;
    std::unique_ptr<FileDialogs> m_dialogs;
    Session m_session;
    InspectState m_state;

    MessageBar* m_message = nullptr;
    QStackedWidget* m_stack = nullptr;
    WelcomePage* m_welcome = nullptr;
    InspectPage* m_inspect = nullptr;
    TunePage* m_tune = nullptr;
    RunPage* m_runPage = nullptr;
    JudgePage* m_judge = nullptr;
    ExportPage* m_export = nullptr;
    ModelTreePane* m_tree = nullptr;
    InspectorPane* m_inspector = nullptr;
    OutliersPane* m_outliers = nullptr;
    TensorsPane* m_tensors = nullptr;
    ProblemsPane* m_problems = nullptr;
    JobsPane* m_jobs = nullptr;
    WindowSession* m_sessionFiles = nullptr;
    CommandPalette* m_palette = nullptr;

    std::vector<Dock> m_docks;
    ui::SegmentedButtons* m_workspaces = nullptr;
    QMenu* m_recent = nullptr;
    QMenu* m_dockMenu = nullptr;
    QMenu* m_recipeMenu = nullptr; ///< formats of other tools
    QMenu* m_engineMenu = nullptr;
    QActionGroup* m_devices = nullptr;
    QActionGroup* m_precisions = nullptr;
    bool m_devicesSought = false;
    Workspace m_workspace = Workspace::Inspect;
    std::array<QByteArray, 5> m_layouts; ///< dock states of the workspaces that are not shown
    QByteArray m_beforeMaximize;
    std::function<void()> m_messageAction; ///< what the message bar's button does
    QPointer<Shutdown> m_shutdown;
    int m_shownLayout = -1; ///< workspace whose docks are shown, -1 without a model
    bool m_maximized = false;
    bool m_closing = false;
};

} // namespace qs::app
