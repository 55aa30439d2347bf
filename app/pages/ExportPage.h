// SPDX-License-Identifier: GPL-3.0-or-later
// The Export workspace: runtime, format and folder at the left, size, problems and progress in the middle,
// receipt at the right.
#pragma once

#include "app/dialogs/FileDialogs.h"
#include "app/pages/ExporterList.h"
#include "app/pages/ToneLabel.h"

#include <QTimer>
#include <QWidget>

class QComboBox;
class QLabel;
class QLineEdit;
class QListView;
class QPushButton;

namespace qs::ui {
class ParamForm;
class StackedBar;
} // namespace qs::ui

namespace qs::app {

class CarriedList;
class ExportLint;
class ExportProgress;
class ExportSizes;
class MemoryControls;
class ReceiptPane;

class ExportPage : public QWidget {
    Q_OBJECT
public:
    ExportPage(Session* session, FileDialogs* files, QWidget* parent = nullptr);

    /// Only the formats of this runtime, by its rules; "" for all formats.
    void selectRuntime(const QString& id);
    void selectExporter(const QString& id);
    QString exporter() const;
    void setDirectory(const QString& directory);
    QString directory() const;
    /// Why "Export and verify" is disabled, "" when it is not.
    QString blocker() const;
    QPushButton* exportButton() const { return m_export; }
    ReceiptPane* receipt() const { return m_receipt; }

public slots:
    void startExport();

private:
    QWidget* makeLeft();
    QWidget* makeOutput();
    QWidget* makeCentre();
    void connectSession();
    void refresh();
    void showExporter();
    void showRuntime();
    void showMemory();
    void showCarried();
    void proposeDirectory();

    Session* m_session;
    FileDialogs* m_files;
    ExporterListModel m_exporters;
    QComboBox* m_runtime;
    QListView* m_list;
    QLineEdit* m_directory;
    ui::ParamForm* m_params;
    QPushButton* m_export;
    ToneLabel* m_hint;
    CarriedList* m_carried;
    MemoryControls* m_memory;
    ExportSizes* m_sizes;
    ui::StackedBar* m_bar;
    ExportLint* m_lint;
    ExportProgress* m_progress;
    ReceiptPane* m_receipt;
    QTimer m_later;
    bool m_directoryChosen = false; ///< the user named a folder: do not replace it
};

} // namespace qs::app
