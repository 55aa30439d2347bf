// SPDX-License-Identifier: Apache-2.0
#include "app/cli/backend_notes.h"
#include "app/cli/compared_runs.h"
#include "app/cli/resources.h"
#include "app/cli/text.h"
#include "core/base/file.h"
#include "core/evaluate/token_text.h"

#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

constexpr size_t kWorst = 10, kContextTokens = 6;

struct CompareCommand {
    std::vector<std::string> runs;
    std::string reference;
    BootstrapOptions bootstrap;
    TokenOptions tokens;
    BackendOptions backend;
};

struct ReportCommand {
    std::string model, output;
    std::vector<std::string> runs;
    BootstrapOptions bootstrap;
    TokenOptions tokens;
    BackendOptions backend;
};

/// The first run, or the original when there is one run only.
size_t referenceOf(const std::vector<ReportRun>& runs) {
    return runs.size() > 2 ? 1 : 0;
}

struct Against {
    std::string text;
    json value;
};

Result<Against> againstOf(const ReportRun& r, const ReportRun& other, const BootstrapOptions& options,
                          const JobContext& job) {
    if (&r == &other) return Against{"reference", json()};
    if (r.evaluation->windows() < 2) return Against{"one window: no interval", json()};
    QS_TRY(const EvaluationDifference d, compareEvaluations(*r.evaluation, *other.evaluation, options, job));
    const PairedDifference& p = d.deciding();
    json value = d.toJson();
    value["run"] = other.letter;
    value["verdict"] = verdict(p, r.letter, other.letter);
    return Against{fmt::format("{}, Δ{} {:+.5f} ± {:.5f}", verdict(p, r.letter, other.letter),
                               d.kl ? "KL" : "loss", p.mean, p.standardError),
                   value};
}

json worstJson(const Evaluation& e, const Tokenizer& tokenizer) {
    json out = json::array();
    for (const size_t i : worstTokens(e, kWorst)) {
        const TokenContext c = tokenContext(e, tokenizer, i, kContextTokens);
        out.push_back({{"before", c.before},
                       {"token", c.token},
                       {"window", c.window},
                       {"position", c.position},
                       {"kl", e.tokenKl[i]},
                       {"reference_top", tokenizer.display(e.referenceTop[i])},
                       {"top", tokenizer.display(e.tokenTop[i])}});
    }
    return out;
}

/// A token with its context on one line.
std::string oneLine(std::string text) {
    for (char& c : text)
        if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    return text;
}

std::string worstText(const ReportRun& r, const Tokenizer& tokenizer) {
    const Evaluation& e = *r.evaluation;
    Table table(
        {{"KL", true}, {"window", true}, {"token", true}, {"context"}, {"A top-1"}, {r.letter + " top-1"}});
    for (const size_t i : worstTokens(e, kWorst)) {
        const TokenContext c = tokenContext(e, tokenizer, i, kContextTokens);
        table.add({fmt::format("{:.3f}", e.tokenKl[i]), fmt::format("{}", c.window),
                   fmt::format("{}", c.position), oneLine(c.before) + "[" + oneLine(c.token) + "]",
                   tokenizer.display(e.referenceTop[i]), tokenizer.display(e.tokenTop[i])});
    }
    return fmt::format("\nTokens that {} changed most\n{}", r.letter, table.text());
}

