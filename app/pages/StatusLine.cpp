// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/StatusLine.h"

#include "app/jobs/JobsModel.h"
#include "core/model/packed/packed_linear.h"
#include "widgets/models/Metric.h"

#include <QLabel>
#include <QProgressBar>
#include <QUndoStack>
#include <map>

namespace qs::app {

namespace {

/// The type most weights are stored in.
QString mainType(const Model& model) {
    std::map<std::string_view, uint64_t> elements;
    auto last = elements.end(); // of neighbours the type is nearly always the same
    for (const TensorInfo& t : model.checkpoint().tensors()) {
        if (last == elements.end() || last->first != t.typeName())
            last = elements.try_emplace(t.typeName()).first;
        last->second += t.elements();
    }
    for (const QuantTarget& t : model.targets())
        if (t.packed) elements[t.packed->format] += uint64_t(t.rows) * t.cols;
    const auto most = std::max_element(elements.begin(), elements.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == elements.end() ? QString() : QString::fromStdString(std::string(most->first));
}

} // namespace

QString parametersText(quint64 count) {
    const QLocale locale;
    if (count >= 1000000000) return StatusLine::tr("%1 B").arg(locale.toString(double(count) / 1e9, 'f', 3));
    if (count >= 1000000) return StatusLine::tr("%1 M").arg(locale.toString(double(count) / 1e6, 'f', 2));
    return ui::integerText(qint64(count));
}

StatusLine::StatusLine(Session* session, QWidget* parent) : QStatusBar(parent), m_session(session) {
    setObjectName(QStringLiteral("statusLine"));
    setSizeGripEnabled(false);
    m_model = addPart("statusModel");
    m_recipe = addPart("statusRecipe");
    m_recipe->setTextFormat(Qt::RichText);
    m_device = addPart("statusDevice");
    m_scan = addPart("statusScan");
    m_job = addPart("statusJob");
    m_bar = new QProgressBar;
    m_bar->setObjectName(QStringLiteral("statusProgress"));
    m_bar->setFixedSize(100, 8);
    m_bar->setTextVisible(false);
    addWidget(m_bar);
    m_undo = new QLabel;
    m_undo->setObjectName(QStringLiteral("statusUndo"));
    m_undo->setContentsMargins(8, 0, 8, 0);
    m_undo->setTextFormat(Qt::PlainText);
    addPermanentWidget(m_undo);
    for (QWidget* part :
         std::initializer_list<QWidget*>{m_model, m_recipe, m_job, m_bar, m_undo, m_scan, m_device})
        m_parts.push_back({part, false});
    m_later.setSingleShot(true);
    m_later.setInterval(50);
    connect(&m_later, &QTimer::timeout, this, &StatusLine::refresh);
    const auto later = [this] {
        if (!m_later.isActive()) m_later.start();
    };
    connect(session, &Session::modelChanged, this, later);
    connect(session, &Session::scanProgress, this, later);
    connect(session->table(), &SchemeTable::planChanged, this, later);
    connect(session->undoStack(), &QUndoStack::indexChanged, this, later);
    connect(session->engine(), &EngineThread::backendReady, this, later);
    connect(session->engine(), &EngineThread::memoryChanged, this, later);
    for (JobLane* lane : {static_cast<JobLane*>(session->engine()), static_cast<JobLane*>(session->pool())}) {
        connect(lane, &JobLane::jobPosted, this, [this](JobHandle* job) {
            if (job->listed()) connect(job, &JobHandle::changed, this, &StatusLine::showJob);
        });
        connect(lane, &JobLane::activeCountChanged, this, &StatusLine::showJob);
    }
    refresh();
    showJob();
}

QLabel* StatusLine::addPart(const char* name) {
    auto* label = new QLabel;
    label->setObjectName(QString::fromLatin1(name));
    label->setContentsMargins(8, 0, 8, 0);
    label->setTextFormat(Qt::PlainText);
    addWidget(label);
    return label;
}

void StatusLine::show(QLabel* label, const QString& text) {
    label->setText(text);
    want(label, !text.isEmpty());
}

void StatusLine::want(QWidget* part, bool wanted) {
    for (Part& p : m_parts)
        if (p.widget == part) p.wanted = wanted;
}

void StatusLine::fit() {
    constexpr int kSpacing = 8;
    int left = width() - 2 * kSpacing;
    for (const Part& part : m_parts) {
        const int needed = part.widget->sizeHint().width() + kSpacing;
        const bool fits = part.wanted && needed <= left;
        part.widget->setVisible(fits);
        if (fits) left -= needed;
    }
}

QSize StatusLine::minimumSizeHint() const {
    return {0, QStatusBar::minimumSizeHint().height()};
}

void StatusLine::resizeEvent(QResizeEvent* event) {
    QStatusBar::resizeEvent(event);
    fit();
}

QString StatusLine::deviceText() const {
    const EngineThread& engine = *m_session->engine();
    if (!engine.memory()) return engine.backendDescription();
    constexpr double kGiB = double(1 << 30);
    return tr("%1 · %2 of %3 GiB free")
        .arg(engine.backendDescription())
        .arg(double(engine.memory()->freeBytes) / kGiB, 0, 'f', 1)
        .arg(double(engine.memory()->totalBytes) / kGiB, 0, 'f', 1);
}

void StatusLine::refresh() {
    const auto model = m_session->model();
    show(m_device, deviceText());
    const QUndoStack* undo = m_session->undoStack();
    show(m_undo, undo->canUndo() ? tr("Undo: %1").arg(undo->undoText()) : QString());
    if (!model) {
        m_described.reset();
        show(m_model, tr("No model"));
        show(m_recipe, {});
        show(m_scan, {});
        fit();
        return;
    }
    if (std::exchange(m_described, model) != model) // looks at every tensor: once per model
        m_mainType = mainType(*model);
    show(m_model, tr("%1 · %2 parameters · %3")
                      .arg(m_session->title(), parametersText(model->parameterCount()), m_mainType));
    const PlanSummary& plan = m_session->table()->summary();
    show(m_recipe,
         plan.bitsPerWeight() > 0
             ? tr("Recipe <b>%1</b> · %2 bpw linears")
                   .arg(ui::bytesText(plan.totalBytesAfter), QLocale().toString(plan.bitsPerWeight(), 'f', 2))
             : tr("Recipe <b>%1</b> · all linears kept").arg(ui::bytesText(plan.totalBytesAfter)));
    m_recipe->setToolTip(tr("%1 bytes exactly, was %2. Stored bits per weight of what is quantized: %3.")
                             .arg(ui::integerText(qint64(plan.totalBytesAfter)),
                                  ui::integerText(qint64(plan.totalBytesBefore)),
                                  QLocale().toString(plan.bitsPerWeight(), 'f', 4)));
    const int total = m_session->table()->count();
    show(m_scan, total > 0 ? tr("Weight scan %1 of %2")
                                 .arg(ui::integerText(m_session->scannedCount()), ui::integerText(total))
                           : QString());
    fit();
}

void StatusLine::showJob() {
    const JobHandle* running = nullptr;
    for (JobLane* lane :
         {static_cast<JobLane*>(m_session->engine()), static_cast<JobLane*>(m_session->pool())})
        for (const JobHandle* job : lane->handles())
            if (!running && job->listed() && !job->isEnded() && job->state() != JobState::Queued)
                running = job;
    want(m_job, running);
    want(m_bar, running);
    if (!running) {
        fit();
        return;
    }
    const QString left = durationText(running->secondsLeft());
    m_job->setText(left.isEmpty() ? running->title() : tr("%1 · %2 left").arg(running->title(), left));
    m_job->setToolTip(running->message());
    const double f = running->fraction();
    m_bar->setRange(0, 1000);
    m_bar->setValue(f < 0 ? 0 : int(f * 1000));
    fit();
}

} // namespace qs::app
