// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ExportPage.h"

#include "app/pages/ExportProgress.h"
#include "app/pages/ProblemsPane.h"
#include "app/pages/ReceiptPane.h"
#include "widgets/editors/ParamForm.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Icons.h"
#include "widgets/theme/Style.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/EmptyState.h"
#include "widgets/views/SectionHeader.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QDir>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QPushButton>
#include <QSplitter>
#include <QStackedWidget>
#include <QStandardItemModel>
#include <QTableView>
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

constexpr int kLeastRows = 3; ///< of a list that must share its room
constexpr int kGrows = 100;   ///< stretch of what takes the room it can use before anything else does

/// A list of every exporter: as high as it needs, where there is room; a few rows and a scroll bar else.
void limitHeight(QWidget* view, int rowHeight, int headerHeight) {
    const int rows = int(exporters().size());
    view->setMinimumHeight(rowHeight * std::min(rows, kLeastRows) + headerHeight + 2);
    view->setMaximumHeight(rowHeight * rows + headerHeight + 2);
}

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
    , m_list(new QListView)
    , m_directory(new QLineEdit)
    , m_params(new ui::ParamForm)
    , m_export(new QPushButton(tr("Export and verify")))
    , m_hint(new ToneLabel)
    , m_sizesModel(new QStandardItemModel(this))
    , m_sizes(new QTableView)
    , m_lintStack(new QStackedWidget)
    , m_noLint(new ui::EmptyState({}))
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
        m_later.start();
    });
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
    row->addTitle(tr("Format"));
    row->addStretch();
    row->addLabel(tr("checked as you edit"));
    layout->addWidget(row);
    m_list->setObjectName(QStringLiteral("exporterList"));
    m_list->setAccessibleName(tr("Format"));
    m_list->setFrameShape(QFrame::NoFrame);
    m_list->setModel(&m_exporters);
    m_list->setItemDelegate(new ExporterDelegate(m_list));
    m_list->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    const int rowHeight = std::max(46, 2 * m_list->fontMetrics().height() + 14);
    limitHeight(m_list, rowHeight, 0);
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
    sizeRow->addTitle(tr("Size"));
    sizeRow->addStretch();
    sizeRow->addLabel(tr("weight files, exact"));
    layout->addWidget(sizeRow);
    m_sizes->setObjectName(QStringLiteral("sizesTable"));
    m_sizes->setAccessibleName(tr("Size"));
    ui::setupTable(m_sizes);
    m_sizes->setModel(m_sizesModel);
    m_sizes->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_sizes->setSelectionMode(QAbstractItemView::SingleSelection);
    m_sizes->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_sizes->horizontalHeader()->setStretchLastSection(false);
    m_sizes->setWordWrap(true);
    connect(m_sizes->horizontalHeader(), &QHeaderView::sectionResized, this, &ExportPage::fitSizes,
            Qt::QueuedConnection);
    fitSizes();
    layout->addWidget(m_sizes, kGrows);
    auto* lintRow = new ui::ToolRow;
    lintRow->addTitle(tr("Lint"));
    lintRow->addStretch();
    lintRow->addLabel(tr("checked before anything is written"));
    layout->addWidget(lintRow);
    auto* table = new QTableView;
    table->setObjectName(QStringLiteral("exportLint"));
    table->setAccessibleName(tr("Lint"));
    ui::setupTable(table);
    table->setModel(&m_lint);
    table->hideColumn(ui::LintModel::Source);
    ui::wrapShortTable(table);
    table->horizontalHeader()->setStretchLastSection(false);
    table->horizontalHeader()->setSectionResizeMode(ui::LintModel::Message, QHeaderView::Stretch);
    table->setColumnWidth(ui::LintModel::Where, 180);
    connect(table, &QTableView::clicked, this, [this](const QModelIndex& i) {
        selectIssue(m_session, i.siblingAtColumn(0).data(ui::LintModel::ModuleRole).toString());
    });
    m_lintStack->addWidget(m_noLint);
    m_lintStack->addWidget(table);
    layout->addWidget(m_lintStack, 1);
    auto* progressRow = new ui::ToolRow;
    progressRow->addTitle(tr("Progress"));
    progressRow->addStretch();
    layout->addWidget(progressRow);
    layout->addWidget(m_progress);
    return centre;
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
    const ParamSpecs& specs = exporters()[size_t(row)]->params;
    m_params->setSpecs(specs);
    m_params->setVisible(!specs.empty());
    refresh();
}

