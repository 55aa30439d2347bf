// SPDX-License-Identifier: Apache-2.0
// bench: what this machine makes of the engine, beside what the machine can do.
#include "app/cli/benchmarks.h"
#include "app/cli/command.h"
#include "app/cli/text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

void show(Session& session, const std::string& title, const Figures& figures, json& list) {
    Table table({{title}, {"", true}, {""}, {"of the ceiling", true}, {""}});
    for (const Figure& f : figures) {
        table.add({f.what, number(f.value), f.unit,
                   f.ceiling > 0 ? fmt::format("{:.0f} %", 100 * f.value / f.ceiling) : "",
                   f.ceiling > 0 ? fmt::format("{} ({})", f.ofCeiling, number(f.ceiling)) : ""});
        list.push_back({{"section", title},
                        {"what", f.what},
                        {"value", f.value},
                        {"unit", f.unit},
                        {"ceiling", f.ceiling > 0 ? json(f.ceiling) : json()},
                        {"of", f.ofCeiling}});
    }
    session.console.text("\n" + table.text());
}

Result<void> runBench(Session& session, const BackendOptions& o) {
    json list = json::array();
    QS_TRY(const Ceilings c, measureCeilings(o.device, o.threads, session.job));
    show(session, "this machine",
         {{"product [2048]^3, f32", c.f32, "GFLOP/s", 0, ""},
          {"product [2048]^3, bf16", c.bf16, "GFLOP/s", 0, ""},
          {"reading memory", c.readBytes, "GB/s", 0, ""}},
         list);
    for (const Precision p : {Precision::F32, Precision::BF16}) {
        QS_TRY(const auto backend, makeBackend(o.device, o.threads, p));
        session.console.text("\n" + backend->description() + "\n");
        const std::string suffix = fmt::format(", {}", precisionName(p));
        QS_TRY(const Figures operations, benchOperations(*backend, c, session.job));
        show(session, "operation" + suffix, operations, list);
        QS_TRY(const Figures model, benchModel(*backend, c, session.job));
        show(session, "1.1 B-parameter Llama" + suffix, model, list);
    }
    QS_TRY(const Figures host, benchHost(c, session.job));
    show(session, "on the processor", host, list);
    session.console.result({{"figures", std::move(list)}});
    return {};
}

} // namespace

void addBench(Commands& commands) {
    auto o = std::make_shared<BackendOptions>();
    CLI::App& app = commands.add("bench", "Measure the engine's speed on this machine",
                                 {"bench", "bench --threads 1 --json"},
                                 [o](Session& session) { return runBench(session, *o); });
    o->addDevice(app);
}

} // namespace qs::cli
