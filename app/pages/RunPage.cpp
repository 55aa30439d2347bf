// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/RunPage.h"

#include "app/jobs/JobsModel.h"
#include "app/pages/ActivationsPane.h"
#include "app/pages/InspectorPane.h"
#include "app/pages/TransformsPane.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Style.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"
#include "widgets/views/Delegates.h"
#include "widgets/views/KeyValueGrid.h"
#include "widgets/views/SectionHeader.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QScrollArea>
#include <QSplitter>
#include <QTableView>

namespace qs::app {

namespace {

constexpr int kRefreshMs = 60;

/// As tall as what it holds where there is room, scrolled where there is not.
class FactsScroll : public QScrollArea {
public:
    explicit FactsScroll(QWidget* content) {
        setFrameShape(QFrame::NoFrame);
        setWidgetResizable(true);
        setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
        setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
        setWidget(content);
        content->installEventFilter(this);
    }
    QSize sizeHint() const override { return widget()->sizeHint(); }

protected:
    bool eventFilter(QObject* watched, QEvent* event) override {
        if (event->type() == QEvent::LayoutRequest) updateGeometry();
        return QScrollArea::eventFilter(watched, event);
    }
};

QVector<ui::KeyValue> recipeFacts(const SchemeTable& table) {
    const PlanSummary& plan = table.summary();
    QVector<ui::KeyValue> out;
    out.push_back(
        {RunPage::tr("Tensors"), RunPage::tr("%1 of %2 quantized").arg(plan.quantized).arg(plan.targets)});
    out.push_back({RunPage::tr("Size"),
                   RunPage::tr("%1, was %2")
                       .arg(ui::bytesText(plan.totalBytesAfter), ui::bytesText(plan.totalBytesBefore)),
                   RunPage::tr("%1 bytes exactly.").arg(ui::integerText(qint64(plan.totalBytesAfter)))});
    out.push_back({RunPage::tr("Bits per weight"), QLocale().toString(plan.bitsPerWeight(), 'f', 4),
                   RunPage::tr("Stored bits of what is quantized, scales and zeros included.")});
    out.push_back({RunPage::tr("Plan"), QString::fromStdString(table.plan().fingerprint()).left(12),
                   RunPage::tr("A run is resumed only with the same plan."), true});
    return out;
}

QVector<ui::KeyValue> calibrationFacts(const Calibration& c) {
    QVector<ui::KeyValue> out;
    out.push_back({RunPage::tr("Text"), QString::fromStdString(c.info().source)});
    // Recorded activations have no tokens of ours.
    if (c.tokens().size() > 0)
        out.push_back({RunPage::tr("Tokens"),
                       QStringLiteral("%1 × %2").arg(ui::integerText(qint64(c.tokens().rows())),
                                                     ui::integerText(qint64(c.tokens().cols())))});
    out.push_back({RunPage::tr("Sites"), ui::integerText(qint64(c.sites().size()))});
    out.push_back(
        {RunPage::tr("Fingerprint"), QString::fromStdString(c.info().fingerprint).left(12), {}, true});
    return out;
}

} // namespace

RunPage::RunPage(Session* session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_units(session)
    , m_recipe(new ui::KeyValueGrid)
    , m_transforms(new TransformsPane(session))
    , m_activations(new ActivationsPane(session))
    , m_calibration(new ui::KeyValueGrid)
    , m_run(new QPushButton(tr("Run")))
    , m_stop(new QPushButton(tr("Stop")))
    , m_calibrate(new QPushButton(tr("Calibrate…")))
    , m_hint(new ToneLabel)
    , m_status(new ui::Chip)
    , m_bar(new QProgressBar)
    , m_message(new QLabel)
    , m_table(new QTableView) {
    setObjectName(QStringLiteral("runPage"));
    auto* split = new QSplitter;
    split->setObjectName(QStringLiteral("runSplit"));
    split->setChildrenCollapsible(false);
    split->addWidget(makeFacts());
    split->addWidget(makeUnits());
    split->setStretchFactor(1, 1);
    split->setSizes({300, 900});
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(split);
    m_later.setSingleShot(true);
    m_later.setInterval(kRefreshMs);
    connect(&m_later, &QTimer::timeout, this, &RunPage::refresh);
    connect(session->table(), &ui::TargetTableSource::reset, this, [this] {
        m_rebuild = true;
        later();
    });
    connect(session->table(), &ui::TargetTableSource::rowsChanged, this, &RunPage::later);
    connect(session->table(), &SchemeTable::planChanged, this, &RunPage::later);
    connect(session, &Session::runChanged, this, &RunPage::later);
    connect(session, &Session::calibrationChanged, this, &RunPage::later);
    connect(session->engine(), &JobLane::jobPosted, this, [this](JobHandle* job) {
        if (job->tag() == QLatin1String("run"))
            connect(job, &JobHandle::changed, this, &RunPage::showProgress);
    });
    refresh();
}

QWidget* RunPage::makeFacts() {
    auto* side = new QWidget;
    side->setMinimumWidth(260);
    auto* layout = new QVBoxLayout(side);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    const auto padded = [](std::initializer_list<QWidget*> widgets) {
        auto* frame = new QWidget;
        auto* l = new QVBoxLayout(frame);
        l->setContentsMargins(10, 4, 10, 10);
        for (QWidget* w : widgets)
            l->addWidget(w);
        return frame;
    };
    auto* head = new ui::ToolRow;
    head->addTitle(tr("Run"));
    head->addStretch();
    layout->addWidget(head);
    auto* facts = new QWidget;
    auto* rows = new QVBoxLayout(facts);
    rows->setContentsMargins(0, 0, 0, 0);
    rows->setSpacing(0);
    auto* recipe = new ui::SectionHeader(tr("Recipe"));
    recipe->setLineAbove(false);
    rows->addWidget(recipe);
    rows->addWidget(padded({m_recipe}));
    rows->addWidget(new ui::SectionHeader(tr("Before quantizing"), tr("the whole model")));
    rows->addWidget(padded({m_transforms}));
    rows->addWidget(new ui::SectionHeader(tr("Activations"), tr("the whole model")));
    rows->addWidget(padded({m_activations}));
    rows->addWidget(new ui::SectionHeader(tr("Calibration")));
    m_calibrate->setObjectName(QStringLiteral("runCalibrate"));
    rows->addWidget(padded({m_calibration, m_calibrate}));
    auto* scroll = new FactsScroll(facts);
    scroll->setObjectName(QStringLiteral("runFacts"));
    scroll->setAccessibleName(tr("Recipe, transforms and calibration"));
    layout->addWidget(scroll);
    layout->addWidget(new ui::SectionHeader(tr("Start")));
    auto* buttons = new QWidget;
    auto* row = new QHBoxLayout(buttons);
    row->setContentsMargins(0, 0, 0, 0);
    ui::makePrimary(m_run);
    m_run->setObjectName(QStringLiteral("runButton"));
    m_stop->setObjectName(QStringLiteral("stopButton"));
    row->addWidget(m_run, 1);
    row->addWidget(m_stop);
    m_hint->setObjectName(QStringLiteral("runHint"));
    layout->addWidget(padded({buttons, m_hint}));
    layout->addStretch();
    connect(m_run, &QPushButton::clicked, this, &RunPage::runRequested);
    connect(m_stop, &QPushButton::clicked, this, &RunPage::stopRequested);
    connect(m_calibrate, &QPushButton::clicked, this, &RunPage::calibrateRequested);
    return side;
}

QWidget* RunPage::makeUnits() {
    auto* box = new QWidget;
    auto* layout = new QVBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Blocks"));
    row->addWidget(m_status);
    row->addStretch();
    m_message->setTextFormat(Qt::PlainText);
    row->addWidget(m_message);
    m_bar->setTextVisible(false);
    m_bar->setFixedSize(160, 8);
    row->addWidget(m_bar);
    layout->addWidget(row);
    m_table->setObjectName(QStringLiteral("unitsTable"));
    m_table->setAccessibleName(tr("Blocks"));
    ui::setupTable(m_table);
    m_table->setModel(&m_units);
    m_table->setItemDelegateForColumn(
        RunUnits::State, new ui::ProgressDelegate(RunUnits::FractionRole, RunUnits::PaintStateRole, m_table));
    constexpr int widths[] = {104, 84, 84, 56, 126, 126, 64, 150};
    for (int c = 0; c < RunUnits::ColumnCount; ++c)
        m_table->setColumnWidth(c, widths[c]);
    connect(m_table, &QTableView::clicked, this, [this](const QModelIndex& i) {
        m_session->selection()->set(i.data(RunUnits::TargetsRole).value<QVector<int>>());
    });
    layout->addWidget(m_table, 1);
    return box;
}

void RunPage::later() {
    // Sums over every tensor: made when they are looked at.
    m_dirty = true;
    if (isVisible() && !m_later.isActive()) m_later.start();
}

void RunPage::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_dirty) refresh();
}

