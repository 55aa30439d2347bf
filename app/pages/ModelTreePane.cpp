// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ModelTreePane.h"

#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/SearchLineEdit.h"
#include "widgets/views/ViewSetup.h"

#include <QHeaderView>
#include <QLabel>
#include <QTreeView>
#include <QVBoxLayout>
#include <algorithm>

namespace qs::app {

namespace {
/// Finding a tensor's node is linear in the model: a larger selection shows its current tensor only.
constexpr qsizetype kShownSelection = 256;
/// A filtered tree this small is opened, so that the matches are seen.
constexpr int kExpandMatches = 200;
constexpr int kFitMs = 60;
constexpr int kLeastName = 116, kLeastFormat = 56; ///< widths, in this order of importance
} // namespace

ModelTreePane::ModelTreePane(Session* session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_filter(new ui::SearchLineEdit(ui::SearchLineEdit::Kind::Filter, tr("Filter, e.g. mlp.*down")))
    , m_view(new QTreeView)
    , m_counts(new QLabel) {
    setObjectName(QStringLiteral("modelTreePane"));
    setMinimumWidth(220);
    m_filter->setObjectName(QStringLiteral("treeFilter"));
    m_filter->setRegexToggle(true);
    m_view->setObjectName(QStringLiteral("modelTree"));
    m_view->setAccessibleName(tr("Model"));
    ui::setupTree(m_view);
    m_view->setModel(&m_model);
    m_view->setIndentation(12);
    m_view->header()->setStretchLastSection(false);
    m_view->header()->setSectionResizeMode(ui::ModelTreeModel::Name, QHeaderView::Stretch);
    // By the rows in sight: a mixture of experts opens to a thousand rows.
    m_view->header()->setResizeContentsPrecision(0);
    m_view->hideColumn(ui::ModelTreeModel::KlShare);
    m_fit.setSingleShot(true);
    m_fit.setInterval(kFitMs);
    connect(&m_fit, &QTimer::timeout, this, &ModelTreePane::fitColumns);
    for (const auto signal : {&QTreeView::expanded, &QTreeView::collapsed})
        connect(m_view, signal, &m_fit, qOverload<>(&QTimer::start));
    connect(&m_model, &QAbstractItemModel::modelReset, &m_fit, qOverload<>(&QTimer::start));
    connect(&m_model, &QAbstractItemModel::dataChanged, &m_fit, qOverload<>(&QTimer::start));
    m_counts->setObjectName(QStringLiteral("treeCounts"));
    m_counts->setContentsMargins(10, 4, 8, 4);
    m_counts->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
    auto* top = new QVBoxLayout;
    top->setContentsMargins(8, 5, 8, 5);
    top->addWidget(m_filter);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addLayout(top);
    layout->addWidget(m_view, 1);
    layout->addWidget(m_counts);
    ui::bindFilter(m_filter, session->filter());
    connect(session->filter(), &ui::SharedFilter::changed, this, &ModelTreePane::applyFilter);
    connect(m_view->selectionModel(), &QItemSelectionModel::selectionChanged, this, &ModelTreePane::fromView);
    connect(session->selection(), &ui::TargetSelection::changed, this, &ModelTreePane::toView);
    connect(session, &Session::modelChanged, this, &ModelTreePane::onModelChanged);
    onModelChanged();
}

void ModelTreePane::fitColumns() {
    m_view->setColumnHidden(ui::ModelTreeModel::KlShare, !m_model.hasKlShares());
    for (const int column : {ui::ModelTreeModel::Format, ui::ModelTreeModel::KlShare})
        m_view->resizeColumnToContents(column);
    // What a row is called comes first: the format is also in the table and the inspector.
    const int kl = m_model.hasKlShares() ? m_view->columnWidth(ui::ModelTreeModel::KlShare) : 0;
    const int format = m_view->columnWidth(ui::ModelTreeModel::Format);
    const int most = std::max(kLeastFormat, m_view->viewport()->width() - kl - kLeastName);
    if (format > most) m_view->setColumnWidth(ui::ModelTreeModel::Format, most);
}

void ModelTreePane::focusFilter() {
    m_filter->setFocus(Qt::ShortcutFocusReason);
    m_filter->selectAll();
}

void ModelTreePane::onModelChanged() {
    const auto model = m_session->model();
    m_busy = true;
    m_model.setModel(model ? model->checkpointPtr() : nullptr, m_session->table(), m_session->title(),
                     m_session->treePaths());
    m_busy = false;
    m_filter->setEnabled(bool(model));
    expandFirst();
    showCounts();
}

void ModelTreePane::expandFirst() {
    const QModelIndex root = m_model.index(0, 0);
    m_view->expand(root);
    // The first block shows what a block is made of.
    for (int r = 0; r < m_model.rowCount(root); ++r) {
        const QModelIndex child = m_model.index(r, 0, root);
        if (child.data(ui::ModelTreeModel::BlockRole).toInt() != 0) continue;
        m_view->expandRecursively(child);
        break;
    }
}

void ModelTreePane::applyFilter() {
    m_busy = true; // a reset drops the view's selection, not the shared one
    m_model.setFilter(m_filter->text(), m_filter->isRegex());
    m_busy = false;
    m_filter->setProblem(m_model.filter().error());
    const QModelIndex root = m_model.index(0, 0);
    const auto matches = root.data(ui::ModelTreeModel::TargetsRole).value<QVector<int>>();
    if (!m_filter->text().isEmpty() && matches.size() <= kExpandMatches)
        m_view->expandAll();
    else
        expandFirst();
    toView();
    showCounts();
}

void ModelTreePane::fromView() {
    if (m_busy) return;
    m_busy = true;
    QVector<int> targets;
    const QModelIndexList rows = m_view->selectionModel()->selectedRows();
    for (const QModelIndex& i : rows)
        targets += i.data(ui::ModelTreeModel::TargetsRole).value<QVector<int>>();
    const int current =
        m_view->currentIndex().siblingAtColumn(0).data(ui::ModelTreeModel::TargetRole).toInt();
    m_session->selection()->set(targets, current);
    m_busy = false;
    showCounts();
}

void ModelTreePane::toView() {
    if (m_busy) return;
    m_busy = true;
    const ui::TargetSelection* selection = m_session->selection();
    QItemSelection items;
    const auto add = [&](int target) {
        const QModelIndex i = m_model.indexOfTarget(target);
        if (i.isValid()) items.select(i, i.siblingAtColumn(ui::ModelTreeModel::ColumnCount - 1));
        return i;
    };
    if (selection->targets().size() <= kShownSelection)
        for (const int t : selection->targets())
            add(t);
    const QModelIndex current = selection->current() < 0 ? QModelIndex() : add(selection->current());
    m_view->selectionModel()->select(items, QItemSelectionModel::ClearAndSelect);
    m_view->selectionModel()->setCurrentIndex(current, QItemSelectionModel::NoUpdate);
    if (current.isValid()) m_view->scrollTo(current);
    m_busy = false;
    showCounts();
}

void ModelTreePane::showCounts() {
    const auto model = m_session->model();
    if (!model) {
        m_counts->clear();
        return;
    }
    const QModelIndex root = m_model.index(0, 0);
    if (!root.isValid() && !m_filter->text().isEmpty()) {
        m_counts->setText(tr("No tensor matches “%1”.").arg(m_filter->text()));
        return;
    }
    const int quantizable = m_session->table()->count();
    const int kept = std::max(0, m_model.tensorCount() - quantizable);
    m_counts->setText(tr("%1 quantizable · %2 kept · %3 selected")
                          .arg(ui::integerText(quantizable), ui::integerText(kept),
                               ui::integerText(m_session->selection()->targets().size())));
}

} // namespace qs::app
