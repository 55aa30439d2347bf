// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ProblemsPane.h"

#include "app/session/LintWatch.h"
#include "widgets/views/EmptyState.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QComboBox>
#include <QHeaderView>
#include <QPushButton>
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

void applyFix(Session* session, const SchemeFix& fix) {
    SchemeTable& table = *session->table();
    std::vector<SchemeTable::SchemePtr> schemes = table.schemes();
    for (const auto& [index, scheme] : fix.schemes)
        if (index < schemes.size()) schemes[index] = scheme ? table.share(*scheme) : nullptr;
    table.applySchemes(schemes, QString::fromStdString(fix.label));
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
    , m_view(new QTableView)
    , m_runtime(new QComboBox)
    , m_fix(new QPushButton) {
    setObjectName(QStringLiteral("problemsPane"));
    m_runtime->setObjectName(QStringLiteral("problemRuntime"));
    m_runtime->setAccessibleName(tr("Runtime"));
    m_runtime->setToolTip(tr("Whose objections are listed: those of every format, or those of one runtime."));
    m_runtime->addItem(tr("every format"), QString());
    for (const RuntimeProfile& p : runtimeProfiles())
        m_runtime->addItem(
            tr("%1 %2").arg(QString::fromStdString(p.label), QString::fromStdString(p.version)),
            QString::fromStdString(p.id));
    m_fix->setObjectName(QStringLiteral("problemFix"));
    auto* row = new ui::ToolRow;
    row->addLabel(tr("For"));
    row->addWidget(m_runtime);
    row->addStretch();
    row->addWidget(m_fix);
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
    layout->setSpacing(0);
    layout->addWidget(row);
    layout->addWidget(m_stack, 1);
    m_later.setSingleShot(true);
    m_later.setInterval(60);
    connect(&m_later, &QTimer::timeout, this, &ProblemsPane::refresh);
    connect(session->table(), &SchemeTable::planChanged, &m_later, qOverload<>(&QTimer::start));
    connect(session, &Session::issuesChanged, &m_later, qOverload<>(&QTimer::start));
    connect(m_view, &QTableView::clicked, this, [this](const QModelIndex& i) {
        selectIssue(m_session, i.siblingAtColumn(0).data(ui::LintModel::ModuleRole).toString());
    });
    connect(m_view->selectionModel(), &QItemSelectionModel::currentChanged, this, &ProblemsPane::showFix);
    connect(m_runtime, &QComboBox::currentIndexChanged, this, &ProblemsPane::refresh);
    connect(m_fix, &QPushButton::clicked, this, [this] {
        if (const SchemeFix* fix = offeredFix()) applyFix(m_session, *fix);
    });
    refresh();
}

void ProblemsPane::listFormats() {
    for (const ExporterDescriptor* e : exporters())
        m_model.setIssues(
            QString::fromStdString(e->label),
            asProblems(m_session->lint()->recipe().issues.value(QString::fromStdString(e->id))));
}

void ProblemsPane::listRuntime(const QString& id) {
    for (const FormatVerdict& v : m_session->lint()->recipe().verdicts.value(id)) {
        std::vector<LintIssue> issues;
        for (const RuntimeIssue& i : v.issues)
            issues.push_back(i.issue);
        const auto exporter = findExporter(v.exporter);
        m_model.setIssues(QString::fromStdString(exporter ? (*exporter)->label : v.exporter),
                          asProblems(std::move(issues)));
    }
}

const SchemeFix* ProblemsPane::offeredFix() const {
    const QString rule = m_view->currentIndex().siblingAtColumn(0).data(ui::LintModel::RuleRole).toString();
    const QString runtime = m_runtime->currentData().toString();
    const SchemeFix* first = nullptr;
    for (const RuntimeProfile& p : runtimeProfiles()) {
        const QString id = QString::fromStdString(p.id);
        if (!runtime.isEmpty() && id != runtime) continue;
        // By reference: verdicts of 10,000 tensors are no copy to make for a button.
        const auto verdicts = m_session->lint()->recipe().verdicts.constFind(id);
        if (verdicts == m_session->lint()->recipe().verdicts.cend()) continue;
        for (const FormatVerdict& v : *verdicts)
            for (const RuntimeIssue& i : v.issues) {
                if (i.fix.empty()) continue;
                if (QString::fromStdString(i.issue.rule) == rule) return &i.fix;
                if (!first) first = &i.fix;
            }
    }
    return rule.isEmpty() && !runtime.isEmpty() ? first : nullptr;
}

void ProblemsPane::showFix() {
    const SchemeFix* fix = m_session->model() ? offeredFix() : nullptr;
    m_fix->setEnabled(fix);
    m_fix->setText(fix ? QString::fromStdString(fix->label) : tr("Fix"));
    m_fix->setToolTip(
        fix ? tr("Changes %n linears of the recipe, as one undo step.", nullptr, int(fix->schemes.size()))
        : m_model.rowCount() == 0 ? tr("There is nothing to mend.")
                                  : tr("Choose a problem. Nothing here mends the present one."));
}

void ProblemsPane::refresh() {
    const bool open = bool(m_session->model());
    m_model.clear();
    m_model.setIssues(tr("recipe"), open ? m_session->table()->issues() : std::vector<LintIssue>());
    const QString runtime = m_runtime->currentData().toString();
    if (open && runtime.isEmpty()) listFormats();
    if (open && !runtime.isEmpty()) listRuntime(runtime);
    m_empty->setText(
        !open ? QString()
        : runtime.isEmpty()
            ? tr("No problems. Every tensor fits its format, and every exporter can hold the recipe.")
            : tr("No problems. %1 loads the recipe in all its formats.").arg(m_runtime->currentText()));
    showFix();
    m_stack->setCurrentWidget(m_model.rowCount() > 0 ? static_cast<QWidget*>(m_view) : m_empty);
    emit countChanged(m_model.rowCount(), m_model.errorCount() > 0);
}

} // namespace qs::app
