// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TunePage.h"

#include "app/pages/TunePictures.h"
#include "widgets/charts/StackedBar.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Style.h"
#include "widgets/views/SectionHeader.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>
#include <QSplitter>
#include <QStackedWidget>
#include <QTableView>
#include <QUndoStack>
#include <cmath>

namespace qs::app {

namespace {

constexpr int kRefreshMs = 30;
constexpr int kBarFrom = 600; ///< pixels of height that leave room for the budget's bar

QVBoxLayout* plainColumn(QWidget* box) {
    auto* layout = new QVBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    return layout;
}

} // namespace

TunePage::TunePage(Session* session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_state(session)
    , m_changes(session)
    , m_steps(session)
    , m_modelRow(new ui::ToolRow)
    , m_note(new QLabel)
    , m_solvedText(new QLabel)
    , m_message(new QLabel)
    , m_unit(new QLabel)
    , m_score(new QComboBox)
    , m_runtime(new QComboBox)
    , m_measure(new QPushButton(tr("Measure")))
    , m_solve(new QPushButton(tr("Solve")))
    , m_take(new QPushButton(tr("Take step")))
    , m_modelChart(
          new ui::CostChart(QStringLiteral("damage-against-size"), tr("Damage against size of the model")))
    , m_bar(new ui::StackedBar(QStringLiteral("budget"), tr("Bytes of the checkpoint")))
    , m_tensor(new TuneTensorPane(session, &m_state))
    , m_prediction(new PredictionPane(session, &m_state))
    , m_target(new ui::SegmentedButtons)
    , m_lists(new ui::SegmentedButtons)
    , m_views(new ui::SegmentedButtons)
    , m_budget(new QDoubleSpinBox)
    , m_context(new QSpinBox)
    , m_tie(new QCheckBox(tr("Tie fused")))
    , m_keep(new QCheckBox(tr("May keep")))
    , m_table(new QTableView)
    , m_stepTable(new QTableView)
    , m_editTable(new QTableView) {
    setObjectName(QStringLiteral("tunePage"));
    auto* below = new QSplitter(Qt::Horizontal);
    below->setObjectName(QStringLiteral("tuneBelow"));
    below->setChildrenCollapsible(false);
    below->addWidget(m_tensor);
    below->addWidget(makeChanges());
    below->setSizes({430, 480});
    auto* split = new QSplitter(Qt::Vertical);
    split->setObjectName(QStringLiteral("tuneSplit"));
    split->setChildrenCollapsible(false);
    split->addWidget(makeModel());
    split->addWidget(below);
    split->setSizes({330, 300});
    auto* layout = plainColumn(this);
    layout->addWidget(makeBudget());
    layout->addWidget(makeLimits());
    m_bar->setObjectName(QStringLiteral("tuneBar"));
    layout->addWidget(m_bar);
    layout->addWidget(split, 1);
    m_later.setSingleShot(true);
    connect(&m_later, &QTimer::timeout, this, &TunePage::refresh);
    connect(&m_state, &TuneState::changed, this, &TunePage::later);
    connect(&m_state, &TuneState::curveChanged, this, &TunePage::later);
    connect(m_prediction->state(), &PredictionState::predicted, this, &TunePage::later);
    connect(&m_state, &TuneState::stepsChanged, this, &TunePage::fillSteps);
    connect(&m_state, &TuneState::solved, this, &TunePage::showSolved);
    connect(&m_state, &TuneState::refused, m_message, &QLabel::setText);
    connect(session->selection(), &ui::TargetSelection::changed, this, &TunePage::later);
    connect(session->selection(), &ui::TargetSelection::currentChanged, this, &TunePage::later);
    connect(session, &Session::evaluationChanged, this, &TunePage::later);
    connect(m_tensor, &TuneTensorPane::editRefused, this, &TunePage::editRefused);
    connect(session, &Session::modelChanged, this, [this] {
        m_budgetTouched = false;
        m_edit.clear();
        m_message->clear();
        m_solvedText->clear();
    });
    showTarget();
}

QWidget* TunePage::makeModel() {
    auto* box = new QWidget;
    auto* layout = plainColumn(box);
    m_modelRow->addTitle(tr("Model"));
    m_views->setObjectName(QStringLiteral("tuneViews"));
    m_views->addSegment(tr("Damage against size"), tr("What could be had at every size, as predicted"));
    m_views->addSegment(tr("Predicted against measured"),
                        tr("How well the score predicts: random recipes, measured"));
    m_views->setCurrentIndex(0);
    m_modelRow->addWidget(m_views);
    m_modelRow->addStretch();
    m_modelRow->addOptional(m_note);
    m_score->setObjectName(QStringLiteral("tuneScore"));
    m_score->setAccessibleName(tr("Score"));
    for (const ScoreDescriptor* s : scores()) {
        m_score->addItem(QString::fromStdString(s->label), QString::fromStdString(s->id));
        m_score->setItemData(
            m_score->count() - 1,
            tr("%1. %2").arg(QString::fromStdString(s->summary), QString::fromStdString(s->validity)),
            Qt::ToolTipRole);
    }
    m_modelRow->addWidget(m_score);
    m_measure->setObjectName(QStringLiteral("tuneMeasure"));
    m_modelRow->addWidget(m_measure);
    layout->addWidget(m_modelRow);
    auto* stack = new QStackedWidget;
    stack->addWidget(m_modelChart);
    stack->addWidget(m_prediction);
    layout->addWidget(stack, 1);
    connect(m_views, &ui::SegmentedButtons::currentChanged, stack, &QStackedWidget::setCurrentIndex);
    connect(m_score, &QComboBox::currentIndexChanged, this,
            [this] { m_state.setScore(m_score->currentData().toString().toStdString()); });
    connect(m_measure, &QPushButton::clicked, this, [this] {
        if (m_state.measuring())
            m_state.stop();
        else
            m_state.measure();
    });
    return box;
}

void TunePage::showPrediction() {
    m_views->setCurrentIndex(1);
}

QWidget* TunePage::makeChanges() {
    auto* box = new QWidget;
    auto* all = plainColumn(box);
    auto* row = new ui::ToolRow;
    m_lists->setObjectName(QStringLiteral("tuneLists"));
    m_lists->addSegment(tr("Last edit"), tr("What the last step changed, before and now"));
    m_lists->addSegment(tr("Last solve"), tr("What the last solve changed"));
    m_lists->addSegment(tr("Next steps"), tr("What more bytes would recover, linear by linear"));
    m_lists->setCurrentIndex(LastEdit);
    row->addWidget(m_lists);
    row->addStretch();
    m_take->setObjectName(QStringLiteral("tuneTake"));
    row->addWidget(m_take);
    all->addWidget(row);
    auto* stack = new QStackedWidget;
    for (QWidget* list : {makeEdit(), makeSolved(), makeSteps()})
        stack->addWidget(list);
    all->addWidget(stack, 1);
    connect(m_lists, &ui::SegmentedButtons::currentChanged, this, [this, stack](int index) {
        stack->setCurrentIndex(index);
        showSteps();
    });
    return box;
}

QWidget* TunePage::makeEdit() {
    m_editTable->setObjectName(QStringLiteral("tuneEdit"));
    m_editTable->setAccessibleName(tr("What the last step changed"));
    ui::setupTable(m_editTable);
    m_editTable->setModel(&m_edit);
    m_editTable->setSelectionMode(QAbstractItemView::NoSelection);
    m_editTable->verticalHeader()->show();
    m_editTable->verticalHeader()->setMinimumWidth(170);
    m_editTable->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
    return m_editTable;
}

QWidget* TunePage::makeSolved() {
    auto* box = new QWidget;
    auto* layout = plainColumn(box);
    m_solvedText->setObjectName(QStringLiteral("tuneSolved"));
    m_solvedText->setWordWrap(true);
    m_solvedText->setContentsMargins(10, 6, 10, 6);
    m_solvedText->setTextFormat(Qt::PlainText);
    layout->addWidget(m_solvedText);
    m_table->setObjectName(QStringLiteral("tuneChanges"));
    m_table->setAccessibleName(tr("Tensors that the last solve changed"));
    ui::setupTable(m_table);
    m_table->setModel(&m_changes);
    constexpr int widths[] = {176, 112, 112, 60};
    for (int c = 0; c < TuneChanges::ColumnCount; ++c)
        m_table->setColumnWidth(c, widths[c]);
    connect(m_table, &QTableView::clicked, this, [this](const QModelIndex& i) {
        m_session->selection()->selectOne(i.data(TuneChanges::TargetRole).toInt());
    });
    layout->addWidget(m_table, 1);
    return box;
}

QWidget* TunePage::makeSteps() {
    m_stepTable->setObjectName(QStringLiteral("tuneSteps"));
    m_stepTable->setAccessibleName(tr("What more bytes would recover"));
    ui::setupTable(m_stepTable);
    m_stepTable->setModel(&m_steps);
    constexpr int widths[] = {152, 104, 54, 68, 62, 60};
    for (int c = 0; c < TuneSteps::ColumnCount; ++c)
        m_stepTable->setColumnWidth(c, widths[c]);
    connect(m_stepTable, &QTableView::clicked, this, [this](const QModelIndex& i) {
        m_session->selection()->selectOne(i.data(TuneSteps::TargetRole).toInt());
    });
    connect(m_stepTable, &QTableView::activated, this, &TunePage::takeStep);
    connect(m_take, &QPushButton::clicked, this, &TunePage::takeStep);
    connect(m_stepTable->selectionModel(), &QItemSelectionModel::selectionChanged, this,
            &TunePage::allowStep);
    return m_stepTable;
}

void TunePage::showSteps() {
    const bool shown = m_lists->currentIndex() == NextSteps;
    m_take->setVisible(shown);
    if (!shown) return;
    m_state.requestSteps();
    allowStep();
}

void TunePage::fillSteps() {
    const int row = m_stepTable->currentIndex().row();
    const auto before = m_steps.steps();
    m_steps.set(m_state);
    // The selected step stays, or after it was taken the next one of the list.
    if (row >= 0 && m_steps.rowCount() > 0) {
        const auto same =
            std::find_if(m_steps.steps().begin(), m_steps.steps().end(), [&](const NextStep& s) {
                return size_t(row) < before.size() && s.rows == before[size_t(row)].rows &&
                       s.candidate == before[size_t(row)].candidate;
            });
        const int at = same != m_steps.steps().end() ? int(same - m_steps.steps().begin()) : 0;
        const QSignalBlocker quiet(m_stepTable->selectionModel());
        m_stepTable->selectRow(at);
    }
    allowStep();
}

void TunePage::allowStep() {
    const bool any = m_stepTable->currentIndex().isValid();
    m_take->setEnabled(any);
    m_take->setToolTip(!m_state.table()          ? tr("Measure first.")
                       : m_steps.rowCount() == 0 ? tr("No larger candidate would recover anything.")
                       : !any                    ? tr("Choose a step first.")
                              : tr("Gives the linears of the step their larger candidate."));
}

void TunePage::takeStep() {
    const int row = m_stepTable->currentIndex().row();
    if (row < 0 || row >= m_steps.rowCount()) return;
    const QString why = m_state.take(m_steps.steps()[size_t(row)]);
    if (!why.isEmpty()) emit editRefused(why);
}

/// What limits the choices: the runtime, a context for memory, ties.
QWidget* TunePage::makeLimits() {
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Limits"));
    m_runtime->setObjectName(QStringLiteral("tuneRuntime"));
    m_runtime->setAccessibleName(tr("Runtime"));
    m_runtime->addItem(tr("any runtime"), QString());
    for (const RuntimeProfile& p : runtimeProfiles())
        m_runtime->addItem(QString::fromStdString(p.label), QString::fromStdString(p.id));
    m_runtime->setToolTip(
        tr("Only schemes that it loads are used. Memory is counted as it does; without one, "
           "as llama.cpp."));
    row->addWidget(m_runtime);
    m_tie->setObjectName(QStringLiteral("tuneTie"));
    m_tie->setToolTip(
        tr("Linears that runtimes fuse (q, k, v; gate, up) get one scheme: vLLM loads no other mix."));
    row->addWidget(m_tie);
    m_keep->setObjectName(QStringLiteral("tuneKeep"));
    m_keep->setToolTip(tr("Linears may stay as the checkpoint stores them."));
    row->addWidget(m_keep);
    m_context->setObjectName(QStringLiteral("tuneContext"));
    m_context->setAccessibleName(tr("Context"));
    m_context->setRange(1, int(kMostContext));
    m_context->setValue(4096);
    m_context->setPrefix(tr("at "));
    m_context->setSuffix(tr(" tokens"));
    m_context->setToolTip(tr("Length of the sequence whose KV cache and buffers share the memory."));
    row->addWidget(m_context);
    row->addStretch();
    row->addOptional(m_message);
    connect(m_runtime, &QComboBox::currentIndexChanged, this,
            [this] { m_state.setRuntime(m_runtime->currentData().toString().toStdString()); });
    connect(m_tie, &QCheckBox::toggled, &m_state, &TuneState::setTieFused);
    return row;
}

QWidget* TunePage::makeBudget() {
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Budget"));
    m_target->setObjectName(QStringLiteral("tuneTarget"));
    m_target->addSegment(tr("File size"), tr("Size of the whole checkpoint with the payloads in place"));
    m_target->addSegment(tr("Bits per weight"), tr("Stored bits of all linears over their weights"));
    m_target->addSegment(tr("Perplexity"), tr("At most so many percent more, as the score predicts"));
    m_target->addSegment(tr("Memory"), tr("Weights, KV cache and the buffers of a pass together"));
    m_target->setCurrentIndex(0);
    row->addWidget(m_target);
    m_budget->setObjectName(QStringLiteral("tuneBudget"));
    m_budget->setAccessibleName(tr("Budget"));
    m_budget->setKeyboardTracking(false);
    row->addWidget(m_budget);
    row->addWidget(m_unit);
    m_solve->setObjectName(QStringLiteral("tuneSolve"));
    ui::makePrimary(m_solve);
    row->addWidget(m_solve);
    m_message->setObjectName(QStringLiteral("tuneMessage"));
    m_message->setTextFormat(Qt::PlainText);
    row->addStretch();
    connect(m_target, &ui::SegmentedButtons::currentChanged, this, [this] {
        m_budgetTouched = false;
        showTarget();
    });
    connect(m_budget, &QDoubleSpinBox::valueChanged, this, [this] {
        m_budgetTouched = true;
        later();
    });
    connect(m_budget, &QDoubleSpinBox::editingFinished, this, &TunePage::later);
    connect(m_solve, &QPushButton::clicked, this, &TunePage::solve);
    return row;
}

void TunePage::later() {
    m_dirty = true;
    // A drag is followed at once.
    if (isVisible() && (!m_later.isActive() || m_tensor->dragging()))
        m_later.start(m_tensor->dragging() ? 0 : kRefreshMs);
}

void TunePage::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_dirty) refresh();
}

