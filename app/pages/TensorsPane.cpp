// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TensorsPane.h"

#include "widgets/editors/ChoiceDelegate.h"
#include "widgets/models/Metric.h"
#include "widgets/views/SearchLineEdit.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QHeaderView>
#include <QLabel>
#include <QScrollBar>
#include <QTableView>
#include <QVBoxLayout>

namespace qs::app {

namespace {
using Column = ui::TensorTableModel::Column;
constexpr int kVisibleDelayMs = 150;
const auto kHeaderKey = QStringLiteral("tensors/header3"), kBesideKey = QStringLiteral("tensors/beside1");

constexpr std::pair<Column, int> kWidths[] = {
    {Column::Tensor, 196},        {Column::Block, 46},
    {Column::Role, 50},           {Column::Shape, 96},
    {Column::Source, 56},         {Column::Format, 116},
    {Column::Bits, 76},           {Column::Group, 60},
    {Column::Method, 84},         {Column::Inputs, 60},
    {Column::Size, 80},           {Column::BitsPerWeight, 72},
    {Column::OutlierWeights, 72}, {Column::OutlierActivations, 72},
    {Column::Kurtosis, 72},       {Column::WeightError, 92},
    {Column::OutputError, 92},    {Column::KlShare, 92},
    {Column::State, 120},
};
/// In this order.
constexpr std::pair<Column, int> kBesideWidths[] = {
    {Column::Tensor, 196}, {Column::Bits, 68},        {Column::Format, 106}, {Column::Method, 68},
    {Column::Size, 72},    {Column::OutputError, 96}, {Column::KlShare, 92},
};
} // namespace

TensorsPane::TensorsPane(Session* session, Settings* settings, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_settings(settings)
    , m_filter(new ui::SearchLineEdit(ui::SearchLineEdit::Kind::Filter, tr("Filter, e.g. 1..3 down")))
    , m_view(new QTableView) {
    setObjectName(QStringLiteral("tensorsPane"));
    m_filter->setObjectName(QStringLiteral("tensorFilter"));
    m_filter->setRegexToggle(true);
    m_filter->setFixedWidth(240);
    auto* row = new ui::ToolRow;
    row->addWidget(m_filter);
    row->addStretch();
    row->addLabel(tr("F2 edits bits, group, method or inputs of every selected row"));
    m_counts = row->addLabel({});
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(row);
    layout->addWidget(m_view, 1);
    m_model.setSource(session->table());
    m_model.setSelection(session->selection());
    setupView();
    ui::bindFilter(m_filter, session->filter());
    connect(session->filter(), &ui::SharedFilter::changed, this, &TensorsPane::applyFilter);
    connect(&m_model, &ui::TensorTableModel::editRefused, this, &TensorsPane::editRefused);
    connect(session->selection(), &ui::TargetSelection::changed, this, &TensorsPane::showCounts);
    connect(session->selection(), &ui::TargetSelection::currentChanged, this, &TensorsPane::scrollToCurrent);
    connect(session, &Session::modelChanged, this, &TensorsPane::showCounts);
    m_visible.setSingleShot(true);
    m_visible.setInterval(kVisibleDelayMs);
    connect(&m_visible, &QTimer::timeout, this, &TensorsPane::tellVisible);
    connect(m_view->verticalScrollBar(), &QScrollBar::valueChanged, &m_visible, qOverload<>(&QTimer::start));
    connect(&m_model, &QAbstractItemModel::modelReset, &m_visible, qOverload<>(&QTimer::start));
    showCounts();
}

void TensorsPane::setupView() {
    m_view->setObjectName(QStringLiteral("tensorTable"));
    m_view->setAccessibleName(tr("Tensors"));
    ui::setupTable(m_view);
    m_view->setModel(&m_model);
    // A header asks whether a column is selected by looking at every row; nothing is drawn with the answer.
    m_view->horizontalHeader()->setSelectionModel(new QItemSelectionModel(&m_model, m_view));
    m_view->setSortingEnabled(true);
    m_view->horizontalHeader()->setSortIndicator(-1, Qt::AscendingOrder); // model order
    m_view->setEditTriggers(QAbstractItemView::DoubleClicked | QAbstractItemView::EditKeyPressed |
                            QAbstractItemView::SelectedClicked);
    m_view->setItemDelegateForColumn(Column::Bits, new ui::BitsDelegate(m_view));
    for (const Column c : {Column::Group, Column::Method, Column::Inputs})
        m_view->setItemDelegateForColumn(c, new ui::ChoiceDelegate(m_view));
    for (const auto& [column, width] : kWidths)
        m_view->setColumnWidth(column, width);
    m_view->hideColumn(Column::Role);
    m_view->hideColumn(Column::Kurtosis);
    const QByteArray header = m_settings->value(kHeaderKey).toByteArray();
    if (!header.isEmpty()) m_view->horizontalHeader()->restoreState(header);
    m_otherHeader = m_settings->value(kBesideKey).toByteArray();
    if (m_otherHeader.isEmpty()) m_otherHeader = besideByDefault();
    ui::bindSelection(m_view, &m_model, m_session->selection());
}

QByteArray TensorsPane::besideByDefault() const {
    QHeaderView* header = m_view->horizontalHeader();
    const QByteArray present = header->saveState();
    for (int c = 0; c < Column::ColumnCount; ++c)
        header->setSectionHidden(c, true);
    int place = 0;
    for (const auto& [column, width] : kBesideWidths) {
        header->setSectionHidden(column, false);
        header->moveSection(header->visualIndex(column), place++);
        header->resizeSection(column, width);
    }
    QByteArray out = header->saveState();
    header->restoreState(present);
    return out;
}

void TensorsPane::setBeside(bool beside) {
    if (beside == m_beside) return;
    m_beside = beside;
    QHeaderView* header = m_view->horizontalHeader();
    const int sorted = header->sortIndicatorSection();
    const Qt::SortOrder order = header->sortIndicatorOrder();
    const QByteArray next = std::exchange(m_otherHeader, header->saveState());
    m_view->setSortingEnabled(false); // states hold the order of their own time
    header->restoreState(next);
    header->setSortIndicator(sorted, order);
    m_view->setSortingEnabled(true);
}

void TensorsPane::saveState() {
    const QByteArray present = m_view->horizontalHeader()->saveState();
    m_settings->setValue(kHeaderKey, m_beside ? m_otherHeader : present);
    m_settings->setValue(kBesideKey, m_beside ? present : m_otherHeader);
}

void TensorsPane::focusFilter() {
    m_filter->setFocus(Qt::ShortcutFocusReason);
    m_filter->selectAll();
}

void TensorsPane::applyFilter() {
    m_model.setFilter(m_filter->text(), m_filter->isRegex());
    m_filter->setProblem(m_model.filter().error());
    showCounts();
}

void TensorsPane::showCounts() {
    const int total = m_model.totalCount(), shown = m_model.rowCount();
    m_filter->setEnabled(total > 0);
    if (total == 0)
        m_counts->clear();
    else if (shown == 0)
        m_counts->setText(tr("No tensor matches “%1”.").arg(m_filter->text()));
    else if (shown < total)
        m_counts->setText(tr("%1 of %2 tensors · %3 selected", nullptr, total)
                              .arg(ui::integerText(shown), ui::integerText(total),
                                   ui::integerText(m_session->selection()->targets().size())));
    else
        m_counts->setText(
            tr("%1 tensors · %2 selected", nullptr, total)
                .arg(ui::integerText(total), ui::integerText(m_session->selection()->targets().size())));
}

void TensorsPane::tellVisible() {
    const int first = m_view->rowAt(0);
    int last = m_view->rowAt(m_view->viewport()->height() - 1);
    if (first < 0) return;
    if (last < 0) last = m_model.rowCount() - 1;
    QVector<int> targets;
    for (int r = first; r <= last; ++r)
        targets.push_back(m_model.targetAt(r));
    m_session->setVisibleTargets(targets);
}

void TensorsPane::scrollToCurrent() {
    const int target = m_session->selection()->current();
    const int row = target < 0 ? -1 : m_model.rowOf(target);
    if (row >= 0) m_view->scrollTo(m_model.index(row, Column::Tensor));
}

} // namespace qs::app
