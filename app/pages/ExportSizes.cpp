// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ExportSizes.h"

#include "app/session/LintWatch.h"
#include "core/run/planned_manifest.h"
#include "widgets/models/Metric.h"
#include "widgets/views/ViewSetup.h"

#include <QHeaderView>
#include <QResizeEvent>
#include <QStandardItemModel>

namespace qs::app {

namespace {

constexpr int kLeastRows = 3; ///< of a list that must share its room

enum Column { Format, Runtime, Bytes, MiB, Cache, Compute, Total, Note };

/// A format that cannot hold the run is not asked: it may look for parameters that only its own codecs have.
Result<uint64_t> sizeIn(const ExporterDescriptor& e, ExportRequest request, const Plan& plan) {
    for (const LintIssue& issue : e.lint(*request.model, plan))
        if (issue.severity == Severity::Error) return Error::unsupported(issue.message);
    request.params = Params::defaults(e.params);
    return e.weightBytes(request);
}

QString mebibytes(uint64_t bytes, int decimals) {
    return ui::formatFixed(double(bytes) / double(1 << 20), decimals);
}

} // namespace

ExportSizes::ExportSizes(Session* session, QWidget* parent)
    : QTableView(parent), m_session(session), m_model(new QStandardItemModel(this)) {
    setObjectName(QStringLiteral("sizesTable"));
    setAccessibleName(tr("Size"));
    ui::setupTable(this);
    setModel(m_model);
    setEditTriggers(QAbstractItemView::NoEditTriggers);
    setSelectionMode(QAbstractItemView::SingleSelection);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    horizontalHeader()->setStretchLastSection(false);
    setWordWrap(true);
    m_fitLater.setSingleShot(true);
    connect(&m_fitLater, &QTimer::timeout, this, &ExportSizes::fit);
    connect(horizontalHeader(), &QHeaderView::sectionResized, this, [this] { m_fitLater.start(0); });
}

void ExportSizes::refresh() {
    auto run = m_session->run();
    if (run && !run->complete()) run = nullptr;
    const auto recipe = m_session->lint()->recipe().plan;
    if (!m_session->model() || (!run && !recipe)) {
        showSizes({});
        return;
    }
    using Sizes = std::vector<Result<uint64_t>>;
    ExportRequest request;
    request.model = m_session->model();
    request.run = run;
    const auto calibration = m_session->calibration();
    const std::string backend = m_session->engine()->backendDescription().toStdString();
    const auto body = [request, recipe, calibration, backend](const JobScope& scope) -> Outcome {
        Sizes sizes;
        if (!request.run) {
            const auto manifest =
                plannedManifest(*request.model, *recipe, calibration.get(), nullptr, backend);
            if (!manifest) return manifest.error();
            for (const ExporterDescriptor* e : exporters()) {
                if (scope.job().stopRequested()) return Outcome::cancelled();
                sizes.push_back(plannedBytes(*e, *request.model, *recipe, *manifest));
            }
            return Payload::of(std::move(sizes));
        }
        const auto plan = planOfRun(*request.run, *request.model);
        if (!plan) return plan.error();
        for (const ExporterDescriptor* e : exporters())
            sizes.push_back(sizeIn(*e, request, *plan));
        return Payload::of(std::move(sizes));
    };
    JobHandle* job = m_session->pool()->post({QStringLiteral("export-sizes"), tr("Sizes"), false, 4}, body);
    job->then(this, [this, model = request.model, before = m_session->run()](const Outcome& outcome) {
        // The model was closed, or another run opened, meanwhile.
        if (m_session->model() != model || m_session->run() != before) return;
        if (const auto sizes = outcome.as<Sizes>()) showSizes(*sizes);
    });
}

void ExportSizes::setChoice(const MemoryChoice& choice) {
    m_choice = choice;
    fill();
}

ui::StackedBarDataPtr ExportSizes::barOf(const QString& exporter) const {
    for (size_t i = 0; i < exporters().size() && i < m_sizes.size(); ++i) {
        const ExporterDescriptor& e = *exporters()[i];
        if (QString::fromStdString(e.id) != exporter) continue;
        if (!m_sizes[i]) return emptyMemoryBar(QString::fromStdString(m_sizes[i].error().message));
        return memoryBar(*m_session->model(), e, *m_sizes[i], m_choice);
    }
    return emptyMemoryBar(m_session->model() ? tr("Sizes are being found.") : tr("Open a model first."));
}

void ExportSizes::showSizes(std::vector<Result<uint64_t>> sizes) {
    m_sizes = std::move(sizes);
    fill();
    emit sizesChanged();
}

void ExportSizes::fill() {
    m_model->clear();
    m_model->setHorizontalHeaderLabels({tr("format"),
                                        tr("runtime"),
                                        tr("file, bytes"),
                                        tr("file, MiB"),
                                        tr("KV, MiB"),
                                        tr("compute, MiB"),
                                        tr("total, MiB"),
                                        {}});
    for (int c = Bytes; c <= Total; ++c)
        m_model->horizontalHeaderItem(c)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    for (size_t i = 0; i < exporters().size(); ++i)
        addRow(i);
    arrange();
}

void ExportSizes::addRow(size_t exporter) {
    const ExporterDescriptor& e = *exporters()[exporter];
    QStringList runtimes;
    for (const std::string& r : e.runtimes)
        runtimes << QString::fromStdString(r);
    const bool asked = exporter < m_sizes.size(), known = asked && m_sizes[exporter];
    QString why;
    if (asked && !known) why = QString::fromStdString(m_sizes[exporter].error().describe());
    if (!asked && m_session->model()) why = tr("being found");
    const RuntimeProfile* runtime = memoryRuntime(e.id, m_choice);
    const QString none = QStringLiteral("–");
    QList<QStandardItem*> items;
    for (const QString& text :
         {QString::fromStdString(e.label), runtime ? QString::fromStdString(runtime->label) : none,
          known ? ui::integerText(qint64(*m_sizes[exporter])) : none,
          known ? mebibytes(*m_sizes[exporter], 2) : none, none, none, none, why})
        items << new QStandardItem(text);
    for (int c = Bytes; c <= Total; ++c)
        items[c]->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    items[Format]->setToolTip(tr("Loads in %1").arg(runtimes.join(QStringLiteral(", "))));
    items[Runtime]->setToolTip(items[Format]->toolTip());
    for (const int c : {int(Bytes), int(MiB), int(Note)})
        items[c]->setToolTip(known ? tr("%1 bytes, exact").arg(items[Bytes]->text()) : why);
    if (known) addMemory(e, *m_sizes[exporter], items);
    m_model->appendRow(items);
}

void ExportSizes::addMemory(const ExporterDescriptor& exporter, uint64_t bytes,
                            QList<QStandardItem*>& items) const {
    const Model& model = *m_session->model();
    const auto memory = exportMemory(model, exporter.id, bytes, m_choice);
    if (!memory) {
        for (const int c : {int(Cache), int(Compute), int(Total)})
            items[c]->setToolTip(QString::fromStdString(memory.error().message));
        return;
    }
    items[Cache]->setText(mebibytes(memory->cache, 1));
    items[Cache]->setToolTip(cacheHelp(model.spec(), *memory, m_choice));
    items[Compute]->setText(
        tr("%1 ± %2").arg(mebibytes(memory->compute, 1), mebibytes(memory->computeUncertainty, 1)));
    items[Compute]->setToolTip(computeHelp(*memory, *memoryRuntime(exporter.id, m_choice)));
    items[Total]->setText(mebibytes(memory->total(), 1));
    items[Total]->setToolTip(tr("Weight files, KV cache and compute buffers"));
}

void ExportSizes::arrange() {
    constexpr int widths[] = {0, 84, 84, 68, 66, 104, 78, 190};
    constexpr int kWide = 560, kMiddle = 440;
    bool notes = false;
    for (int r = 0; r < m_model->rowCount(); ++r)
        notes |= !m_model->item(r, Note)->text().isEmpty();
    horizontalHeader()->setSectionResizeMode(Format, QHeaderView::Stretch);
    for (int c = Runtime; c <= Note; ++c)
        setColumnWidth(c, widths[c]);
    const bool numbers = !m_sizes.empty(); // else there is none yet
    const int width = viewport()->width();
    setColumnHidden(Bytes, !numbers || width < kWide);
    setColumnHidden(MiB, !numbers);
    for (const int c : {int(Cache), int(Compute)})
        setColumnHidden(c, !numbers || width < kMiddle);
    setColumnHidden(Total, !numbers);
    setColumnHidden(Note, !notes || numbers); // then tooltips say why a number is missing
    fit();
}

void ExportSizes::resizeEvent(QResizeEvent* event) {
    QTableView::resizeEvent(event);
    if (event->size().width() != event->oldSize().width()) arrange();
}

void ExportSizes::showEvent(QShowEvent* event) {
    QTableView::showEvent(event);
    arrange();
}

void ExportSizes::fit() {
    if (!isVisible()) return; // texts of every cell are measured
    resizeRowsToContents();
    const int least = verticalHeader()->defaultSectionSize();
    int rows = 0;
    for (int r = 0; r < m_model->rowCount(); ++r) {
        if (rowHeight(r) < least) setRowHeight(r, least);
        rows += rowHeight(r);
    }
    const int header = std::max(24, fontMetrics().height() + 8) + 2;
    setMinimumHeight(header + kLeastRows * least);
    setMaximumHeight(header + std::max(rows, kLeastRows * least));
}

} // namespace qs::app