Result<void> runCompare(Session& session, const CompareCommand& o) {
    QS_TRY(const auto backend, o.backend.make());
    const BackendNotes notes(*backend, session.console);
    QS_TRY(const ComparedRuns all, measureRuns(o.runs, o.reference, o.tokens, *backend, session.job));
    const ReportRun& other = all.runs[referenceOf(all.runs)];
    Table table({{""},
                 {"run"},
                 {"KL, nats", true},
                 {"perplexity", true},
                 {"top-1, %", true},
                 {"99 % KL", true},
                 {"against " + other.letter}});
    json rows = json::array();
    std::string worst;
    for (const ReportRun& r : all.runs) {
        const Evaluation& e = *r.evaluation;
        QS_TRY(const Against against, againstOf(r, other, o.bootstrap, session.job));
        table.add({r.letter, r.name, fmt::format("{:.5f} ± {:.5f}", e.kl, e.klStderr),
                   e.maskedTokens ? "-" : fmt::format("{:.4f} ± {:.4f}", e.perplexity, e.perplexityStderr),
                   fmt::format("{:.2f}", e.hasReference ? 100 * e.top1 : 100), fmt::format("{:.4f}", e.kl99),
                   against.text});
        json row = e.toJson();
        row["letter"] = r.letter;
        row["name"] = r.name;
        row["against"] = against.value;
        if (e.hasReference && all.model->tokenizer()) {
            row["worst"] = worstJson(e, *all.model->tokenizer());
            worst += worstText(r, *all.model->tokenizer());
        }
        rows.push_back(std::move(row));
    }
    const Evaluation& e = *other.evaluation;
    session.console.text(fmt::format("{}\n{}, {} tokens scored\n\n{}\n± is one standard error; against {}: "
                                     "paired bootstrap over {} windows.\n{}",
                                     all.source, e.protocol, e.tokens, table.text(), other.letter,
                                     e.windows(), worst));
    session.console.result({{"text", all.source}, {"runs", rows}});
    return {};
}

Result<void> runReport(Session& session, const ReportCommand& o) {
    QS_TRY(const Subject model, openComputable(o.model));
    QS_TRY(const auto backend, o.backend.make());
    const BackendNotes notes(*backend, session.console);
    QS_TRY(ComparedRuns all, measureRuns(o.runs, o.model, o.tokens, *backend, session.job.part(0, 0.95)));
    ReportInput input;
    input.model = all.model;
    input.title = all.model->checkpoint().displayName();
    input.against = referenceOf(all.runs);
    input.runs = std::move(all.runs);
    input.createdUtc = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()));
    input.bootstrap = o.bootstrap;
    QS_CHECK(writeReport(o.output, input, session.job.part(0.95, 1)));
    session.console.text(fmt::format("{}: report of {} runs\n", o.output, o.runs.size()));
    session.console.result({{"output", o.output}, {"runs", o.runs.size()}});
    return {};
}

void addBootstrap(CLI::App& app, BootstrapOptions& options) {
    app.add_option("--seed", options.seed, "Seed of the paired bootstrap")->capture_default_str();
}

} // namespace

void addCompare(Commands& commands) {
    auto o = std::make_shared<CompareCommand>();
    CLI::App& app = commands.add(
        "compare", "Measure runs on the same tokens and say which is better, with a paired bootstrap",
        {"compare runs/gptq4 runs/gptq3 --text wiki.txt --window 512",
         "compare runs/gptq4 --samples 32 --json", "compare exports/a exports/b --reference MODEL"},
        [o](Session& session) { return runCompare(session, *o); });
    app.add_option("runs", o->runs,
                   "One to three runs or exports; the first is what the others are held against")
        ->required()
        ->expected(1, 3);
    app.add_option("--reference", o->reference, "The original, when none of them is a run");
    addBootstrap(app, o->bootstrap);
    o->tokens.add(app, kEvaluationText, 0);
    o->backend.add(app);
}

void addReport(Commands& commands) {
    auto o = std::make_shared<ReportCommand>();
    CLI::App& app =
        commands.add("report", "Write model, runs, what they cost and where as one HTML file",
                     {"report MODEL --run runs/gptq4 --output report.html",
                      "report MODEL --run runs/gptq4 --run runs/gptq3 --text wiki.txt --output report.html"},
                     [o](Session& session) { return runReport(session, *o); });
    app.add_option("path", o->model, "Model folder or file")->required();
    app.add_option("--run", o->runs, "A run of the model; up to three")->required()->expected(1, 3);
    app.add_option("--output,-o", o->output, "File to write (.html)")->required()->type_name("FILE");
    addBootstrap(app, o->bootstrap);
    o->tokens.add(app, kEvaluationText, 0);
    o->backend.add(app);
}

} // namespace qs::cli
