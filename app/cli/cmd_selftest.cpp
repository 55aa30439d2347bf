// SPDX-License-Identifier: Apache-2.0
// selftest: every operation of the engine against plain float64 loops, on the user's own machine.
#include "core/backend/selftest/selftest.h"

#include "app/cli/command.h"
#include "app/cli/text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

/// The cases of one precision; returns how many failed.
Result<size_t> runCases(const BackendOptions& o, Precision precision, Session& session, Table& table,
                        json& list) {
    QS_TRY(const auto backend, makeBackend(o.device, o.threads, precision));
    session.console.text(backend->description() + "\n");
    size_t failed = 0;
    for (const SelftestCase& c : selftestCases(precision)) {
        QS_CHECK(session.job.checkpoint());
        const SelftestOutcome out = runSelftest(c, *backend);
        failed += !out.passed;
        const std::string verdict = out.passed            ? "passed"
                                    : out.problem.empty() ? "failed"
                                                          : "failed: " + out.problem;
        table.add(
            {c.op, c.shapes, fmt::format("{:.1e}", out.error), fmt::format("{:.0e}", c.tolerance), verdict});
        list.push_back({{"device", backend->id()},
                        {"precision", precisionName(precision)},
                        {"op", c.op},
                        {"shapes", c.shapes},
                        {"error", out.problem.empty() ? json(out.error) : json()},
                        {"tolerance", c.tolerance},
                        {"problem", out.problem},
                        {"passed", out.passed}});
    }
    return failed;
}

Result<void> runSelftests(Session& session, const BackendOptions& o) {
    Table table({{"operation"}, {"shapes"}, {"error", true}, {"at most", true}, {"result"}});
    json list = json::array();
    size_t failed = 0;
    for (const Precision p : {Precision::F32, Precision::BF16}) {
        QS_TRY(const size_t n, runCases(o, p, session, table, list));
        failed += n;
    }
    const size_t passed = list.size() - failed;
    session.console.text(table.text() + fmt::format("{} passed, {} failed\n", passed, failed));
    session.console.result({{"cases", std::move(list)}, {"passed", passed}, {"failed", failed}});
    if (failed > 0) session.exitCode = kFailed;
    return {};
}

} // namespace

void addSelftest(Commands& commands) {
    auto o = std::make_shared<BackendOptions>();
    CLI::App& app = commands.add("selftest", "Check the engine's operations on this machine",
                                 {"selftest", "selftest --device cpu --json"},
                                 [o](Session& session) { return runSelftests(session, *o); });
    o->addDevice(app);
}

} // namespace qs::cli