void RunPage::refresh() {
    m_dirty = false;
    if (std::exchange(m_rebuild, false))
        m_units.rebuild();
    else
        m_units.refresh();
    showFacts();
    showProgress();
}

void RunPage::showFacts() {
    const bool open = bool(m_session->model());
    if (open) showKeyValues(m_recipe, recipeFacts(*m_session->table()));
    const auto calibration = m_session->calibration();
    if (calibration)
        showKeyValues(m_calibration, calibrationFacts(*calibration));
    else
        showKeyValues(m_calibration,
                      {{tr("Activations"), open && !m_session->table()->summary().needsCalibration() &&
                                                   m_session->table()->settings().transforms.empty()
                                               ? tr("not needed by this recipe")
                                               : tr("not measured yet")}});
    const QString noCalibration = m_session->calibrateBlocker();
    m_calibrate->setEnabled(noCalibration.isEmpty());
    m_calibrate->setToolTip(noCalibration);
    const QString why = m_session->runBlocker();
    m_run->setEnabled(why.isEmpty());
    m_run->setToolTip(why);
    const auto run = m_session->run();
    m_run->setText(run && !run->complete() && !m_session->table()->runIsStale() ? tr("Resume") : tr("Run"));
    m_stop->setEnabled(m_session->running());
    m_stop->setToolTip(m_session->running() ? tr("Finished blocks are kept; Resume continues.")
                                            : tr("No run is in progress."));
    const bool complete = run && run->complete() && !m_session->table()->runIsStale();
    m_hint->setText(!why.isEmpty() ? why
                    : complete ? tr("This recipe is run. Evaluate measures what it costs, Export writes it.")
                               : tr("Every block is written as soon as it is done. Stop, or a crash, costs "
                                    "at most the block in flight."));
}

