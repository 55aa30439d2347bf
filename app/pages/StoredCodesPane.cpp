// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/StoredCodesPane.h"

#include "widgets/charts/ExportMenu.h"
#include "widgets/charts/HistogramWidget.h"
#include "widgets/views/EmptyState.h"
#include "widgets/views/KeyValueGrid.h"
#include "widgets/views/SectionHeader.h"
#include "widgets/views/ViewSetup.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QLocale>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>

namespace qs::app {

namespace {

constexpr int kLeftWidth = 300;

Result<std::unique_ptr<PackedLinear>> linearOf(const Model& model, const PackedInfo& info) {
    auto linear = model.packed().find(info.module);
    if (linear && !*linear) return Error::corrupt("the weight is no longer stored quantized", info.module);
    return linear;
}

Result<StoredSummary> summarize(const Model& model, std::shared_ptr<const PackedInfo> info,
                                const JobContext& job) {
    QS_TRY(const auto linear, linearOf(model, *info));
    StoredSummary out;
    QS_TRY(out.details, measurePacked(*linear, job));
    QS_TRY(PackedScales scales, linear->scales());
    out.scales = std::make_shared<const PackedScales>(std::move(scales));
    out.info = std::move(info);
    return out;
}

Result<ui::StoredRows> readRows(const Model& model, const PackedInfo& info, int first, int count) {
    QS_TRY(const auto linear, linearOf(model, info));
    ui::StoredRows out;
    out.first = size_t(first);
    out.codes = PackedCodes(size_t(count), info.in);
    out.values = Matrix(size_t(count), info.in);
    QS_CHECK(linear->readCodes(out.first, out.codes.view()));
    QS_CHECK(linear->readRows(out.first, out.values.view()));
    return out;
}

/// One bin a code.
ui::HistogramDataPtr codePicture(const StoredSummary& s) {
    auto data = std::make_shared<ui::HistogramData>();
    data->title = StoredCodesPane::tr("Codes as stored");
    data->xTitle = StoredCodesPane::tr("code");
    data->beforeLabel = StoredCodesPane::tr("weights");
    if (s.details.codeCounts.empty()) return data;
    const int lo = std::min(0, s.details.codeCounts.begin()->first),
              hi = std::max((lo < 0 ? 1 << (s.info->bits - 1) : 1 << s.info->bits) - 1,
                            s.details.codeCounts.rbegin()->first);
    data->lo = lo - 0.5;
    data->hi = hi + 0.5;
    data->before.fill(0, hi - lo + 1);
    for (const auto& [code, count] : s.details.codeCounts)
        data->before[code - lo] = count;
    return data;
}

QString rangeText(float lo, float hi) {
    const QLocale locale;
    const QString from = locale.toString(double(lo), 'g', 4);
    return lo == hi ? from : StoredCodesPane::tr("%1 to %2").arg(from, locale.toString(double(hi), 'g', 4));
}

} // namespace

StoredCodesPane::StoredCodesPane(InspectState* state, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_stack(new QStackedWidget)
    , m_empty(new ui::EmptyState({}))
    , m_head(new ui::SectionHeader({}))
    , m_facts(new ui::KeyValueGrid)
    , m_histogram(new ui::HistogramWidget)
    , m_view(new QTableView) {
    setObjectName(QStringLiteral("storedCodesPane"));
    m_histogram->setObjectName(QStringLiteral("storedCodesHistogram"));
    m_histogram->setAccessibleName(tr("How often each code occurs"));
    m_histogram->setLogY(false);
    m_histogram->setCompact(true);
    ui::installExportMenu(m_histogram, m_histogram);
    m_view->setObjectName(QStringLiteral("storedCodesTable"));
    m_view->setAccessibleName(tr("Codes, output channels down, input channels across"));
    ui::setupTable(m_view);
    m_view->setModel(&m_codes);
    m_view->setSelectionBehavior(QAbstractItemView::SelectItems);
    m_view->verticalHeader()->show();
    m_view->horizontalHeader()->setStretchLastSection(false);
    m_view->horizontalHeader()->setDefaultSectionSize(46);
    m_view->horizontalHeader()->setSectionsMovable(false);
    auto* left = new QWidget;
    left->setFixedWidth(kLeftWidth);
    auto* facts = new QVBoxLayout(left);
    facts->setContentsMargins(10, 4, 10, 4);
    facts->addWidget(m_facts);
    facts->addWidget(m_histogram, 1);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(0);
    row->addWidget(left);
    row->addWidget(m_view, 1);
    auto* page = new QWidget;
    auto* column = new QVBoxLayout(page);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_head);
    column->addLayout(row, 1);
    m_stack->addWidget(m_empty);
    m_stack->addWidget(page);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_stack);
    connect(&m_codes, &ui::StoredCodesModel::rowsWanted, this, &StoredCodesPane::fetch, Qt::QueuedConnection);
    connect(state->session()->selection(), &ui::TargetSelection::currentChanged, this,
            &StoredCodesPane::refresh);
    connect(state->session(), &Session::modelChanged, this, &StoredCodesPane::refresh);
    refresh();
}