void TunePage::refresh() {
    m_dirty = false;
    showBudget();
    showMeasure();
    const TunePresent present = m_state.present();
    showModel(present);
    m_tensor->refresh();
    showEdit(present);
    showSteps();
}

void TunePage::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    m_bar->setVisible(height() >= kBarFrom);
}

void TunePage::showTarget() {
    const QSignalBlocker block(m_budget);
    switch (TuneTarget(m_target->currentIndex())) {
    case TuneTarget::CheckpointMiB:
        m_budget->setDecimals(2);
        m_budget->setRange(0.01, 1e8);
        m_unit->setText(tr("MiB"));
        break;
    case TuneTarget::BitsPerWeight:
        m_budget->setDecimals(3);
        m_budget->setRange(0.5, 32);
        m_unit->setText(tr("bits"));
        break;
    case TuneTarget::PerplexityPercent:
        m_budget->setDecimals(2);
        m_budget->setRange(0.01, 1000);
        m_unit->setText(tr("% more at most"));
        break;
    case TuneTarget::MemoryMiB:
        m_budget->setDecimals(2);
        m_budget->setRange(0.01, 1e8);
        m_unit->setText(tr("MiB"));
        break;
    }
    m_context->setVisible(TuneTarget(m_target->currentIndex()) == TuneTarget::MemoryMiB);
    m_budget->setSingleStep(m_target->currentIndex() == 0 ? 1 : 0.1);
    later();
}

