// SPDX-License-Identifier: GPL-3.0-or-later
// SchemeTable: recipes, and what was measured.
#include "app/session/RecipeOf.h"
#include "app/session/SchemeTable.h"
#include "app/session/SetSchemesCommand.h"

#include <algorithm>
#include <cmath>

namespace qs::app {

using ui::TargetRow;

Recipe SchemeTable::recipe(const std::string& name) const {
    return m_model ? recipeOf(*m_model, schemes(), m_settings, name) : Recipe();
}

void SchemeTable::push(const QString& text, const std::vector<SchemePtr>& schemes,
                       const PlanSettings& settings) {
    std::vector<int> targets;
    std::vector<SchemePtr> after;
    for (size_t t = 0; t < schemes.size(); ++t)
        if (schemes[t] != this->schemes()[t]) {
            targets.push_back(int(t));
            after.push_back(schemes[t]);
        }
    const auto old = std::exchange(m_baseline, schemes);
    if (!targets.empty() || !(settings == m_settings))
        m_undo.push(new SetSchemesCommand(this, text, std::move(targets), std::move(after), settings, 0));
    QVector<int> rows;
    for (size_t t = 0; t < schemes.size(); ++t)
        if (old[t] != m_baseline[t]) {
            refreshRow(int(t));
            rows.push_back(int(t));
        }
    if (!rows.isEmpty()) emit rowsChanged(rows, Change::Edited);
}

std::vector<SchemeTable::SchemePtr> SchemeTable::schemesOf(const Plan& plan) {
    std::vector<SchemePtr> out(m_rows.size());
    const Scheme* last = nullptr; // runs of entries share one
    SchemePtr shared;
    for (const PlanEntry& e : plan.entries) {
        const int t = indexOf(QString::fromStdString(e.target.module));
        if (t < 0 || !e.scheme) continue;
        if (!last || *last != *e.scheme) shared = m_book.share(*e.scheme);
        last = &*e.scheme;
        out[size_t(t)] = shared;
    }
    return out;
}

void SchemeTable::applyPlan(const Plan& plan, const QString& undoText) {
    push(undoText, schemesOf(plan), {plan, plan.seed});
}

void SchemeTable::setModelSettings(const ModelSettings& settings, const QString& undoText) {
    if (settings == m_settings.model()) return;
    PlanSettings all = m_settings;
    static_cast<ModelSettings&>(all) = settings;
    m_undo.push(new SetSchemesCommand(this, undoText, {}, {}, std::move(all), 0));
}

void SchemeTable::applySchemes(const std::vector<SchemePtr>& schemes, const QString& undoText) {
    push(undoText, schemes, m_settings);
}

void SchemeTable::applySchemes(const std::vector<std::optional<Scheme>>& schemes,
                               const std::vector<std::string>& notes, const QString& undoText) {
    if (!m_model || schemes.size() != m_rows.size()) return;
    std::vector<SchemePtr> shared;
    for (const auto& s : schemes)
        shared.push_back(s ? m_book.share(*s) : nullptr);
    push(undoText, shared, m_settings);
    m_ruleIssues.clear();
    for (const std::string& note : notes)
        m_ruleIssues.push_back({Severity::Info, "imported-recipe", "", note});
    m_plan.reset();
    emit planChanged();
}

void SchemeTable::applyRecipe(const Recipe& recipe, const QString& undoText) {
    if (!m_model) return;
    const Plan plan = resolvePlan(recipe, *m_model);
    applyPlan(plan, undoText);
    // These speak about the rules, not about a tensor: planning from schemes cannot find them. They stay
    // until the next edit, as a warning, because what the table holds now is complete.
    m_ruleIssues.clear();
    for (LintIssue i : plan.issues)
        if (i.rule == "rule-matches-nothing") {
            i.severity = Severity::Warning;
            m_ruleIssues.push_back(std::move(i));
        }
    m_plan.reset();
    emit planChanged();
}

void SchemeTable::notifyMeasured(const QVector<int>& targets) {
    if (!targets.isEmpty()) emit rowsChanged(targets, Change::Measured);
}

void SchemeTable::setScan(int target, const WeightScan& scan) {
    ChannelStats inputs;
    inputs.absmax = scan.inputAbsmax;
    setWeights(target, scan.absmax, scan.stddev, scan.kurtosis, maxMedianRatio(inputs));
}

void SchemeTable::setStats(int target, const TensorStats& stats) {
    setWeights(target, stats.absmax, stats.stddev, stats.kurtosis, maxMedianRatio(stats.input));
}

void SchemeTable::setWeights(int target, double absmax, double stddev, double kurtosis, double outlierRatio) {
    if (target < 0 || target >= count()) return;
    TargetRow& r = m_rows[size_t(target)];
    r.absmax = absmax;
    r.stddev = stddev;
    r.kurtosis = kurtosis;
    r.outlierRatioWeights = outlierRatio;
    notifyMeasured({target});
}

void SchemeTable::setCalibration(const Calibration* calibration) {
    m_calibration = calibration ? calibration->info().fingerprint : std::string();
    QVector<int> changed;
    for (int t = 0; t < count(); ++t) {
        TargetRow& r = m_rows[size_t(t)];
        const SiteRecord* site =
            calibration && !r.site.isEmpty() ? calibration->find(r.site.toStdString()) : nullptr;
        r.activationAbsmax = r.activationKurtosis = r.outlierRatioActivations = r.tokens = ui::kNotMeasured;
        if (site) r.tokens = double(site->tokens);
        if (site && site->stats.channels() > 0) {
            const auto& s = site->stats;
            r.activationAbsmax = *std::max_element(s.absmax.begin(), s.absmax.end());
            r.activationKurtosis = *std::max_element(s.kurtosis.begin(), s.kurtosis.end());
            r.outlierRatioActivations = maxMedianRatio(s);
        }
        refreshKl(t);
        changed.push_back(t);
    }
    notifyMeasured(changed);
}

void SchemeTable::setKl(const std::vector<MeasuredKl>& measured) {
    for (const MeasuredKl& m : measured) {
        if (m.target < 0 || m.target >= count() || !m.scheme) continue;
        MeasuredKl& known = *m_kl.insert(m.target, m);
        // A scheme that was read from a file is equal to one of the table's, not the same object.
        if (known.scheme != schemes()[size_t(m.target)]) known.scheme = m_book.share(*known.scheme);
        m_rows[size_t(m.target)].kl = m.kl;
        refreshKl(m.target);
    }
    double sum = 0;
    for (const MeasuredKl& m : qAsConst(m_kl))
        sum += m.kl;
    QVector<int> changed;
    for (auto it = m_kl.cbegin(); it != m_kl.cend(); ++it) {
        m_rows[size_t(it.key())].klShare = sum > 0 ? it->kl / sum : 0;
        changed.push_back(it.key());
    }
    notifyMeasured(changed);
}

void SchemeTable::beginRun(const std::vector<SchemePtr>& schemes, const ModelSettings& settings,
                           bool running) {
    m_runSettings = settings;
    m_runSchemes = schemes;
    m_baseline = schemes;
    m_hasRun = true;
    m_running = running;
    QVector<int> all;
    for (int t = 0; t < count(); ++t) {
        TargetRow& r = m_rows[size_t(t)];
        r.done.clear();
        r.different = false;
        if (!std::isnan(r.outputError)) r.outputErrorBefore = r.outputError;
        r.weightError = r.outputError = r.maxAbsError = r.seconds = ui::kNotMeasured;
        refreshRow(t);
        all.push_back(t);
    }
    notifyMeasured(all);
}

void SchemeTable::setResults(const std::vector<TensorResult>& results) {
    QVector<int> changed;
    for (const TensorResult& result : results) {
        const int t = indexOf(QString::fromStdString(result.module));
        if (t < 0) continue;
        TargetRow& r = m_rows[size_t(t)];
        r.done = QString::fromStdString(result.done);
        r.different = result.planned != result.done;
        r.weightError = result.error.weight;
        r.outputError = result.error.output < 0 ? ui::kNotMeasured : result.error.output;
        r.maxAbsError = result.error.maxAbs;
        r.seconds = result.seconds;
        refreshRow(t);
        changed.push_back(t);
    }
    notifyMeasured(changed);
}

void SchemeTable::endRun() {
    m_running = false;
    QVector<int> all;
    for (int t = 0; t < count(); ++t) {
        refreshRow(t);
        all.push_back(t);
    }
    notifyMeasured(all);
}

void SchemeTable::clearRun() {
    if (!m_hasRun) return;
    const auto baseline = m_baseline;
    beginRun(std::vector<SchemePtr>(m_rows.size()), {}, false);
    m_baseline = baseline;
    m_hasRun = false;
    endRun();
}

bool SchemeTable::runIsStale() const {
    return m_hasRun && (schemes() != m_runSchemes || m_settings.model() != m_runSettings);
}

} // namespace qs::app