void StoredCodesPane::showEmpty(const QString& text) {
    m_shown.reset();
    m_codes.setLinear(nullptr, nullptr);
    m_empty->setText(text);
    m_stack->setCurrentIndex(0);
}

void StoredCodesPane::refresh() {
    Session* session = m_state->session();
    const auto model = session->model();
    const int current = m_state->current();
    if (!model || current < 0)
        return showEmpty(model ? tr("Select a tensor to see its stored codes.") : QString());
    const auto info = model->targets()[size_t(current)].packed;
    if (!info)
        return showEmpty(
            tr("The checkpoint stores %1 as %2: it has values, but no codes.")
                .arg(session->table()->row(current).module, session->table()->row(current).sourceType));
    if (m_shown == info) return;
    showEmpty(tr("Reading codes and scales"));
    m_shown = info;
    const JobRequest request{QStringLiteral("stored"),
                             tr("Read the codes of %1").arg(QString::fromStdString(info->module)), false, 8};
    JobHandle* job = session->pool()->post(request, [model, info](const JobScope& scope) {
        return Outcome::from(summarize(*model, info, scope.job()));
    });
    job->then(this, [this, info](const Outcome& outcome) {
        if (m_shown != info || outcome.isCancelled()) return;
        if (const auto summary = outcome.as<StoredSummary>())
            show(*summary);
        else
            m_empty->setText(QString::fromStdString(outcome.error().describe()));
    });
}

void StoredCodesPane::show(const StoredSummary& s) {
    const QLocale locale;
    const PackedInfo& p = *s.info;
    m_head->setTitle(QString::fromStdString(p.module));
    m_head->setNote(QString::fromStdString(p.label));
    m_facts->clear();
    m_facts->addRow(tr("Stored size"), tr("%1 bits/weight").arg(locale.toString(p.bitsPerWeight(), 'f', 3)),
                    ui::KeyValueGrid::Tone::Normal,
                    tr("All parts of the weight, scales and padding included, over its number of weights."));
    m_facts->addRow(tr("Codes used"), tr("%1 of %2").arg(s.details.codeCounts.size()).arg(1 << p.bits));
    m_facts->addRow(tr("Scales"),
                    tr("%1, %2").arg(locale.toString(qulonglong(s.details.scaleCount)),
                                     rangeText(s.details.scaleMin, s.details.scaleMax)),
                    ui::KeyValueGrid::Tone::Normal, tr("How many there are, and the least and the largest."));
    m_facts->addRow(tr("Zero points"), rangeText(s.details.zeroMin, s.details.zeroMax));
    m_histogram->setData(codePicture(s));
    m_codes.setLinear(s.info, s.scales);
    m_stack->setCurrentIndex(1);
}

void StoredCodesPane::fetch(int first, int count) {
    const auto model = m_state->session()->model();
    const auto info = m_shown;
    if (!model || !info || m_codes.info() != info.get()) return;
    const JobRequest request{QStringLiteral("storedRows%1").arg(first), tr("Read codes"), false, 8};
    JobHandle* job = m_state->session()->pool()->post(request, [model, info, first, count](const JobScope&) {
        return Outcome::from(readRows(*model, *info, first, count));
    });
    job->then(this, [this, info](const Outcome& outcome) {
        if (m_codes.info() != info.get()) return;
        if (outcome.failed())
            showEmpty(QString::fromStdString(outcome.error().describe()));
        else
            m_codes.setRows(outcome.as<ui::StoredRows>());
    });
}

} // namespace qs::app