void TunePage::showBudget() {
    const SchemeTable& table = *m_session->table();
    if (!m_budgetTouched && table.count() > 0) {
        const QSignalBlocker block(m_budget);
        const PlanSummary& plan = table.summary();
        if (m_target->currentIndex() == 0) m_budget->setValue(double(plan.totalBytesAfter) / 0x1p20);
        if (m_target->currentIndex() == 1) m_budget->setValue(plan.bitsPerWeight());
        if (m_target->currentIndex() == 2) m_budget->setValue(1);
        if (m_target->currentIndex() == 3)
            m_budget->setValue(std::ceil(double(plan.totalBytesAfter) / 0x1p20) + 64);
    }
    const QString blocked = m_state.solveBlocker();
    m_solve->setEnabled(blocked.isEmpty());
    m_solve->setToolTip(blocked.isEmpty() ? tr("The least damage within the budget, as one undo step")
                                          : blocked);
    m_keep->setEnabled(blocked.isEmpty());
}

void TunePage::showMeasure() {
    const int count = m_session->table()->count(), missing = m_state.unmeasured();
    const bool running = m_state.measuring(), done = m_state.table() && missing == 0;
    const QString why = m_state.measureBlocker();
    m_measure->setText(running            ? tr("Stop")
                       : done             ? tr("Measured")
                       : missing == count ? tr("Measure")
                                          : tr("Measure the rest"));
    m_measure->setEnabled(running || (why.isEmpty() && !done));
    m_measure->setToolTip(running ? tr("What is measured is kept.")
                          : done  ? tr("Every linear is measured.")
                          : why.isEmpty()
                              ? tr("Measures what every scheme costs on every linear, on the engine.")
                              : why);
    m_modelRow->setProgress(m_state.progress());
    m_note->setText(count == 0 ? QString()
                               : tr("%1 of %n linears measured", nullptr, count).arg(count - missing));
}

