// SPDX-License-Identifier: GPL-3.0-or-later
// Tables and trees, with their delegates.
#include "Pages.h"

#include "widgets/theme/Theme.h"
#include "widgets/views/Delegates.h"
#include "widgets/views/ViewSetup.h"

#include <QtWidgets>

namespace qs::gallery {

using namespace qs::ui;

QTableView* outlierTable() {
    auto* model = new QStandardItemModel(0, 9);
    model->setHorizontalHeaderLabels({"Channel", "max |x|", "ratio to median", "max |w|", "weight ratio",
                                      "first seen at block", "tokens", u("share of Σ trace"), "options"});
    const QVector<QStringList> rows = {
        {"788", "77.3", u("84.0 ×"), "0.51", u("3.1 ×"), "1 (mlp.down)", u("BOS, first “.”"), "46.2 %",
         u("Trace · Keep in 16 bits")},
        {"1415", "56.1", u("61.0 ×"), "0.40", u("2.4 ×"), "1 (mlp.down)", "BOS", "24.8 %",
         u("Trace · Keep in 16 bits")},
        {"400", "16.1", u("17.5 ×"), "0.25", u("1.5 ×"), "0 (embed)", "all", "2.1 %", "Trace"},
        {"1993", "11.1", u("12.1 ×"), "0.21", u("1.3 ×"), "1 (attn.o)", "delimiters", "1.0 %", "Trace"},
        {"1159", "8.6", u("9.3 ×"), "0.18", u("1.1 ×"), "0 (embed)", "all", "0.6 %", "Trace"}};
    for (const QStringList& row : rows) {
        QList<QStandardItem*> items;
        for (int c = 0; c < row.size(); ++c) {
            auto* item = new QStandardItem(row[c]);
            const bool number = c < 5 || c == 7;
            item->setTextAlignment((number ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
            if (c == 0) {
                QFont bold = item->font();
                bold.setBold(true);
                item->setFont(bold);
            }
            if (c == 8) item->setForeground(theme().accent);
            items += item;
        }
        model->appendRow(items);
    }
    for (int c : {0, 1, 2, 3, 4, 7})
        model->horizontalHeaderItem(c)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    auto* view = new QTableView;
    setupTable(view);
    view->setModel(model);
    view->setSortingEnabled(true);
    view->horizontalHeader()->setSortIndicator(2, Qt::DescendingOrder);
    view->horizontalHeader()->resizeSection(2, 130);
    view->selectRow(0);
    return view;
}

QTreeView* modelTree() {
    auto* model = new QStandardItemModel(0, 2);
    model->setHorizontalHeaderLabels({"Tensor", "Format"});
    const auto row = [](const QString& name, const QString& format) {
        auto* f = new QStandardItem(format);
        f->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
        f->setForeground(theme().text2);
        return QList<QStandardItem*>{new QStandardItem(name), f};
    };
    auto root = row("Llama-3.2-1B", "4.20");
    QFont bold = QApplication::font();
    bold.setBold(true);
    root[0]->setFont(bold);
    model->appendRow(root);
    root[0]->appendRow(row("embed_tokens", "Q6_K"));
    QStandardItem* up = nullptr;
    for (int b = 0; b < 4; ++b) {
        auto block = row(QStringLiteral("block %1").arg(b), QString::number(4.31 - b * 0.07, 'f', 2));
        root[0]->appendRow(block);
        auto mlp = row("mlp", "");
        block[0]->appendRow(mlp);
        for (const char* n : {"gate_proj", "up_proj", "down_proj"}) {
            auto leaf = row(n, "IQ4_XS");
            mlp[0]->appendRow(leaf);
            if (b == 2 && QLatin1String(n) == QLatin1String("up_proj")) up = leaf[0];
        }
    }
    root[0]->appendRow(row("lm_head tied", "Q6_K"));
    auto* tree = new QTreeView;
    setupTree(tree);
    tree->setModel(model);
    tree->header()->setStretchLastSection(false);
    tree->header()->setSectionResizeMode(0, QHeaderView::Stretch);
    tree->header()->resizeSection(1, 80);
    model->horizontalHeaderItem(1)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    tree->expand(root[0]->index());
    tree->expand(up->parent()->parent()->index());
    tree->expand(up->parent()->index());
    tree->setCurrentIndex(up->index());
    tree->selectionModel()->select(up->index().siblingAtRow(0),
                                   QItemSelectionModel::Select | QItemSelectionModel::Rows);
    return tree;
}

QWidget* tables() {
    auto* model = new QStandardItemModel(0, 5);
    model->setHorizontalHeaderLabels({u("block · module"), "bits", "format", "KL share, %", "job"});
    const double bits[] = {6, 3, 4.5, 8, 16, 2};
    const char* jobs[] = {"38 of 112, 1 min left",
                          "waiting",
                          "112 of 112",
                          "38 of 112, cancelled",
                          "Q4_K -> Q5_0: row length 2 080",
                          "paused after block 7"};
    const int states[] = {1, 0, 3, 4, 5, 2};
    for (int i = 0; i < 6; ++i) {
        QList<QStandardItem*> row;
        row += new QStandardItem(QStringLiteral("%1 ").arg(i) + u("· v_proj"));
        auto* b = new QStandardItem;
        b->setData(bits[i], Qt::DisplayRole);
        row += b;
        row += new QStandardItem("Q6_K");
        auto* s = new QStandardItem(QString::number(3.0 - i * 0.4, 'f', 1));
        s->setData((3.0 - i * 0.4) / 3, Qt::UserRole);
        row += s;
        auto* j = new QStandardItem(jobs[i]);
        j->setData(i == 0 ? 0.34 : i == 1 ? 0.0 : i == 2 ? 1.0 : 0.4, Qt::UserRole);
        j->setData(states[i], Qt::UserRole + 1);
        row += j;
        model->appendRow(row);
    }
    auto* view = new QTableView;
    setupTable(view);
    view->setModel(model);
    view->setItemDelegateForColumn(1, new BitsPipsDelegate(view));
    view->setItemDelegateForColumn(3, new ShareBarDelegate(Qt::UserRole, true, view));
    view->setItemDelegateForColumn(4, new ProgressDelegate(Qt::UserRole, Qt::UserRole + 1, view));
    view->selectRow(1);
    view->resize(720, 200);
    return view;
}

} // namespace qs::gallery
