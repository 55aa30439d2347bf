// SPDX-License-Identifier: GPL-3.0-or-later
// Session: looking at weights and activations. All of it on the light pool.
#include "app/session/Comparison.h"
#include "app/session/ScanQueue.h"
#include "app/session/Session.h"

#include <cmath>
#include <fmt/format.h>

namespace qs::app {

namespace {
struct Scanned {
    int target;
    WeightScan scan;
};
} // namespace

JobHandle* Session::scanWeights() {
    if (!m_model) return nullptr;
    m_scan = std::make_shared<ScanQueue>(m_model->targets().size());
    for (int t = 0; t < m_table.count(); ++t)
        if (!std::isnan(m_table.row(t).absmax)) m_scan->skip(t);
    const auto body = [model = m_model, queue = m_scan](const JobScope& scope) -> Outcome {
        double total = 0, done = 0;
        for (const QuantTarget& t : model->targets())
            total += double(t.rows) * double(t.cols);
        size_t number = 0;
        while (const auto target = queue->next()) {
            const QuantTarget& t = model->targets()[size_t(*target)];
            scope.job().report(fmt::format("Reading tensor {} of {}", ++number, model->targets().size()),
                               done, total);
            auto scan = scanOfTarget(*model, *target, scope.job().silent());
            if (!scan) return scan.takeError();
            scope.publish(Payload::of(Scanned{*target, std::move(*scan)}));
            done += double(t.rows) * double(t.cols);
        }
        return Payload();
    };
    JobHandle* job = m_pool.post({QStringLiteral("scan"), tr("Read the weights of %1").arg(title())}, body);
    job->onPartial(this, [this, model = m_model](const std::vector<Payload>& partials) {
        if (!isCurrent(model)) return;
        for (const Payload& p : partials)
            if (const auto s = p.as<Scanned>()) adoptScan(s->target, s->scan);
    });
    return report(job);
}

void Session::setVisibleTargets(const QVector<int>& targets) {
    if (m_scan) m_scan->want(std::vector<int>(targets.begin(), targets.end()));
}

void Session::adoptScan(int target, const WeightScan& scan) {
    if (std::isnan(m_table.row(target).absmax)) ++m_scanned;
    m_table.setScan(target, scan);
    emit scanProgress(m_scanned, m_table.count());
}

void Session::adoptStats(int target, std::shared_ptr<const TensorStats> stats) {
    if (std::isnan(m_table.row(target).absmax)) ++m_scanned;
    m_table.setStats(target, *stats);
    m_stats.insert(target, std::move(stats));
    emit statsReady(target);
    emit scanProgress(m_scanned, m_table.count());
}

void Session::requestStats(int target) {
    if (!m_model || target < 0 || target >= m_table.count()) return;
    if (m_stats.find(target)) {
        emit statsReady(target);
        return;
    }
    JobRequest request{QStringLiteral("stats"), tr("Read %1").arg(m_table.row(target).module), false, 10};
    JobHandle* job = m_pool.post(request, [model = m_model, target, queue = m_scan](const JobScope& scope) {
        auto stats = statsOfTarget(*model, target, scope.job());
        if (stats && queue) queue->skip(target);
        return Outcome::from(std::move(stats));
    });
    job->then(this, [this, model = m_model, target](const Outcome& outcome) {
        if (!isCurrent(model)) return;
        if (const auto stats = outcome.as<TensorStats>()) adoptStats(target, stats);
    });
    report(job);
}

const SiteRecord* Session::activations(int target) const {
    if (!m_calibration || !m_model || target < 0 || target >= m_table.count()) return nullptr;
    const std::string& site = m_model->targets()[size_t(target)].site;
    return site.empty() ? nullptr : m_calibration->find(site);
}

void Session::requestComparison(int target) {
    if (!m_model || target < 0 || target >= m_table.count()) return;
    ComparisonInput input;
    input.model = m_model;
    input.target = target;
    input.scheme = m_table.schemes()[size_t(target)];
    // A stale result is not what the recipe says now: show the preview then.
    if (!m_table.row(target).stale) input.run = m_run;
    JobRequest request{QStringLiteral("compare"), tr("Compare %1").arg(m_table.row(target).module), false, 5};
    JobHandle* job = m_pool.post(request, [input](const JobScope& scope) {
        return Outcome::from(compareWeights(input, scope.job()));
    });
    job->then(this, [this, model = m_model, target](const Outcome& outcome) {
        if (!isCurrent(model)) return;
        // An unsupported one (too large for a preview) leaves nothing rather than another tensor's
        // picture.
        if (outcome.isCancelled()) return;
        m_comparison = outcome.as<WeightComparison>();
        m_comparisonNote = outcome.failed() ? QString::fromStdString(outcome.error().describe()) : QString();
        emit comparisonReady(target);
    });
}

} // namespace qs::app
