// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/ViewSetup.h"

#include "widgets/charts/ExportMenu.h"
#include "widgets/views/TablePicture.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QHeaderView>
#include <QTableView>
#include <QTreeView>
#include <algorithm>

namespace qs::ui {

namespace {

QString plain(QString text) {
    text.replace(QLatin1Char('\t'), QLatin1Char(' '));
    text.replace(QLatin1Char('\n'), QLatin1Char(' '));
    return text;
}

int visualColumn(const QAbstractItemView& view, int logical) {
    if (const auto* table = qobject_cast<const QTableView*>(&view))
        return table->horizontalHeader()->visualIndex(logical);
    if (const auto* tree = qobject_cast<const QTreeView*>(&view)) return tree->header()->visualIndex(logical);
    return logical;
}

bool hiddenColumn(const QAbstractItemView& view, int logical) {
    if (const auto* table = qobject_cast<const QTableView*>(&view)) return table->isColumnHidden(logical);
    if (const auto* tree = qobject_cast<const QTreeView*>(&view)) return tree->isColumnHidden(logical);
    return false;
}

/// Top to bottom as shown, also through the branches of a tree.
bool rowBefore(const QModelIndex& a, const QModelIndex& b) {
    const auto path = [](QModelIndex i) {
        QVector<int> rows;
        for (; i.isValid(); i = i.parent())
            rows.prepend(i.row());
        return rows;
    };
    const QVector<int> pa = path(a), pb = path(b);
    return std::lexicographical_compare(pa.begin(), pa.end(), pb.begin(), pb.end());
}

} // namespace

void setupTable(QTableView* view) {
    view->setFrameShape(QFrame::NoFrame);
    view->setShowGrid(false);
    view->setSelectionBehavior(QAbstractItemView::SelectRows);
    view->setSelectionMode(QAbstractItemView::ExtendedSelection);
    view->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    view->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    view->setWordWrap(false);
    view->setTabKeyNavigation(false);
    view->setCornerButtonEnabled(false);
    view->verticalHeader()->hide();
    const int row = std::max(22, view->fontMetrics().height() + 4);
    view->verticalHeader()->setMinimumSectionSize(row);
    view->verticalHeader()->setDefaultSectionSize(row);
    view->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    view->horizontalHeader()->setHighlightSections(false);
    view->horizontalHeader()->setMinimumSectionSize(32);
    view->horizontalHeader()->setStretchLastSection(true);
    view->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    view->horizontalHeader()->setSectionsMovable(true);
    installCopyAsTsv(view);
    installExportMenu(view, new TablePicture(view));
}

void wrapShortTable(QTableView* view) {
    constexpr int kFew = 200; // every row is measured
    view->setWordWrap(true);
    // Afterwards, when the columns have their final width.
    const auto fit = [view] {
        QMetaObject::invokeMethod(
            view,
            [view] {
                if (view->model() && view->model()->rowCount() <= kFew) view->resizeRowsToContents();
            },
            Qt::QueuedConnection);
    };
    QObject::connect(view->model(), &QAbstractItemModel::modelReset, view, fit);
    QObject::connect(view->horizontalHeader(), &QHeaderView::sectionResized, view, fit);
}

void setupTree(QTreeView* view) {
    view->setFrameShape(QFrame::NoFrame);
    view->setUniformRowHeights(true);
    view->setAllColumnsShowFocus(true);
    view->setSelectionBehavior(QAbstractItemView::SelectRows);
    view->setSelectionMode(QAbstractItemView::ExtendedSelection);
    view->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    view->setIndentation(14);
    view->header()->setHighlightSections(false);
    view->header()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    installCopyAsTsv(view);
    installExportMenu(view, new TablePicture(view));
}

void installCopyAsTsv(QAbstractItemView* view) {
    auto* copy = new QAction(QCoreApplication::translate("qs::ui::ViewSetup", "Copy as TSV"), view);
    copy->setShortcut(QKeySequence::Copy);
    copy->setShortcutContext(Qt::WidgetShortcut);
    QObject::connect(copy, &QAction::triggered, view, [view] {
        const QString text = selectionAsTsv(*view);
        if (!text.isEmpty()) QApplication::clipboard()->setText(text);
    });
    view->addAction(copy);
}

QString selectionAsTsv(const QAbstractItemView& view) {
    if (!view.model() || !view.selectionModel()) return {};
    QModelIndexList cells = view.selectionModel()->selectedIndexes();
    cells.erase(std::remove_if(cells.begin(), cells.end(),
                               [&](const QModelIndex& i) { return hiddenColumn(view, i.column()); }),
                cells.end());
    if (cells.isEmpty()) return {};
    QVector<int> columns;
    for (const QModelIndex& i : cells)
        if (!columns.contains(i.column())) columns.push_back(i.column());
    std::sort(columns.begin(), columns.end(),
              [&](int a, int b) { return visualColumn(view, a) < visualColumn(view, b); });
    std::sort(cells.begin(), cells.end(), rowBefore);
    QStringList header;
    for (const int c : columns)
        header += plain(view.model()->headerData(c, Qt::Horizontal).toString());
    QString text = header.join(QLatin1Char('\t')) + QLatin1Char('\n');
    for (qsizetype i = 0; i < cells.size();) {
        QStringList row(columns.size());
        const QModelIndex first = cells[i].siblingAtColumn(0);
        for (; i < cells.size() && cells[i].siblingAtColumn(0) == first; ++i)
            row[columns.indexOf(cells[i].column())] = plain(cells[i].data().toString());
        text += row.join(QLatin1Char('\t')) + QLatin1Char('\n');
    }
    return text;
}

} // namespace qs::ui
