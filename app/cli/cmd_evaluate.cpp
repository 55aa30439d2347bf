// SPDX-License-Identifier: Apache-2.0
#include "app/cli/backend_notes.h"
#include "app/cli/command.h"
#include "app/cli/evaluate_report.h"
#include "app/cli/resources.h"
#include "app/cli/subject.h"
#include "app/cli/tokens.h"
#include "core/evaluate/evaluate.h"
#include "core/recipe/plan_rules.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

namespace {

struct EvaluateCommand {
    std::string subject, reference, cache;
    TokenOptions tokens;
    BackendOptions backend;
};

Result<void> runEvaluate(Session& session, const EvaluateCommand& o) {
    QS_TRY(const Subject subject, openComputable(o.subject));
    std::shared_ptr<const WeightSource> reference = subject.original;
    if (!o.reference.empty()) {
        QS_TRY(const Subject given, openComputable(o.reference));
        reference = given.weights;
    }
    QS_TRY(const TokenInput input, TokenInput::load(o.tokens, *subject.model));
    QS_TRY(const auto backend, o.backend.make());
    const BackendNotes notes(*backend, session.console);
    EvaluateOptions options;
    if (!o.cache.empty()) {
        QS_TRY(options.cache, hiddenCacheFor(*subject.model, o.cache));
    }
    QS_TRY(const Evaluation e, evaluate(subject.model->spec(), *subject.weights, reference.get(),
                                        input.windows, options, *backend, session.job));
    if (e.blocksTaken > 0)
        session.console.note(fmt::format("{} blocks of {} were taken from {}", e.blocksTaken,
                                         subject.model->spec().blocks.size() * (reference ? 2 : 1), o.cache));
    for (const std::string& note : e.cacheNotes)
        session.console.note(note);
    session.console.text(evaluationText(e, input.source));
    nlohmann::json result = e.toJson();
    result["path"] = o.subject;
    result["text"] = input.source;
    result["warnings"] = nlohmann::json::array();
    if (const auto issue = ruleOnStoredCache(*subject.model)) {
        session.console.note("warning: " + issue->message);
        result["warnings"].push_back(issue->message);
    }
    session.console.result(result);
    return {};
}

} // namespace

void addEvaluate(Commands& commands) {
    auto o = std::make_shared<EvaluateCommand>();
    CLI::App& app = commands.add("evaluate",
                                 "Perplexity of a model, run or export (of encoders the masked-token loss); "
                                 "a run is also compared with its "
                                 "original",
                                 {"evaluate MODEL --text wiki.txt --window 2048",
                                  "evaluate runs/gptq4 --text wiki.txt --window 256 --json",
                                  "evaluate exports/gptq4 --reference MODEL --tokens ids.npy",
                                  "evaluate runs/gptq4 --samples 32"},
                                 [o](Session& session) { return runEvaluate(session, *o); });
    app.add_option("path", o->subject, "Model folder, run folder or exported folder")->required();
    app.add_option("--reference", o->reference,
                   "Compare with this model, run or export (KL divergence, top-1)");
    app.add_option("--cache", o->cache,
                   "Keep hidden states between blocks in this folder (2 GiB at most), and begin behind those "
                   "that an earlier evaluation on the same text kept: only what changed is run")
        ->type_name("FOLDER");
    o->tokens.add(app, kEvaluationText, 0);
    o->backend.add(app);
}

} // namespace qs::cli
