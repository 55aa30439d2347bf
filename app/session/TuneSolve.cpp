// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/TuneSolve.h"

#include <QElapsedTimer>
#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace qs::app {

namespace {

constexpr size_t kCurvePoints = 200;
constexpr size_t kMostExact = 1000; ///< linears that are solved exactly

/// What allocators are asked. A locked linear whose scheme is no candidate counts as kept at the bytes that
/// it has.
struct Constrained {
    std::shared_ptr<const SensitivityTable> table;
    AllocationRequest request;
};

Result<Constrained> constrained(const TuneConstraints& in) {
    Constrained out{in.table, {}};
    out.request.score = in.score->id;
    for (const auto& [row, candidate] : in.locked)
        out.request.locked[in.table->rows[row].module] = candidate;
    if (!in.bytesNow.empty()) {
        SensitivityTable changed(*in.table);
        for (const auto& [row, bytes] : in.bytesNow) {
            SensitivityRow& r = changed.rows[row];
            changed.checkpointBytes = changed.checkpointBytes - r.keptBytes + bytes;
            r.keptBytes = bytes;
        }
        out.table = std::make_shared<const SensitivityTable>(std::move(changed));
    }
    if (in.tieFused) out.request.tied = fusedTies(*out.table);
    QS_TRY(const auto* refused, in.runtime->refused(*in.table, *in.model));
    out.request.refused = *refused;
    return out;
}

/// What changes say of schemes. Thousands of linears share few.
class ChangeLabels {
public:
    /// The format, and the method where it is not that of the other one.
    QString of(const Scheme* scheme, const Scheme* other) {
        if (!scheme) return {};
        auto [at, fresh] = m_known.try_emplace(scheme);
        if (fresh) {
            at->second.whole = schemeLabel(*scheme);
            at->second.format = at->second.whole.section(QStringLiteral(" · "), 0, 0);
        }
        return other && other->method == scheme->method ? at->second.format : at->second.whole;
    }

private:
    struct Label {
        QString whole, format;
    };
    std::unordered_map<const Scheme*, Label> m_known;
};

} // namespace

QString schemeLabel(const Scheme& scheme) {
    const auto codec = createCodec(scheme.codec, scheme.codecParams);
    const auto method = findMethod(scheme.method);
    return QStringLiteral("%1 · %2").arg(QString::fromStdString(codec ? (*codec)->label() : scheme.codec),
                                         QString::fromStdString(method ? (*method)->label : scheme.method));
}

Result<const std::set<RefusedCandidate>*> RuntimeCandidates::refused(const SensitivityTable& table,
                                                                     const Model& model) {
    const auto find = [&]() -> Result<std::set<RefusedCandidate>> {
        std::optional<std::set<RefusedCandidate>> all;
        QS_TRY(const RuntimeProfile* runtime, findRuntimeProfile(m_runtime));
        for (const std::string& exporter : runtime->exporters) {
            QS_TRY(auto here, refusedCandidates(table, model, *runtime, exporter));
            if (all)
                std::erase_if(*all, [&](const RefusedCandidate& r) { return here.count(r) == 0; });
            else
                all = std::move(here);
        }
        return all.value_or(std::set<RefusedCandidate>());
    };
    std::call_once(m_once, [&] {
        if (!m_runtime.empty()) m_refused = find();
    });
    if (!m_refused) return m_refused.error();
    return &*m_refused;
}

Result<TuneCurve> curveOf(const TuneConstraints& constraints) {
    QS_TRY(Constrained in, constrained(constraints));
    in.request.mayKeep = false;
    TuneCurve out;
    QS_TRY(const auto frontier, allocationFrontier(*in.table, in.request, kCurvePoints));
    for (const AllocationPoint& p : frontier)
        out.frontier.push_back({p.checkpointBytes, p.cost, p.uncertainty});
    out.locked = int(constraints.locked.size());
    for (size_t c = 0; c < in.table->candidates.size(); ++c) {
        TunePoint at{in.table->checkpointBytes, 0, 0};
        bool any = false;
        for (const SensitivityRow& row : in.table->rows) {
            const SensitivityCell& cell = row.cells[c];
            const double cost = constraints.score->cost(row, cell);
            if (!cell.legal() || !std::isfinite(cost)) continue;
            any = true;
            at.bytes += cell.bytes;
            at.bytes -= row.keptBytes;
            at.cost += cost;
        }
        if (any) out.uniform.push_back({c, at});
    }
    return out;
}

Result<SolveOutcome> solvedFor(const SolveInput& in, const JobContext& job) {
    const SensitivityTable& table = *in.constraints.table;
    QS_TRY(Constrained problem, constrained(in.constraints));
    problem.request.target = in.target;
    problem.request.mayKeep = in.mayKeep;
    problem.request.allocator = table.rows.size() > kMostExact ? "greedy" : "exact";
    QElapsedTimer clock;
    clock.start();
    QS_TRY(const SchemeAllocation a, allocateSchemes(*problem.table, problem.request, job));
    SolveOutcome out;
    out.solved.milliseconds = double(clock.nsecsElapsed()) * 1e-6;
    ChangeLabels labels;
    for (size_t r = 0; r < in.before.size(); ++r) {
        if (in.locked[r]) {
            ++out.solved.locked;
            continue;
        }
        const Scheme* before = in.before[r].get();
        const Scheme* after = a.candidate[r] ? &table.candidates[*a.candidate[r]] : nullptr;
        if ((before && after && *before == *after) || (!before && !after)) {
            ++out.solved.unchanged;
            continue;
        }
        const SensitivityRow& row = table.rows[r];
        const quint64 bytes = after ? row.cells[*a.candidate[r]].bytes : row.keptBytes;
        const qint64 more = qint64(bytes) - qint64(in.bytesBefore[r]);
        (more > 0 ? out.solved.up : out.solved.down) += 1;
        out.solved.changes.push_back({int(r), labels.of(before, after), labels.of(after, before), more});
    }
    auto& changes = out.solved.changes;
    std::stable_sort(changes.begin(), changes.end(),
                     [](const auto& x, const auto& y) { return std::abs(x.bytes) > std::abs(y.bytes); });
    out.candidate = a.candidate;
    out.solved.unmeasured = int(a.unmeasured.size());
    out.solved.at.cost = a.cost;
    out.solved.remainder = QString::fromStdString(a.remainder());
    return out;
}

} // namespace qs::app
