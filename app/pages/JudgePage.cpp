// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/JudgePage.h"

#include "app/pages/AgainstDelegate.h"
#include "app/pages/DifferenceMapPane.h"
#include "app/pages/ErrorTablePane.h"
#include "app/pages/RunDifference.h"
#include "app/pages/RunLetterDelegate.h"
#include "app/pages/ScalingPane.h"
#include "app/pages/TextPane.h"
#include "app/pages/WorstTokensPane.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/views/Chip.h"
#include "widgets/views/IntervalDelegate.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QComboBox>
#include <QFileInfo>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QScrollBar>
#include <QSplitter>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>

namespace qs::app {

namespace {

constexpr QSize kReportPicture(720, 300);

QVBoxLayout* bareLayout(QWidget* widget) {
    auto* layout = new QVBoxLayout(widget);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    return layout;
}

QSplitter* splitter(Qt::Orientation orientation, const char* name, std::initializer_list<QWidget*> parts,
                    const QList<int>& sizes) {
    auto* s = new QSplitter(orientation);
    s->setObjectName(QLatin1String(name));
    s->setChildrenCollapsible(false);
    for (QWidget* part : parts)
        s->addWidget(part);
    s->setSizes(sizes);
    return s;
}

} // namespace

JudgePage::JudgePage(Session* session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_set(session)
    , m_model(&m_set)
    , m_runs(new QTableView)
    , m_against(new QComboBox)
    , m_add(new QPushButton(tr("Add run…")))
    , m_remove(new QPushButton(tr("Remove")))
    , m_evaluate(new QPushButton(tr("Evaluate…")))
    , m_protocol(new ui::Chip)
    , m_views(new ui::SegmentedButtons)
    , m_text(new TextPane(&m_set))
    , m_worstTokens(new WorstTokensPane(&m_set))
    , m_change(new ui::HistogramWidget)
    , m_map(new DifferenceMapPane(&m_set))
    , m_errors(new ErrorTablePane(&m_set))
    , m_scaling(new ScalingPane(session, &m_set)) {
    setObjectName(QStringLiteral("judgePage"));
    auto* texts = splitter(Qt::Horizontal, "judgeTexts", {m_text, m_worstTokens}, {760, 420});
    texts->setStretchFactor(0, 1);
    auto* lower =
        splitter(Qt::Horizontal, "judgeSplit", {makeLossChange(), m_map, m_errors}, {380, 360, 360});
    auto* centre = splitter(Qt::Vertical, "judgeCentre", {texts, lower}, {420, 260});
    centre->setStretchFactor(0, 1);
    auto* stack = new QStackedWidget;
    stack->addWidget(centre);
    stack->addWidget(m_scaling);
    auto* layout = bareLayout(this);
    layout->addWidget(makeRuns());
    layout->addWidget(stack, 1);
    connect(m_views, &ui::SegmentedButtons::currentChanged, stack, &QStackedWidget::setCurrentIndex);
    connect(m_scaling, &ScalingPane::runChosen, this, &JudgePage::setSubject);
    connect(&m_set, &JudgeSet::changed, this, &JudgePage::refresh);
    connect(&m_set, &JudgeSet::differencesChanged, &m_model, &EvaluationModel::refresh);
    connect(session->table(), &SchemeTable::planChanged, this, &JudgePage::showProtocol);
    connect(m_worstTokens, &WorstTokensPane::tokenChosen, m_text, &TextPane::showToken);
    connect(m_map, &DifferenceMapPane::targetActivated, this, &JudgePage::targetActivated);
    connect(m_errors, &ErrorTablePane::targetActivated, this, &JudgePage::targetActivated);
    refresh();
}

QWidget* JudgePage::makeToolRow() {
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Runs compared"));
    m_views->setObjectName(QStringLiteral("judgeViews"));
    m_views->addSegment(tr("Differences"), tr("Texts, tokens and tensors: where the runs differ"));
    m_views->addSegment(tr("Scaling"), tr("KL against total bits, the loss to expect, inputs in 4 bits"));
    m_views->setCurrentIndex(0);
    row->addWidget(m_views);
    row->addWidget(m_protocol);
    row->addStretch();
    row->addLabel(tr("against"))->setBuddy(m_against);
    m_against->setObjectName(QStringLiteral("judgeAgainst"));
    m_against->setAccessibleName(tr("Reference"));
    m_against->setToolTip(tr("The run that the others are compared with"));
    m_against->setSizeAdjustPolicy(QComboBox::AdjustToContents); // runs come later
    m_add->setObjectName(QStringLiteral("judgeAdd"));
    m_remove->setObjectName(QStringLiteral("judgeRemove"));
    m_evaluate->setObjectName(QStringLiteral("judgeEvaluate"));
    for (QWidget* w : {static_cast<QWidget*>(m_against), static_cast<QWidget*>(m_add),
                       static_cast<QWidget*>(m_remove), static_cast<QWidget*>(m_evaluate)})
        row->addWidget(w);
    connect(m_against, &QComboBox::activated, this,
            [this] { m_set.setAgainst(char(m_against->currentData().toInt())); });
    connect(m_add, &QPushButton::clicked, this, &JudgePage::addRunRequested);
    connect(m_remove, &QPushButton::clicked, this, [this] { m_set.removeRun(subject()); });
    connect(m_evaluate, &QPushButton::clicked, this, &JudgePage::evaluateRequested);
    return row;
}

void JudgePage::showScaling(bool on) {
    m_views->setCurrentIndex(on ? 1 : 0);
}

QWidget* JudgePage::makeRuns() {
    auto* box = new QWidget;
    auto* layout = bareLayout(box);
    layout->addWidget(makeToolRow());
    m_runs->setObjectName(QStringLiteral("runsTable"));
    m_runs->setAccessibleName(tr("Runs compared"));
    ui::setupTable(m_runs);
    m_runs->setSelectionMode(QAbstractItemView::SingleSelection);
    m_runs->setModel(&m_model);
    m_runs->setItemDelegateForColumn(EvaluationModel::Letter, new RunLetterDelegate(m_runs));
    m_runs->setItemDelegateForColumn(EvaluationModel::Against, new AgainstDelegate(m_runs));
    auto* interval = new ui::IntervalDelegate({EvaluationModel::ValueRole, EvaluationModel::ErrorRole,
                                               EvaluationModel::LowRole, EvaluationModel::HighRole},
                                              m_runs);
    m_runs->setItemDelegateForColumn(EvaluationModel::Kl, interval);
    m_runs->setItemDelegateForColumn(EvaluationModel::Perplexity, interval);
    // The verdict, which is what is looked for, is in view at the smallest width and takes what is left.
    constexpr int widths[] = {36, 90, 130, 68, 52, 178, 148, 112, 62, 224};
    for (int c = 0; c < EvaluationModel::ColumnCount; ++c)
        m_runs->setColumnWidth(c, widths[c]);
    m_runs->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    layout->addWidget(m_runs);
    layout->addWidget(
        new ui::HintStrip(tr("± is one standard error. The paired difference is surer than either column.")));
    connect(m_runs->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &JudgePage::showSubject);
    return box;
}

QWidget* JudgePage::makeLossChange() {
    auto* box = new QWidget;
    auto* layout = bareLayout(box);
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Where losses moved"));
    layout->addWidget(row);
    m_change->setObjectName(QStringLiteral("lossChange"));
    m_change->setAccessibleName(tr("Loss change by token"));
    layout->addWidget(m_change, 1);
    ui::installExportMenu(m_change, m_change);
    return box;
}

char JudgePage::subject() const {
    return m_model.letterAt(m_runs->currentIndex().row());
}

void JudgePage::setSubject(char letter) {
    m_runs->setCurrentIndex(m_model.index(std::max(0, m_model.rowOf(letter)), EvaluationModel::Name));
}

void JudgePage::fillReferences() {
    const QSignalBlocker blocker(m_against);
    m_against->clear();
    for (const ComparedRun& r : m_set.runs())
        m_against->addItem(tr("%1 %2").arg(QLatin1Char(r.letter)).arg(r.name), int(r.letter));
    m_against->setCurrentIndex(m_against->findData(int(m_set.against())));
    m_against->setEnabled(m_set.runs().size() > 1);
}

/// As high as its rows: at least the original and a run.
void JudgePage::fitRuns() {
    const int rows = std::max(2, m_model.rowCount()), row = m_runs->verticalHeader()->defaultSectionSize();
    const int head = std::max(24, m_runs->fontMetrics().height() + 8);
    const QScrollBar* bar = m_runs->horizontalScrollBar();
    const int below =
        m_runs->horizontalHeader()->length() > m_runs->viewport()->width() ? bar->sizeHint().height() : 0;
    m_runs->setFixedHeight(rows * row + head + below + 2);
}

void JudgePage::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fitRuns();
}

void JudgePage::refresh() {
    m_model.refresh();
    fitRuns();
    fillReferences();
    const QString why = m_set.addBlocker();
    m_add->setEnabled(why.isEmpty());
    m_add->setToolTip(why.isEmpty() ? tr("Opens another run folder of this model") : why);
    // What is most worth looking at: the first run that is not the reference.
    if (!m_runs->currentIndex().isValid() || subject() == 'A')
        for (const ComparedRun& r : m_set.runs())
            if (r.run && (r.letter != m_set.against() || m_set.runs().size() == 2)) {
                setSubject(r.letter);
                break;
            }
    showSubject();
    showProtocol();
}

void JudgePage::showSubject() {
    const char letter = subject();
    const ComparedRun* run = m_set.find(letter);
    m_remove->setEnabled(run && run->run);
    m_remove->setToolTip(run && run->run
                             ? tr("Takes %1 out of the comparison; its folder stays").arg(QLatin1Char(letter))
                             : tr("Choose a run in the table. The original always stays."));
    // Against itself there is nothing to see: then against the original.
    const char reference = letter == m_set.against() ? 'A' : m_set.against();
    m_change->setData(lossChange(run, m_set.find(reference)));
    m_map->setPair(letter, reference);
    m_errors->setPair(letter, reference);
    m_worstTokens->setSubject(letter);
}

void JudgePage::showProtocol() {
    const ComparedRun* reference = m_set.find(m_set.against());
    const Evaluation* e = reference ? reference->evaluation.get() : nullptr;
    bool same = true;
    for (const ComparedRun& r : m_set.runs())
        same = same && m_set.problem(r).isEmpty();
    const bool stale = m_session->run() && m_session->table()->runIsStale();
    m_protocol->setTone(stale || !same ? ui::Chip::Tone::Warning : ui::Chip::Tone::Ok);
    m_protocol->setText(!e      ? QString()
                        : stale ? tr("recipe changed since")
                        : same  ? tr("same protocol: %1, %2 tokens, %n windows", nullptr, int(e->windows()))
                                     .arg(e->source.empty() ? tr("text") : QString::fromStdString(e->source))
                                     .arg(e->windowLength())
                               : tr("protocols differ"));
}

QString JudgePage::reportBlocker() const {
    if (!m_session->model()) return tr("Open a model first.");
    if (m_set.runs().size() < 2) return tr("Nothing was quantized yet. Run the recipe first.");
    return {};
}

JobHandle* JudgePage::writeReport(const QString& file) {
    if (!reportBlocker().isEmpty()) return nullptr;
    ReportInput input = m_set.reportInput();
    const auto add = [&](const QString& title, const QByteArray& svg) {
        input.pictures.push_back({title.toStdString(), svg.toStdString()});
    };
    if (m_change->data() && m_change->data()->bins() > 0)
        add(m_change->data()->title, ui::pictureSvg(*m_change, kReportPicture));
    const JobRequest request{QStringLiteral("report"), tr("Write %1").arg(QFileInfo(file).fileName()), true,
                             0, true};
    JobHandle* job =
        m_session->pool()->post(request, [input, path = file.toStdString()](const JobScope& scope) {
            return Outcome::from(qs::writeReport(path, input, scope.job()));
        });
    return job->then(this, [this, title = job->title()](const Outcome& outcome) {
        if (outcome.failed())
            emit m_session->failed(title, QString::fromStdString(outcome.error().describe()));
    });
}

} // namespace qs::app