void ExportPage::refresh() {
    m_exporters.refresh();
    proposeDirectory();
    const int row = m_list->currentIndex().row();
    if (row < 0) return;
    const QString label = m_exporters.index(row).data().toString();
    m_lint.clear();
    m_lint.setIssues(label, m_exporters.issues(row));
    m_noLint->setText(m_session->model() ? tr("No problems: %1 can hold every tensor of the %2.")
                                               .arg(label, m_session->run() ? tr("run") : tr("recipe"))
                                         : tr("Open a model first."));
    m_lintStack->setCurrentIndex(m_lint.rowCount() > 0 ? 1 : 0);
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
    askSizes();
}

void ExportPage::askSizes() {
    const auto run = m_session->run();
    if (!m_session->model() || !run || !run->complete()) {
        showSizes({});
        return;
    }
    using Sizes = std::vector<Result<uint64_t>>;
    ExportRequest request;
    request.model = m_session->model();
    request.run = run;
    const auto body = [request](const JobScope&) -> Outcome {
        Sizes sizes;
        for (const ExporterDescriptor* e : exporters()) {
            ExportRequest r = request;
            r.params = Params::defaults(e->params);
            sizes.push_back(e->weightBytes ? e->weightBytes(r)
                                           : Result<uint64_t>(Error::unsupported("unknown")));
        }
        return Payload::of(std::move(sizes));
    };
    JobHandle* job = m_session->pool()->post({QStringLiteral("export-sizes"), tr("Sizes"), false, 4}, body);
    job->then(this, [this](const Outcome& outcome) {
        if (const auto sizes = outcome.as<Sizes>()) showSizes(*sizes);
    });
}

void ExportPage::showSizes(const std::vector<Result<uint64_t>>& sizes) {
    m_sizesModel->clear();
    m_sizesModel->setHorizontalHeaderLabels(
        {tr("format"), tr("loads in"), tr("file, bytes"), tr("file, MiB"), {}});
    for (const int c : {2, 3})
        m_sizesModel->horizontalHeaderItem(c)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    std::vector<bool> notesShown;
    for (size_t i = 0; i < exporters().size(); ++i) {
        const ExporterDescriptor& e = *exporters()[i];
        QStringList runtimes;
        for (const std::string& r : e.runtimes)
            runtimes << QString::fromStdString(r);
        QString bytes = QStringLiteral("–"), mib = bytes, why;
        if (i < sizes.size() && sizes[i]) {
            bytes = ui::integerText(qint64(*sizes[i]));
            mib = QLocale().toString(double(*sizes[i]) / double(1 << 20), 'f', 2);
        } else if (i < sizes.size()) {
            why = QString::fromStdString(sizes[i].error().describe());
        } else if (m_session->model()) {
            why = tr("known once a run is complete");
        }
        QList<QStandardItem*> items;
        for (const QString& text :
             {QString::fromStdString(e.label), runtimes.join(QStringLiteral(", ")), bytes, mib, why})
            items << new QStandardItem(text);
        items[2]->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
        items[3]->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
        for (const int c : {2, 3, 4})
            items[c]->setToolTip(why);
        items[1]->setToolTip(items[1]->text());
        notesShown.push_back(!why.isEmpty());
        m_sizesModel->appendRow(items);
    }
    constexpr int widths[] = {140, 0, 84, 70};
    const bool notes = std::any_of(notesShown.begin(), notesShown.end(), [](bool b) { return b; });
    m_sizes->setColumnHidden(4, !notes);
    m_sizes->horizontalHeader()->setSectionResizeMode(1, QHeaderView::Stretch);
    for (const int c : {0, 2, 3})
        m_sizes->setColumnWidth(c, widths[c]);
    for (const int c : {2, 3})
        m_sizes->setColumnHidden(c, sizes.empty()); // there is no number yet
    if (notes) m_sizes->setColumnWidth(4, sizes.empty() ? 110 : 190);
    fitSizes();
}

void ExportPage::fitSizes() {
    m_sizes->resizeRowsToContents();
    const int least = m_sizes->verticalHeader()->defaultSectionSize();
    int rows = 0;
    for (int r = 0; r < m_sizesModel->rowCount(); ++r) {
        if (m_sizes->rowHeight(r) < least) m_sizes->setRowHeight(r, least);
        rows += m_sizes->rowHeight(r);
    }
    const int header = std::max(24, m_sizes->fontMetrics().height() + 8) + 2;
    m_sizes->setMinimumHeight(header + kLeastRows * least);
    m_sizes->setMaximumHeight(header + std::max(rows, kLeastRows * least));
}

} // namespace qs::app