QString RunPage::statusText() const {
    const int total = m_units.rowCount(), done = m_units.doneUnits();
    if (m_session->running()) return tr("%1 of %n blocks", nullptr, total).arg(done);
    const auto run = m_session->run();
    if (!run) return m_session->model() ? tr("not run yet") : QString();
    if (m_session->table()->runIsStale()) return tr("recipe changed since");
    if (run->complete()) return tr("complete");
    return tr("%1 of %2, stopped").arg(run->unitsDone()).arg(run->unitsTotal());
}

void RunPage::showProgress() {
    const JobHandle* job = nullptr;
    for (const JobHandle* h : m_session->engine()->handles())
        if (h->tag() == QLatin1String("run") && !h->isEnded()) job = h;
    m_bar->setVisible(job);
    m_message->setVisible(job);
    const auto run = m_session->run();
    const bool stale = m_session->table()->runIsStale();
    m_status->setTone(job                                ? ui::Chip::Tone::Selection
                      : run && run->complete() && !stale ? ui::Chip::Tone::Ok
                      : run                              ? ui::Chip::Tone::Warning
                                                         : ui::Chip::Tone::Neutral);
    m_status->setText(statusText());
    if (!job) return;
    m_bar->setRange(0, 1000);
    m_bar->setValue(int(std::max(0.0, job->fraction()) * 1000));
    const QString left = durationText(job->secondsLeft());
    m_message->setText(left.isEmpty() ? job->message() : tr("%1 · %2 left").arg(job->message(), left));
}

} // namespace qs::app
