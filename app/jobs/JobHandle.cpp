// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/JobHandle.h"

#include "app/jobs/JobLane.h"

#include <QLocale>

namespace qs::app {

QString jobStateText(JobState state) {
    switch (state) {
    case JobState::Queued:
        return JobHandle::tr("Queued");
    case JobState::Running:
        return JobHandle::tr("Running");
    case JobState::Cancelling:
        return JobHandle::tr("Cancelling");
    case JobState::Done:
        return JobHandle::tr("Done");
    case JobState::Failed:
        return JobHandle::tr("Failed");
    case JobState::Cancelled:
        return JobHandle::tr("Cancelled");
    }
    return {};
}

JobHandle::JobHandle(QString tag, QString title, bool listed, std::shared_ptr<JobRecord> record,
                     QObject* parent)
    : QObject(parent)
    , m_tag(std::move(tag))
    , m_title(std::move(title))
    , m_listed(listed)
    , m_record(std::move(record)) {}

JobHandle::~JobHandle() {
    emit aboutToBeDestroyed();
    m_record->requestStop();
    m_record->withdraw();
}

double JobHandle::fraction() const {
    return m_hasProgress && m_progress.total > 0 ? m_progress.fraction() : -1;
}

double JobHandle::secondsRunning() const {
    if (isEnded()) return double(m_ranMs) / 1000;
    return m_clock.isValid() ? double(m_clock.elapsed()) / 1000 : 0;
}

double JobHandle::secondsLeft() const {
    if (isEnded() || !m_hasProgress || m_progress.secondsLeft < 0) return -1;
    return std::max(0.0, m_progress.secondsLeft - double(m_clock.elapsed() - m_progressMs) / 1000);
}

QString JobHandle::message() const {
    const QString phase = QString::fromStdString(m_progress.phase);
    switch (m_state) {
    case JobState::Failed:
        return QString::fromStdString(m_outcome.error().describe());
    case JobState::Cancelling:
        return phase.isEmpty() ? tr("Stopping at the next check") : tr("Stopping: %1").arg(phase);
    case JobState::Cancelled:
        return phase.isEmpty() ? QString() : tr("Stopped at: %1").arg(phase);
    case JobState::Done:
        return notes().join(QStringLiteral("; "));
    case JobState::Queued:
    case JobState::Running:
        break;
    }
    return phase;
}

QString JobHandle::report() const {
    const auto time = [](const QDateTime& t) {
        return t.isValid() ? t.toString(Qt::ISODate) : QStringLiteral("-");
    };
    QStringList lines{m_title, tr("State: %1").arg(jobStateText(m_state)),
                      tr("Started: %1").arg(time(m_started)), tr("Finished: %1").arg(time(m_finished)),
                      tr("Ran: %1 s").arg(QLocale().toString(secondsRunning(), 'f', 1))};
    if (!m_progress.phase.empty())
        lines << tr("Last phase: %1").arg(QString::fromStdString(m_progress.phase));
    if (m_state == JobState::Failed) {
        const Error& e = m_outcome.error();
        lines << tr("Error: %1").arg(QString::fromLatin1(errorCodeName(e.code)))
              << tr("Message: %1").arg(QString::fromStdString(e.message));
        if (!e.where.empty()) lines << tr("Where: %1").arg(QString::fromStdString(e.where));
    }
    for (const QString& note : notes())
        lines << tr("Note: %1").arg(note);
    return lines.join(QLatin1Char('\n'));
}

QStringList JobHandle::notes() const {
    QStringList out;
    if (isEnded())
        for (const std::string& note : m_record->notes())
            out << QString::fromStdString(note);
    return out;
}

JobHandle* JobHandle::then(QObject* context, OutcomeCallback callback) {
    m_then.emplace_back(context, std::move(callback));
    if (isEnded()) queueCallbacks();
    return this;
}

JobHandle* JobHandle::onPartial(QObject* context, PartialCallback callback) {
    m_partial.emplace_back(context, std::move(callback));
    return this;
}

void JobHandle::cancel() {
    if (isEnded() || m_state == JobState::Cancelling) return;
    m_record->requestStop();
    if (m_record->withdraw())
        finish(Outcome::cancelled());
    else
        setState(JobState::Cancelling);
}

void JobHandle::markStarted() {
    m_started = QDateTime::currentDateTime();
    m_clock.start();
    if (m_state == JobState::Queued) setState(JobState::Running);
}

void JobHandle::refresh() {
    if (isEnded()) return;
    if (m_record->takeProgress(m_seenProgress, m_progress)) {
        m_hasProgress = true;
        m_progressMs = m_clock.isValid() ? m_clock.elapsed() : 0;
        emit changed();
    }
    deliverPartials();
}

void JobHandle::deliverPartials() {
    const std::vector<Payload> partials = m_record->takePartials();
    if (partials.empty() || m_superseded) return;
    // A callback may add another one: iterate over a copy.
    const auto callbacks = m_partial;
    for (const auto& [context, callback] : callbacks)
        if (context) callback(partials);
}

void JobHandle::finish(Outcome outcome) {
    if (isEnded()) return;
    const QPointer<JobHandle> self(this);
    refresh();
    if (!self) return;
    m_outcome = m_superseded ? Outcome::cancelled() : std::move(outcome);
    m_finished = QDateTime::currentDateTime();
    m_ranMs = m_clock.isValid() ? m_clock.elapsed() : 0;
    setState(m_outcome.done() ? JobState::Done : m_outcome.failed() ? JobState::Failed : JobState::Cancelled);
    if (!self) return;
    queueCallbacks();
    emit ended();
}

void JobHandle::queueCallbacks() {
    QMetaObject::invokeMethod(
        this, [this] { runCallbacks(); }, Qt::QueuedConnection);
}

void JobHandle::runCallbacks() {
    const QPointer<JobHandle> self(this);
    const auto callbacks = std::exchange(m_then, {});
    for (const auto& [context, callback] : callbacks) {
        if (context) callback(m_outcome);
        if (!self) return;
    }
    if (!callbacks.empty() && m_outcome.done()) m_outcome = Outcome::from(Result<void>());
    static_cast<JobLane*>(parent())->retire(this);
}

void JobHandle::setState(JobState state) {
    if (m_state == state) return;
    m_state = state;
    emit changed();
}

} // namespace qs::app