std::optional<double> TunePage::budgetMib() const {
    if (m_target->currentIndex() != int(TuneTarget::CheckpointMiB) || m_session->table()->count() == 0)
        return std::nullopt;
    return m_budget->value();
}

void TunePage::showModel(const TunePresent& present) {
    m_modelChart->setData(
        modelPicture(m_state, *m_session, present, m_prediction->state()->check(), budgetMib()));
    m_bar->setData(budgetPicture(m_state, *m_session, budgetMib()));
}

void TunePage::showEdit(const TunePresent& present) {
    if (!m_session->model()) return;
    const int current = m_session->selection()->current();
    TuneSnapshot now;
    now.step = m_session->undoStack()->index();
    now.target = current;
    if (current >= 0 && current < m_session->table()->count())
        now.format = m_session->table()->row(current).info->format;
    now.present = present;
    now.budgetMib = budgetMib();
    m_edit.note(std::move(now), m_state.score());
}

void TunePage::solve() {
    m_message->clear();
    TuneRequest request;
    request.target = TuneTarget(m_target->currentIndex());
    request.value = m_budget->value();
    request.mayKeep = m_keep->isChecked();
    request.context = size_t(m_context->value());
    m_state.solve(request);
}

void TunePage::showSolved() {
    const TuneSolved& s = m_state.lastSolved();
    m_changes.set(s);
    if (m_lists->currentIndex() == LastEdit) m_lists->setCurrentIndex(LastSolve);
    QString text = tr("%1 up, %2 down, %3 unchanged, %4 locked. %5. Predicted: %6 %7, in %8 ms.")
                       .arg(s.up)
                       .arg(s.down)
                       .arg(s.unchanged)
                       .arg(s.locked)
                       .arg(s.remainder, ui::formatNumber(s.at.cost), costUnit(m_state.score()))
                       .arg(ui::formatNumber(s.milliseconds, 2));
    if (s.unmeasured > 0)
        text += QLatin1Char(' ') + tr("%n linears are not measured and stay kept.", nullptr, s.unmeasured);
    m_solvedText->setText(text);
    m_message->setText(s.changes.empty() ? tr("Nothing to change: this is the best there is.") : QString());
}

} // namespace qs::app
