// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ExportSizes.h"

#include "widgets/models/Metric.h"
#include "widgets/views/ViewSetup.h"

#include <QHeaderView>
#include <QStandardItemModel>

namespace qs::app {

namespace {
constexpr int kLeastRows = 3; ///< of a list that must share its room
}

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
    connect(horizontalHeader(), &QHeaderView::sectionResized, this, &ExportSizes::fit, Qt::QueuedConnection);
    fit();
}

void ExportSizes::refresh() {
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

void ExportSizes::showSizes(const std::vector<Result<uint64_t>>& sizes) {
    m_model->clear();
    m_model->setHorizontalHeaderLabels(
        {tr("format"), tr("loads in"), tr("file, bytes"), tr("file, MiB"), {}});
    for (const int c : {2, 3})
        m_model->horizontalHeaderItem(c)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
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
        m_model->appendRow(items);
    }
    constexpr int widths[] = {140, 0, 84, 70};
    const bool notes = std::any_of(notesShown.begin(), notesShown.end(), [](bool b) { return b; });
    setColumnHidden(4, !notes);
    horizontalHeader()->setSectionResizeMode(1, QHeaderView::Stretch);
    for (const int c : {0, 2, 3})
        setColumnWidth(c, widths[c]);
    for (const int c : {2, 3})
        setColumnHidden(c, sizes.empty()); // there is no number yet
    if (notes) setColumnWidth(4, sizes.empty() ? 110 : 190);
    fit();
}

void ExportSizes::fit() {
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
