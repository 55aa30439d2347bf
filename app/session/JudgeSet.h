// SPDX-License-Identifier: GPL-3.0-or-later
// JudgeSet: the runs that are compared: A, the original, and up to three more, each with its measurement.
// What Run and Export work on stays the session's own run; when it is complete it takes a free letter here
// (the last one when none is free). The list is remembered with the model's cache, measurements beside it.
// GUI thread only.
#pragma once

#include "app/session/JudgeLoading.h"
#include "app/session/Session.h"
#include "core/evaluate/compare.h"
#include "core/report/report.h"

namespace qs::app {

struct ComparedRun {
    char letter = 'A';
    QString directory;                ///< "" for the original
    QString name, summary;            ///< "run 3f2a91"; what its plan does
    std::shared_ptr<const Run> run;   ///< null: the original
    std::shared_ptr<const Plan> plan; ///< null: the original
    std::string weightsFingerprint;
    std::shared_ptr<const Evaluation> evaluation; ///< null: not measured
};

/// A run held against the reference.
struct AgainstReference {
    QString problem; ///< "not comparable: window length differs"; "" when there is none
    std::optional<EvaluationDifference> difference;
};

class JudgeSet : public QObject {
    Q_OBJECT
public:
    static constexpr size_t kMostRuns = 3;

    explicit JudgeSet(Session* session, QObject* parent = nullptr);

    Session* session() const { return m_session; }
    /// By letter, A first; empty without a model.
    const std::vector<ComparedRun>& runs() const { return m_runs; }
    const ComparedRun* find(char letter) const;
    /// Runs beside the session's own, for EvaluateRequest::others.
    std::vector<std::shared_ptr<const Run>> others() const;
    /// The run that the others are compared with; A while there is no other.
    char against() const { return m_against; }
    void setAgainst(char letter);
    /// Why two of them cannot be compared, "" when they can (or one is not measured).
    QString problem(const ComparedRun& run) const;
    /// Empty until computed.
    AgainstReference difference(char letter) const;

    /// Why no run can be added, "" when one can.
    QString addBlocker() const;
    JobHandle* addRun(const QString& directory);
    void removeRun(char letter);

    /// For a session file: what is compared; the reference is A unless it was chosen.
    std::vector<MeasuredRun> measured() const;
    char chosenReference() const { return m_chosen ? m_against : 'A'; }
    /// Puts what a session file names in the place of what is compared. The payload is a LoadedRuns.
    JobHandle* open(const std::vector<SessionState::Compared>& compared, char against);

    ReportInput reportInput() const;

signals:
    void changed(); ///< runs, measurements or the reference
    void differencesChanged();

private:
    JobHandle* load(const QString& directory, bool automatic);
    JobHandle* restore(const JobRequest& request, std::function<LoadedRuns()> read);
    void onRestored(const LoadedRuns& loaded);
    bool knows(const LoadedRun& loaded) const;
    void adopt(LoadedRun loaded, char letter);
    void onModelChanged();
    void onRunChanged();
    void onEvaluationChanged();
    void settle(bool save);
    void compare();
    void save();
    char freeLetter() const;

    Session* m_session;
    std::vector<ComparedRun> m_runs;
    char m_against = 'A';
    bool m_chosen = false;            ///< the reference was chosen, not defaulted
    JobHandle* m_restoring = nullptr; ///< compared only: the newest one counts
    QStringList m_waiting;            ///< folders to add once restored
    std::map<char, AgainstReference> m_differences;
};

} // namespace qs::app
