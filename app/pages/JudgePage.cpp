// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/JudgePage.h"

#include "app/pages/RunLetterDelegate.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/charts/HistogramWidget.h"
#include "widgets/models/Metric.h"
#include "widgets/views/Chip.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QSplitter>
#include <QStandardItemModel>
#include <QTableView>
#include <QVBoxLayout>
#include <cmath>

namespace qs::app {

namespace {

constexpr int kWorstShown = 200;
constexpr size_t kChangeBins = 120;
constexpr int kTargetRole = Qt::UserRole + 1;

QVBoxLayout* bareLayout(QWidget* widget) {
    auto* layout = new QVBoxLayout(widget);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    return layout;
}

/// Histogram of after - before per scored token; null when they cannot be paired.
ui::HistogramDataPtr changePicture(const EvaluationPair* pair) {
    auto data = std::make_shared<ui::HistogramData>();
    data->xTitle = JudgePage::tr("loss of B minus loss of A, nats per token");
    data->title = JudgePage::tr("Loss change by token");
    if (!pair || !pair->before || !pair->after ||
        pair->before->tokenNll.size() != pair->after->tokenNll.size() || pair->before->tokenNll.empty()) {
        data->emptyText = JudgePage::tr("Evaluate the original and a run to see which tokens changed.");
        return data;
    }
    const size_t n = pair->after->tokenNll.size();
    std::vector<float> change(n);
    float reach = 0;
    for (size_t i = 0; i < n; ++i) {
        change[i] = pair->after->tokenNll[i] - pair->before->tokenNll[i];
        if (std::isfinite(change[i])) reach = std::max(reach, std::abs(change[i]));
    }
    reach = std::max(reach, 1e-6f);
    const Histogram h = histogram(change, -reach, reach, kChangeBins);
    data->title = JudgePage::tr("Loss change by token, %1 tokens").arg(ui::integerText(qint64(n)));
    data->lo = h.lo;
    data->hi = h.hi;
    data->before = QVector<quint64>(h.counts.begin(), h.counts.end());
    data->beforeLabel = JudgePage::tr("tokens");
    return data;
}

} // namespace

JudgePage::JudgePage(Session* session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_model(session)
    , m_runs(new QTableView)
    , m_evaluate(new QPushButton(tr("Evaluate…")))
    , m_protocol(new ui::Chip)
    , m_change(new ui::HistogramWidget)
    , m_worstModel(new QStandardItemModel(this))
    , m_worst(new QTableView) {
    setObjectName(QStringLiteral("judgePage"));
    auto* lower = new QSplitter;
    lower->setObjectName(QStringLiteral("judgeSplit"));
    lower->setChildrenCollapsible(false);
    auto* change = new QWidget;
    auto* changeLayout = bareLayout(change);
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Where B differs"));
    changeLayout->addWidget(row);
    m_change->setObjectName(QStringLiteral("lossChange"));
    changeLayout->addWidget(m_change, 1);
    ui::installExportMenu(m_change, m_change);
    lower->addWidget(change);
    lower->addWidget(makeWorst());
    lower->setSizes({560, 600});
    auto* layout = bareLayout(this);
    layout->addWidget(makeRuns());
    layout->addWidget(lower, 1);
    connect(session, &Session::evaluationChanged, this, &JudgePage::refresh);
    connect(session, &Session::runChanged, this, &JudgePage::refresh);
    connect(session, &Session::modelChanged, this, &JudgePage::refresh);
    connect(session->table(), &SchemeTable::planChanged, this, &JudgePage::refresh);
    connect(m_evaluate, &QPushButton::clicked, this, &JudgePage::evaluateRequested);
    refresh();
}

QWidget* JudgePage::makeRuns() {
    auto* box = new QWidget;
    auto* layout = bareLayout(box);
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Runs compared"));
    row->addStretch();
    row->addWidget(m_protocol);
    m_evaluate->setObjectName(QStringLiteral("judgeEvaluate"));
    row->addWidget(m_evaluate);
    layout->addWidget(row);
    m_runs->setObjectName(QStringLiteral("runsTable"));
    m_runs->setAccessibleName(tr("Runs compared"));
    ui::setupTable(m_runs);
    m_runs->setModel(&m_model);
    m_runs->setItemDelegateForColumn(EvaluationModel::Letter, new RunLetterDelegate(m_runs));
    constexpr int widths[] = {40, 110, 190, 90, 70, 170, 160, 130, 90, 200};
    for (int c = 0; c < EvaluationModel::ColumnCount; ++c)
        m_runs->setColumnWidth(c, widths[c]);
    const int rows = m_runs->verticalHeader()->defaultSectionSize() * 2;
    m_runs->setFixedHeight(rows + std::max(24, m_runs->fontMetrics().height() + 8) + 2);
    m_runs->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    layout->addWidget(m_runs);
    layout->addWidget(new ui::HintStrip(tr("± is one standard error. Both are measured on the same tokens; "
                                           "the first token of a window is context only.")));
    return box;
}

QWidget* JudgePage::makeWorst() {
    auto* box = new QWidget;
    auto* layout = bareLayout(box);
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Largest output errors"));
    row->addStretch();
    row->addLabel(tr("double-click shows the tensor"));
    layout->addWidget(row);
    m_worst->setObjectName(QStringLiteral("worstTable"));
    m_worst->setAccessibleName(tr("Largest output errors"));
    ui::setupTable(m_worst);
    m_worst->setModel(m_worstModel);
    m_worst->setTextElideMode(Qt::ElideMiddle); // both ends of a name matter
    m_worst->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_worst->horizontalHeader()->setStretchLastSection(false);
    layout->addWidget(m_worst, 1);
    connect(m_worst, &QTableView::doubleClicked, this, [this](const QModelIndex& i) {
        emit targetActivated(i.siblingAtColumn(0).data(kTargetRole).toInt());
    });
    return box;
}

void JudgePage::refresh() {
    m_model.refresh();
    const auto e = m_session->evaluation();
    const Evaluation* any = !e ? nullptr : e->after ? &*e->after : e->before ? &*e->before : nullptr;
    const bool stale = m_session->evaluationIsStale();
    m_protocol->setTone(stale ? ui::Chip::Tone::Warning : ui::Chip::Tone::Ok);
    m_protocol->setText(!any    ? QString()
                        : stale ? tr("recipe changed since")
                                : tr("same protocol: %1").arg(QString::fromStdString(any->protocol)));
    refreshChange();
    refreshWorst();
}

void JudgePage::refreshChange() {
    const auto e = m_session->evaluation();
    m_change->setData(changePicture(e.get()));
}

void JudgePage::refreshWorst() {
    const SchemeTable* table = m_session->table();
    std::vector<int> order;
    for (int t = 0; t < table->count(); ++t)
        if (!std::isnan(table->row(t).outputError)) order.push_back(t);
    const size_t shown = std::min<size_t>(order.size(), kWorstShown);
    std::partial_sort(order.begin(), order.begin() + long(shown), order.end(), [table](int a, int b) {
        return table->row(a).outputError > table->row(b).outputError;
    });
    order.resize(shown);
    m_worstModel->clear();
    m_worstModel->setHorizontalHeaderLabels(
        {tr("tensor"), tr("format"), tr("method"), tr("output err, %"), tr("weight err, %"), tr("MiB")});
    for (int c = 3; c < 6; ++c)
        m_worstModel->horizontalHeaderItem(c)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    for (const int t : order) {
        const ui::TargetRow& r = table->row(t);
        QList<QStandardItem*> items;
        for (const QString& text :
             {r.module, r.done, r.method, ui::metricText(ui::Metric::OutputError, 100 * r.outputError),
              ui::metricText(ui::Metric::WeightError, 100 * r.weightError),
              QLocale().toString(double(r.bytesAfter) / double(1 << 20), 'f', 3)})
            items << new QStandardItem(text);
        for (int c = 3; c < 6; ++c)
            items[c]->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
        items[0]->setData(t, kTargetRole);
        m_worstModel->appendRow(items);
    }
    constexpr int widths[] = {0, 112, 70, 92, 96, 60};
    m_worst->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
    for (int c = 1; c < 6; ++c)
        m_worst->setColumnWidth(c, widths[c]);
}

} // namespace qs::app
