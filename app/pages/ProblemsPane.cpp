// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ProblemsPane.h"

#include "widgets/views/EmptyState.h"
#include "widgets/views/ViewSetup.h"

#include <QHeaderView>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>
#include <algorithm>

namespace qs::app {

void selectIssue(Session* session, const QString& where) {
    QVector<int> targets;
    if (const int t = session->table()->indexOf(where); t >= 0) targets.push_back(t);
    for (int t = 0; t < session->table()->count(); ++t)
        if (!where.isEmpty() && session->table()->row(t).fusedGroup == where) targets.push_back(t);
    if (!targets.isEmpty()) session->selection()->set(targets);
}

namespace {

/// What one format cannot hold is no error of the recipe, and one line says that it cannot: the Export page
/// lists the rest.
std::vector<LintIssue> asProblems(std::vector<LintIssue> issues) {
    const auto isError = [](const LintIssue& i) { return i.severity == Severity::Error; };
    const auto first = std::find_if(issues.begin(), issues.end(), isError);
    if (first == issues.end()) return issues;
    const auto errors = std::count_if(issues.begin(), issues.end(), isError);
    LintIssue one = *first;
    one.severity = Severity::Warning;
    if (errors > 1)
        one.message += ProblemsPane::tr(" (and %1 more, see Export)").arg(errors - 1).toStdString();
    return {std::move(one)};
}

} // namespace

ProblemsPane::ProblemsPane(Session* session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_stack(new QStackedWidget)
    , m_empty(new ui::EmptyState({}))
    , m_view(new QTableView) {
    setObjectName(QStringLiteral("problemsPane"));
    m_view->setObjectName(QStringLiteral("problemTable"));
    m_view->setAccessibleName(tr("Problems"));
    ui::setupTable(m_view);
    m_view->setModel(&m_model);
    ui::wrapShortTable(m_view);
    m_view->horizontalHeader()->setStretchLastSection(false);
    m_view->horizontalHeader()->setSectionResizeMode(ui::LintModel::Message, QHeaderView::Stretch);
    m_view->setColumnWidth(ui::LintModel::Where, 170);
    m_view->setColumnWidth(ui::LintModel::Source, 100);
    m_stack->addWidget(m_empty);
    m_stack->addWidget(m_view);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_stack);
    m_later.setSingleShot(true);
    m_later.setInterval(60);
    connect(&m_later, &QTimer::timeout, this, &ProblemsPane::refresh);
    connect(session->table(), &SchemeTable::planChanged, &m_later, qOverload<>(&QTimer::start));
    connect(session, &Session::issuesChanged, &m_later, qOverload<>(&QTimer::start));
    connect(m_view, &QTableView::clicked, this, [this](const QModelIndex& i) {
        selectIssue(m_session, i.siblingAtColumn(0).data(ui::LintModel::ModuleRole).toString());
    });
    refresh();
}

void ProblemsPane::refresh() {
    const bool open = bool(m_session->model());
    m_model.setIssues(tr("recipe"), open ? m_session->table()->issues() : std::vector<LintIssue>());
    for (const ExporterDescriptor* e : exporters()) {
        auto issues =
            open ? m_session->exportIssues(QString::fromStdString(e->id)) : std::vector<LintIssue>();
        m_model.setIssues(QString::fromStdString(e->label), asProblems(std::move(issues)));
    }
    m_empty->setText(
        open ? tr("No problems. Every tensor fits its format, and every exporter can hold the recipe.")
             : QString());
    m_stack->setCurrentWidget(m_model.rowCount() > 0 ? static_cast<QWidget*>(m_view) : m_empty);
    emit countChanged(m_model.rowCount(), m_model.errorCount() > 0);
}

} // namespace qs::app
