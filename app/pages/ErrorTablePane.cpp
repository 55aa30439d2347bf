// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ErrorTablePane.h"

#include "app/pages/RunDifference.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QHeaderView>
#include <QLabel>
#include <QStandardItemModel>
#include <QTableView>
#include <QVBoxLayout>
#include <cmath>
#include <unordered_map>

namespace qs::app {

namespace {

constexpr int kTargetRole = Qt::UserRole + 1;

QString percent(double error) {
    return ui::metricText(ui::Metric::OutputError, 100 * error);
}

QStandardItem* item(const QString& text, bool number) {
    auto* i = new QStandardItem(text);
    i->setEditable(false);
    if (number) i->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    return i;
}

/// The results with the largest errors, largest first.
std::vector<const TensorResult*> largest(const Run& run, size_t count) {
    std::vector<const TensorResult*> out;
    for (const TensorResult& r : run.results())
        if (!std::isnan(errorOf(&r))) out.push_back(&r);
    count = std::min(count, out.size());
    std::partial_sort(out.begin(), out.begin() + std::ptrdiff_t(count), out.end(),
                      [](const TensorResult* a, const TensorResult* b) { return errorOf(a) > errorOf(b); });
    out.resize(count);
    return out;
}

} // namespace

ErrorTablePane::ErrorTablePane(JudgeSet* set, QWidget* parent)
    : QWidget(parent), m_set(set), m_model(new QStandardItemModel(this)), m_view(new QTableView) {
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    auto* row = new ui::ToolRow;
    m_title = row->addTitle(tr("Largest errors"));
    row->addStretch();
    auto* hint = new QLabel(tr("double-click shows the tensor"));
    row->addOptional(hint);
    layout->addWidget(row);
    m_view->setObjectName(QStringLiteral("worstTable"));
    m_view->setAccessibleName(tr("Largest errors"));
    m_view->setToolTip(
        tr("Relative error of the tensor's output, ‖(W − W′)X‖² / ‖WX‖²; of the weights where no "
           "activations were measured"));
    ui::setupTable(m_view);
    m_view->setModel(m_model);
    m_view->setTextElideMode(Qt::ElideMiddle); // both ends of a name matter
    m_view->setEditTriggers(QAbstractItemView::NoEditTriggers);
    layout->addWidget(m_view, 1);
    connect(m_view, &QTableView::doubleClicked, this, [this](const QModelIndex& i) {
        const int target = i.siblingAtColumn(0).data(kTargetRole).toInt();
        if (target >= 0) emit targetActivated(target);
    });
}

void ErrorTablePane::setPair(char subject, char reference) {
    m_subject = subject;
    m_reference = reference;
    refresh();
}

void ErrorTablePane::refresh() {
    const ComparedRun *a = m_set->find(m_subject), *b = m_set->find(m_reference);
    m_model->clear();
    m_title->setText(a && a->run ? tr("Largest errors of %1").arg(QLatin1Char(m_subject))
                                 : tr("Largest errors"));
    if (!a || !a->run) return;
    const bool paired = b && b->run && b != a;
    std::unordered_map<std::string, const TensorResult*> other;
    if (paired)
        for (const TensorResult& r : b->run->results())
            other.emplace(r.module, &r);
    QStringList titles = {tr("tensor"), tr("format"), tr("error %1, %").arg(QLatin1Char(m_subject))};
    if (paired) titles << tr("error %1, %").arg(QLatin1Char(m_reference)) << tr("ratio");
    m_model->setHorizontalHeaderLabels(titles);
    for (int c = 2; c < titles.size(); ++c)
        m_model->horizontalHeaderItem(c)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    for (const TensorResult* r : largest(*a->run, kShown)) {
        QList<QStandardItem*> items = {item(QString::fromStdString(r->module), false),
                                       item(QString::fromStdString(r->done), false),
                                       item(percent(errorOf(r)), true)};
        if (paired) {
            const auto it = other.find(r->module);
            const double error = errorOf(it == other.end() ? nullptr : it->second);
            const bool ratio = error > 0 && errorOf(r) > 0;
            items << item(std::isnan(error) ? tr("kept") : percent(error), true)
                  << item(ratio ? ui::numberText(errorOf(r) / error, 3) : QString(), true);
        }
        items[0]->setData(m_set->session()->table()->indexOf(items[0]->text()), kTargetRole);
        m_model->appendRow(items);
    }
    m_view->horizontalHeader()->setStretchLastSection(false);
    m_view->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
    // With a second run the name would be left without room.
    constexpr int widths[] = {0, 104, 72, 72, 52}, besides[] = {0, 54, 72, 72, 48};
    for (int c = 1; c < titles.size(); ++c)
        m_view->setColumnWidth(c, (paired ? besides : widths)[c]);
}

} // namespace qs::app
