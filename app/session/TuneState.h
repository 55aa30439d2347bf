// SPDX-License-Identifier: GPL-3.0-or-later
// TuneState: what every scheme costs on every linear, measured on the engine; what the present schemes are
// predicted to cost, the frontier of what could be had, and solving for a budget as one step of the undo
// stack. GUI thread only.
#pragma once

#include "app/session/Session.h"
#include "app/session/TuneSolve.h"
#include "core/allocate/next_steps.h"

#include <QPointer>
#include <QSet>
#include <unordered_map>

namespace qs::app {

/// The present schemes in the table's terms.
struct TunePresent {
    TunePoint at;
    int unknown = 0; ///< linears whose scheme, or whose cost, is not in the table: not in `cost`
};

enum class TuneTarget { CheckpointMiB, BitsPerWeight, PerplexityPercent, MemoryMiB };

struct TuneRequest {
    TuneTarget target = TuneTarget::CheckpointMiB;
    double value = 0;
    size_t context = 4096; ///< tokens, for memory
    bool mayKeep = false;
};

class TuneState : public QObject {
    Q_OBJECT
public:
    explicit TuneState(Session* session, QObject* parent = nullptr);

    // --- Measuring ---
    const ScoreDescriptor& score() const { return *m_score; }
    void setScore(const std::string& id);
    /// Why the score cannot be measured now, "" when it can.
    QString measureBlocker() const;
    /// Linears for which the score is not known yet.
    int unmeasured() const;
    JobHandle* measure();
    void stop();
    bool measuring() const { return m_job && !m_job->isEnded(); }
    double progress() const; ///< 0..1, negative when idle
    /// Null before the first value.
    std::shared_ptr<const SensitivityTable> table() const { return m_table; }
    /// Schemes that a measurement offers: the most frequent one at other bits.
    std::vector<Scheme> candidates() const;

    // --- What is predicted ---
    /// Null until computed.
    std::shared_ptr<const TuneCurve> curve() const { return m_curve; }
    TunePresent present() const;
    /// What larger candidates than the present ones would recover, best per byte first; locks and ties are
    /// kept to. As of the last stepsChanged(), which requestSteps() brings.
    const std::vector<NextStep>& steps() const { return m_steps; }
    void requestSteps();
    /// Takes one, as an undo step. Returns "" or why not.
    QString take(const NextStep& step);
    /// Index of the candidate that a target has; none: kept, or not in the table.
    std::optional<size_t> candidateOf(int target) const;
    /// Cost of a candidate on a target; NaN when it is not known.
    double cost(int target, size_t candidate) const;

    // --- Solving ---
    void setLocked(const QVector<int>& targets, bool locked);
    bool isLocked(int target) const { return m_locked.contains(target); }
    int lockedCount() const { return int(m_locked.size()); }
    void setTieFused(bool tie);
    bool tieFused() const { return m_tieFused; }
    /// Candidates that the runtime does not load are left out; "": none is.
    void setRuntime(const std::string& id);
    const std::string& runtime() const { return m_runtime; }
    QString solveBlocker() const;
    /// Answers with solved() or refused(). Null when there is a blocker.
    JobHandle* solve(const TuneRequest& request);
    const TuneSolved& lastSolved() const { return m_solved; }

signals:
    void changed(); ///< measuring or not, progress, table, locks
    void curveChanged();
    void stepsChanged();
    void solved();
    void refused(const QString& why);

private:
    void startOver();
    void loadKept();
    void adopt(std::shared_ptr<const SensitivityTable> table);
    void requestCurve();
    TuneConstraints constraints() const;

    Session* m_session;
    const ScoreDescriptor* m_score;
    QPointer<JobHandle> m_job;
    std::shared_ptr<const SensitivityTable> m_table;
    std::shared_ptr<const TuneCurve> m_curve;
    QSet<int> m_locked;
    bool m_tieFused = false;
    std::string m_runtime;
    std::shared_ptr<RuntimeCandidates> m_runtimeCandidates = std::make_shared<RuntimeCandidates>("");
    TuneSolved m_solved;
    std::vector<NextStep> m_steps;
    mutable std::unordered_map<const Scheme*, std::optional<size_t>> m_candidateOf; ///< of schemes that live
};

} // namespace qs::app
