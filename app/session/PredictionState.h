// SPDX-License-Identifier: GPL-3.0-or-later
// PredictionState: random recipes of the table's candidates, measured on the engine, to see how well a score
// predicts. They stay while model and table do; another score only predicts them anew. GUI thread only.
#pragma once

#include "app/session/TuneState.h"
#include "core/allocate/prediction_check.h"

namespace qs::app {

struct ComparedRun;
class JudgeSet;

/// A run whose linears all have schemes of the table.
struct PredictedRun {
    char letter = 'B';
    QString name, protocol; ///< protocol: of its measurement, for people
    PredictionPoint at;
};

class PredictionState : public QObject {
    Q_OBJECT
public:
    static constexpr int kRecipes = 20;

    /// Both must live as long.
    PredictionState(Session* session, const TuneState* tune, QObject* parent = nullptr);

    /// Why no recipe can be measured now, "" when one can.
    QString blocker() const;
    /// Measures further ones; null when there is a blocker. What is measured is kept when it is stopped.
    JobHandle* measure(int count = kRecipes);
    void stop();
    bool measuring() const { return m_job && !m_job->isEnded(); }
    double progress() const; ///< 0..1, negative when idle
    const std::vector<MeasuredAssignment>& measured() const { return m_measured; }
    void setRuns(const JudgeSet* runs);
    /// By the present score; empty without a table. As of the last predicted().
    const PredictionCheck& check() const { return m_check; }
    /// Those that are measured against the original, change nothing beside the linears' schemes, and whose
    /// prediction is known. As of the last predicted().
    const std::vector<PredictedRun>& runs() const { return m_predicted; }
    /// "8 windows of 256 tokens of the built-in evaluation text"; "" without a model.
    QString protocol() const;

signals:
    void changed();   ///< measuring or not, progress, what is measured, the score
    void predicted(); ///< check() and runs(): summed on a worker, 100,000 linears for each recipe

private:
    void onTuneChanged();
    void predict();

    Session* m_session;
    const TuneState* m_tune;
    QPointer<JobHandle> m_job;
    std::vector<MeasuredAssignment> m_measured;
    std::shared_ptr<const SensitivityTable> m_table; ///< that m_measured is of
    const JudgeSet* m_runs = nullptr;
    PredictionCheck m_check;
    std::vector<PredictedRun> m_predicted;
    /// What the last predict() was asked for.
    std::pair<std::shared_ptr<const SensitivityTable>, const ScoreDescriptor*> m_asked;
    quint64 m_question = 0; ///< counts them: an answer to an earlier one may come late
};

} // namespace qs::app
