// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ExportPage.h"

#include "app/pages/CarriedList.h"
#include "app/pages/ExportLint.h"
#include "app/pages/ExportProgress.h"
#include "app/pages/ExportSizes.h"
#include "app/pages/ReceiptPane.h"
#include "widgets/charts/StackedBar.h"
#include "widgets/editors/ParamForm.h"
#include "widgets/theme/Icons.h"
#include "widgets/theme/Style.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/SectionHeader.h"
#include "widgets/views/ToolRow.h"

#include <QComboBox>
#include <QDir>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QPushButton>
#include <QSplitter>
#include <QToolButton>
#include <QVBoxLayout>

namespace qs::app {

namespace {

QVBoxLayout* bareLayout(QWidget* widget) {
    auto* layout = new QVBoxLayout(widget);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    return layout;
}

constexpr int kLeastRows = 3; ///< of the list, which must share its room
constexpr int kGrows = 100;   ///< stretch of what takes the room it can use before anything else does

/// Whether `path` names a folder that may be written to: absent or empty.
bool freeFolder(const QString& path) {
    const QDir dir(path);
    return !QFileInfo::exists(path) || (QFileInfo(path).isDir() && dir.isEmpty());
}

} // namespace

ExportPage::ExportPage(Session* session, FileDialogs* files, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_files(files)
    , m_exporters(session)
    , m_runtime(new QComboBox)
    , m_list(new QListView)
    , m_directory(new QLineEdit)
    , m_params(new ui::ParamForm)
    , m_export(new QPushButton(tr("Export and verify")))
    , m_hint(new ToneLabel)
    , m_carried(new CarriedList)
    , m_memory(new MemoryControls)
    , m_sizes(new ExportSizes(session))
    , m_bar(new ui::StackedBar(QStringLiteral("memory"), tr("Memory")))
    , m_lint(new ExportLint(session, &m_exporters))
    , m_progress(new ExportProgress)
    , m_receipt(new ReceiptPane) {
    setObjectName(QStringLiteral("exportPage"));
    auto* split = new QSplitter;
    split->setObjectName(QStringLiteral("exportSplit"));
    split->setChildrenCollapsible(false);
    split->addWidget(makeLeft());
    split->addWidget(makeCentre());
    split->addWidget(m_receipt);
    m_receipt->setMinimumWidth(300);
    split->setStretchFactor(1, 1);
    split->setStretchFactor(2, 1);
    split->setSizes({270, 560, 620});
    bareLayout(this)->addWidget(split);
    m_later.setSingleShot(true);
    m_later.setInterval(60);
    connect(&m_later, &QTimer::timeout, this, &ExportPage::refresh);
    connectSession();
    m_list->setCurrentIndex(m_exporters.index(std::max(0, m_exporters.rowOf(QStringLiteral("gptq")))));
    refresh();
}

void ExportPage::connectSession() {
    const auto later = qOverload<>(&QTimer::start);
    connect(m_session, &Session::issuesChanged, &m_later, later);
    connect(m_session, &Session::runChanged, &m_later, later);
    connect(m_session, &Session::modelChanged, this, [this] {
        m_directoryChosen = false;
        m_progress->follow(nullptr);
        m_memory->setModel(m_session->model().get());
        m_later.start();
    });
    connect(m_memory, &MemoryControls::changed, this, &ExportPage::showMemory);
    connect(m_sizes, &ExportSizes::sizesChanged, this, &ExportPage::showMemory);
    connect(m_session, &Session::receiptChanged, this, [this] {
        m_receipt->setReceipt(m_session->receipt());
        m_later.start();
    });
    connect(m_session->engine(), &JobLane::jobPosted, this, [this](JobHandle* job) {
        if (job->tag() == QLatin1String("export")) m_progress->follow(job);
    });
    connect(m_session->engine(), &JobLane::activeCountChanged, &m_later, later);
}

QWidget* ExportPage::makeLeft() {
    auto* left = new QWidget;
    left->setMinimumWidth(240);
    auto* layout = bareLayout(left);
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Runtime"));
    row->addStretch();
    m_runtime->setObjectName(QStringLiteral("runtimeBox"));
    m_runtime->setAccessibleName(tr("Runtime"));
    m_runtime->setToolTip(
        tr("Show the formats that a runtime loads, and check them by its rules as you edit"));
    m_runtime->addItem(tr("Any"), QString());
    for (const RuntimeProfile& p : runtimeProfiles()) {
        m_runtime->addItem(QString::fromStdString(p.label), QString::fromStdString(p.id));
        m_runtime->setItemData(
            m_runtime->count() - 1,
            tr("Rules of %1 %2").arg(QString::fromStdString(p.label), QString::fromStdString(p.version)),
            Qt::ToolTipRole);
    }
    connect(m_runtime, &QComboBox::currentIndexChanged, this, &ExportPage::showRuntime);
    row->addWidget(m_runtime);
    layout->addWidget(row);
    m_list->setObjectName(QStringLiteral("exporterList"));
    m_list->setAccessibleName(tr("Format"));
    m_list->setFrameShape(QFrame::NoFrame);
    m_list->setModel(&m_exporters);
    m_list->setItemDelegate(new ExporterDelegate(m_list));
    m_list->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    const int rowHeight = std::max(46, 2 * m_list->fontMetrics().height() + 14);
    // As high as it needs, where there is room; a few rows and a scroll bar else.
    m_list->setMinimumHeight(rowHeight * kLeastRows + 2);
    m_list->setMaximumHeight(rowHeight * int(exporters().size()) + 2);
    layout->addWidget(m_list, kGrows);
    layout->addWidget(makeOutput());
    layout->addStretch(1);
    connect(m_list->selectionModel(), &QItemSelectionModel::currentChanged, this, &ExportPage::showExporter);
    return left;
}

QWidget* ExportPage::makeOutput() {
    auto* box = new QWidget;
    auto* layout = new QVBoxLayout(box);
    layout->setContentsMargins(10, 8, 10, 8);
    layout->setSpacing(6);
    auto* title = new QLabel(tr("Output"));
    title->setFont(ui::boldFont());
    layout->addWidget(title);
    layout->addWidget(new QLabel(tr("Folder")));
    m_directory->setObjectName(QStringLiteral("exportDirectory"));
    m_directory->setAccessibleName(tr("Output folder"));
    m_directory->setFont(ui::monoFont());
    auto* browse = new QToolButton;
    browse->setObjectName(QStringLiteral("browseDirectory"));
    browse->setIcon(ui::icon(QStringLiteral("open")));
    browse->setToolTip(tr("Choose the folder to write into"));
    browse->setAccessibleName(browse->toolTip());
    auto* line = new QHBoxLayout;
    line->addWidget(m_directory, 1);
    line->addWidget(browse);
    layout->addLayout(line);
    layout->addWidget(m_params);
    auto* carried = new QLabel(tr("Carried over"));
    carried->setFont(ui::boldFont());
    layout->addSpacing(4);
    layout->addWidget(carried);
    layout->addWidget(m_carried);
    m_export->setObjectName(QStringLiteral("exportButton"));
    ui::makePrimary(m_export);
    layout->addSpacing(4);
    layout->addWidget(m_export);
    m_hint->setObjectName(QStringLiteral("exportHint"));
    layout->addWidget(m_hint);
    connect(browse, &QToolButton::clicked, this, [this] {
        m_files->ask(this, {FileQuestion::Kind::OpenFolder, tr("Choose an output folder")},
                     [this](const QString& path) { setDirectory(path); });
    });
    connect(m_directory, &QLineEdit::textEdited, this, [this] {
        m_directoryChosen = true;
        m_later.start();
    });
    connect(m_export, &QPushButton::clicked, this, &ExportPage::startExport);
    return box;
}

QWidget* ExportPage::makeCentre() {
    auto* centre = new QWidget;
    centre->setMinimumWidth(300);
    auto* layout = bareLayout(centre);
    auto* sizeRow = new ui::ToolRow;
    sizeRow->addTitle(tr("Size and memory"));
    sizeRow->addStretch();
    sizeRow->addWidget(m_memory);
    layout->addWidget(sizeRow);
    layout->addWidget(m_sizes, kGrows);
    m_bar->setObjectName(QStringLiteral("memoryBar"));
    layout->addWidget(m_bar);
    layout->addWidget(m_lint, 1);
    auto* progressRow = new ui::ToolRow;
    progressRow->addTitle(tr("Progress"));
    progressRow->addStretch();
    layout->addWidget(progressRow);
    layout->addWidget(m_progress);
    return centre;
}

void ExportPage::selectRuntime(const QString& id) {
    if (const int i = m_runtime->findData(id); i >= 0) m_runtime->setCurrentIndex(i);
}

void ExportPage::showRuntime() {
    const QString id = m_runtime->currentData().toString(), before = exporter();
    const auto profile = findRuntimeProfile(id.toStdString());
    m_exporters.setRuntime(profile ? *profile : nullptr);
    m_memory->setRuntime(id.toStdString());
    m_list->setCurrentIndex(m_exporters.index(std::max(0, m_exporters.rowOf(before))));
    showExporter();
}

void ExportPage::selectExporter(const QString& id) {
    if (const int r = m_exporters.rowOf(id); r >= 0) m_list->setCurrentIndex(m_exporters.index(r));
}

QString ExportPage::exporter() const {
    const int r = m_list->currentIndex().row();
    return r < 0 ? QString() : m_exporters.id(r);
}

void ExportPage::setDirectory(const QString& directory) {
    m_directory->setText(QDir::toNativeSeparators(directory));
    m_directoryChosen = true;
    refresh();
}

QString ExportPage::directory() const {
    return QDir::fromNativeSeparators(m_directory->text().trimmed());
}

QString ExportPage::blocker() const {
    const QString why = m_session->exportBlocker();
    if (!why.isEmpty()) return why;
    if (m_exporters.blocked(m_list->currentIndex().row()))
        return tr("This format cannot hold the run: see the errors under Lint.");
    if (directory().isEmpty()) return tr("Choose a folder to write into.");
    if (!freeFolder(directory()))
        return tr("%1 exists and is not empty. An existing file is never replaced.").arg(directory());
    for (const JobHandle* job : m_session->engine()->handles())
        if (job->tag() == QLatin1String("export") && !job->isEnded()) return tr("An export is in progress.");
    return {};
}

void ExportPage::startExport() {
    if (!blocker().isEmpty()) return;
    ExportOptions options;
    options.exporter = exporter();
    options.directory = QDir(directory()).absolutePath();
    options.params = m_params->params();
    m_session->exportRun(options);
}

void ExportPage::proposeDirectory() {
    if (m_directoryChosen && !directory().isEmpty()) return;
    m_directoryChosen = false;
    if (!m_session->model()) {
        m_directory->clear();
        return;
    }
    const QString name =
        m_session->title().simplified().toLower().replace(QLatin1Char(' '), QLatin1Char('-'));
    const QString base =
        QDir::homePath() + QStringLiteral("/quantoscope-exports/") + name + QLatin1Char('-') + exporter();
    QString path = base;
    for (int n = 2; !freeFolder(path) && n < 1000; ++n)
        path = base + QLatin1Char('-') + QString::number(n);
    m_directory->setText(QDir::toNativeSeparators(path));
}

void ExportPage::showExporter() {
    const int row = m_list->currentIndex().row();
    if (row < 0) return;
    const ParamSpecs& specs = m_exporters.exporter(row).params;
    m_params->setSpecs(specs);
    m_params->setVisible(!specs.empty());
    refresh();
}

void ExportPage::showMemory() {
    m_sizes->setChoice(m_memory->choice());
    m_bar->setData(m_sizes->barOf(exporter()));
}

/// Looks into the source's folder, on the light pool.
void ExportPage::showCarried() {
    const auto run = m_session->run();
    const auto model = m_session->model();
    const auto format = findExporter(exporter().toStdString());
    if (!model || !run || !run->complete() || !format) {
        m_carried->setItems({});
        return;
    }
    using Items = std::vector<CarriedItem>;
    const auto body = [model, run, format = *format](const JobScope&) -> Outcome {
        auto items = carriedOver(*model, *run, *format);
        return Payload::of(items ? std::move(*items) : Items());
    };
    JobHandle* job = m_session->pool()->post({QStringLiteral("export-carried"), tr("Files"), false, 4}, body);
    job->then(this, [this](const Outcome& outcome) {
        if (const auto items = outcome.as<Items>()) m_carried->setItems(*items);
    });
}

void ExportPage::refresh() {
    m_exporters.refresh();
    proposeDirectory();
    const int row = m_list->currentIndex().row();
    if (row < 0) return;
    m_lint->showFormat(row);
    const QString why = blocker();
    m_export->setEnabled(why.isEmpty());
    m_export->setToolTip(why);
    const auto receipt = m_session->receipt();
    const bool justWritten =
        receipt && receipt->verified &&
        QString::fromStdString(receipt->directory.string()) == QDir(directory()).absolutePath();
    m_hint->setText(why.isEmpty() ? tr("A new folder is made. Nothing that exists is replaced.")
                    : justWritten ? tr("Exported. Choose another folder to export again.")
                                  : why);
    m_sizes->refresh();
    showMemory();
    showCarried();
}

} // namespace qs::app
