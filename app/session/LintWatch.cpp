// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/LintWatch.h"

#include "app/session/Session.h"

#include <QThreadPool>
#include <utility>

namespace qs::app {

namespace {

constexpr int kDelayMs = 200;

Plan planOf(const std::vector<SchemeTable::SchemePtr>& schemes, const Model& model,
            const PlanSettings& settings) {
    std::vector<std::optional<Scheme>> values;
    for (const auto& s : schemes)
        values.push_back(s ? std::optional<Scheme>(*s) : std::nullopt);
    return planFromSchemes(values, model, settings.seed, settings);
}

/// Null when the job is stopped.
LintWatch::CheckedPtr check(std::shared_ptr<const Plan> plan, const Model& model, const JobContext& job) {
    auto out = std::make_shared<LintWatch::Checked>();
    out->plan = std::move(plan);
    for (const ExporterDescriptor* e : exporters()) {
        if (job.stopRequested()) return nullptr;
        out->issues.insert(QString::fromStdString(e->id), e->lint(model, *out->plan));
    }
    for (const RuntimeProfile& p : runtimeProfiles()) {
        if (job.stopRequested()) return nullptr;
        out->verdicts.insert(QString::fromStdString(p.id),
                             checkRuntime(p, *out->plan, [&](const ExporterDescriptor& e) {
                                 return out->issues.value(QString::fromStdString(e.id));
                             }));
    }
    return out;
}

} // namespace

LintWatch::LintWatch(Session* session) : QObject(session), m_session(session) {
    m_later.setSingleShot(true);
    m_later.setInterval(kDelayMs);
    connect(&m_later, &QTimer::timeout, this, &LintWatch::ask);
    const auto later = qOverload<>(&QTimer::start);
    connect(session->table(), &SchemeTable::planChanged, this, [this] {
        if (m_job) m_job->cancel(); // about another plan: what the edit asks for must not wait for it
        m_later.start();
    });
    connect(session, &Session::runChanged, &m_later, later);
    connect(session, &Session::modelChanged, this, [this] {
        replaceAnswer({});
        emit changed();
        m_later.start();
    });
}

// Answers about 100k tensors hold as many schemes and texts: freeing the old one takes a frame or two.
void LintWatch::replaceAnswer(Answer answer) {
    auto old = std::make_shared<Answer>(std::exchange(m_answer, std::move(answer)));
    QThreadPool::globalInstance()->start([old = std::move(old)]() mutable { old.reset(); });
}

void LintWatch::ask() {
    const auto model = m_session->model();
    if (!model) return;
    // One copy, however often the job is passed on: those of 100k tensors take milliseconds.
    const auto schemes =
        std::make_shared<const std::vector<SchemeTable::SchemePtr>>(m_session->table()->schemes());
    const auto run = m_session->runPlan();
    const bool alike = run && !m_session->table()->runIsStale();
    const auto body = [model, run, alike, schemes,
                       settings = m_session->table()->settings()](const JobScope& scope) -> Outcome {
        Answer answer;
        answer.recipe = check(alike ? run : std::make_shared<const Plan>(planOf(*schemes, *model, settings)),
                              *model, scope.job());
        answer.exported = answer.recipe && run && !alike ? check(run, *model, scope.job()) : answer.recipe;
        if (!answer.exported) return Outcome::cancelled();
        return Payload::of(std::move(answer));
    };
    JobHandle* job = m_job =
        m_session->pool()->post({QStringLiteral("lint"), tr("Check the export formats"), false, 3}, body);
    job->then(this, [this, model](const Outcome& outcome) {
        const auto answer = outcome.as<Answer>();
        if (!answer || m_session->model() != model) return;
        replaceAnswer(*answer);
        emit changed();
    });
}

} // namespace qs::app
