// SPDX-License-Identifier: GPL-3.0-or-later
// What the Tune workspace asks allocators: a solve and the frontier of what could be had, as work for any
// thread.
#pragma once

#include "app/session/SchemeTable.h"
#include "core/allocate/runtime_limits.h"

#include <mutex>

namespace qs::app {

/// The whole checkpoint with some schemes in place.
struct TunePoint {
    quint64 bytes = 0;
    double cost = 0;        ///< of the score
    double uncertainty = 0; ///< of the cost: standard errors of its parts, as far as the score has them
};

/// What could be had, for the present score, locks and ties.
struct TuneCurve {
    std::vector<TunePoint> frontier; ///< ascending bytes
    int locked = 0;                  ///< linears that the frontier leaves as they are
    struct Uniform {
        size_t candidate;
        TunePoint at;
    };
    std::vector<Uniform> uniform; ///< one scheme wherever it can be had
};

/// What a solve changed.
struct TuneSolved {
    struct Change {
        int target;
        QString from, to;
        qint64 bytes; ///< more than before
    };
    std::vector<Change> changes; ///< largest first
    int up = 0, down = 0, unchanged = 0, locked = 0, unmeasured = 0;
    TunePoint at;
    QString remainder;
    double milliseconds = 0;
};

/// The candidates that a runtime does not load in any of its formats. Found once, by the first worker that
/// asks: rules look at every linear with every candidate.
class RuntimeCandidates {
public:
    explicit RuntimeCandidates(std::string runtime) : m_runtime(std::move(runtime)) {}
    Result<const std::set<RefusedCandidate>*> refused(const SensitivityTable& table, const Model& model);

private:
    std::string m_runtime; ///< id; "": any, which refuses nothing
    std::once_flag m_once;
    Result<std::set<RefusedCandidate>> m_refused = std::set<RefusedCandidate>();
};

/// Score, locks and ties, as plain values for a worker.
struct TuneConstraints {
    std::shared_ptr<const SensitivityTable> table;
    std::shared_ptr<const Model> model;
    const ScoreDescriptor* score = nullptr;
    std::vector<std::pair<size_t, std::optional<size_t>>> locked; ///< row and candidate; none: as it is now
    std::vector<std::pair<size_t, quint64>>
        bytesNow; ///< of locked rows whose scheme is no candidate, or kept
    bool tieFused = false;
    std::shared_ptr<RuntimeCandidates> runtime;
};

struct SolveInput {
    std::shared_ptr<const Model> model;
    TuneConstraints constraints;
    AllocationTarget target;
    bool mayKeep = false;
    std::vector<SchemeTable::SchemePtr> before;
    std::vector<quint64> bytesBefore;
    std::vector<char> locked;
};

struct SolveOutcome {
    std::vector<std::optional<size_t>> candidate; ///< of every linear; none: kept. Of no meaning where locked
    TuneSolved solved;                            ///< without the bytes of `at`
};

/// "int4 g64 asym · GPTQ"
QString schemeLabel(const Scheme& scheme);

/// The frontier and one scheme for all.
Result<TuneCurve> curveOf(const TuneConstraints& constraints);
/// The schemes for a target and what they change.
Result<SolveOutcome> solvedFor(const SolveInput& in, const JobContext& job);

} // namespace qs::app
