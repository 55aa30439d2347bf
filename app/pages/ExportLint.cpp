// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ExportLint.h"

#include "app/pages/ProblemsPane.h"
#include "app/session/LintWatch.h"
#include "widgets/views/EmptyState.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QHeaderView>
#include <QPushButton>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>

namespace qs::app {

ExportLint::ExportLint(Session* session, const ExporterListModel* exporters, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_exporters(exporters)
    , m_fix(new QPushButton)
    , m_stack(new QStackedWidget)
    , m_none(new ui::EmptyState({}))
    , m_table(new QTableView) {
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Lint"));
    row->addStretch();
    m_subject = row->addLabel(QString());
    m_fix->setObjectName(QStringLiteral("fixButton"));
    m_fix->hide();
    row->addWidget(m_fix);
    layout->addWidget(row);
    m_table->setObjectName(QStringLiteral("exportLint"));
    m_table->setAccessibleName(tr("Lint"));
    ui::setupTable(m_table);
    m_table->setModel(&m_model);
    m_table->hideColumn(ui::LintModel::Source);
    ui::wrapShortTable(m_table);
    m_table->horizontalHeader()->setStretchLastSection(false);
    m_table->horizontalHeader()->setSectionResizeMode(ui::LintModel::Message, QHeaderView::Stretch);
    m_table->setColumnWidth(ui::LintModel::Where, 180);
    m_stack->addWidget(m_none);
    m_stack->addWidget(m_table);
    layout->addWidget(m_stack, 1);
    connect(m_table, &QTableView::clicked, this, [this](const QModelIndex& i) {
        selectIssue(m_session, i.siblingAtColumn(0).data(ui::LintModel::ModuleRole).toString());
    });
    connect(m_table->selectionModel(), &QItemSelectionModel::currentChanged, this, &ExportLint::showFix);
    connect(m_fix, &QPushButton::clicked, this, &ExportLint::takeFix);
}

void ExportLint::showFormat(int row) {
    m_row = row;
    const QString label = m_exporters->index(row).data().toString();
    std::vector<LintIssue> issues;
    for (const RuntimeIssue& i : m_exporters->issues(row))
        issues.push_back(i.issue);
    m_model.clear();
    m_model.setIssues(label, issues);
    const RuntimeProfile* runtime = m_exporters->runtime();
    const QString what = m_session->run() ? tr("run") : tr("recipe");
    if (!m_session->model())
        m_none->setText(tr("Open a model first."));
    else if (runtime)
        m_none->setText(tr("No problems: %1 loads the %2 as %3.")
                            .arg(QString::fromStdString(runtime->label), what, label));
    else
        m_none->setText(tr("No problems: %1 can hold every tensor of the %2.").arg(label, what));
    m_stack->setCurrentIndex(m_model.rowCount() > 0 ? 1 : 0);
    m_subject->setText(m_session->runPlan() && m_session->table()->runIsStale()
                           ? tr("of the run; the recipe has changed since")
                           : tr("checked before anything is written"));
    showFix();
}

const SchemeFix* ExportLint::offeredFix() const {
    if (m_row < 0 || m_row >= m_exporters->rowCount()) return nullptr;
    const QString rule = m_table->currentIndex().siblingAtColumn(0).data(ui::LintModel::RuleRole).toString();
    const SchemeFix* first = nullptr;
    for (const RuntimeIssue& i : m_exporters->issues(m_row)) {
        if (i.fix.empty()) continue;
        if (QString::fromStdString(i.issue.rule) == rule) return &i.fix;
        if (!first) first = &i.fix;
    }
    return rule.isEmpty() ? first : nullptr;
}

void ExportLint::showFix() {
    const SchemeFix* fix = offeredFix();
    m_fix->setVisible(fix);
    if (!fix) return;
    m_fix->setText(QString::fromStdString(fix->label));
    m_fix->setToolTip(tr("Changes %n linears of the recipe, which is then run again. Undo takes it back.",
                         nullptr, int(fix->schemes.size())));
}

void ExportLint::takeFix() {
    const SchemeFix* fix = offeredFix();
    if (fix && m_session->model() && !m_session->running()) applyFix(m_session, *fix);
}

} // namespace qs::app
