// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/subject.h"
#include "core/base/npy.h"
#include "core/model/generate.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

namespace {

struct GenerateCommand {
    std::string subject, prompt;
    GenerateOptions options;
    BackendOptions backend;
};

struct LogitsCommand {
    std::string subject, tokens, output;
    BackendOptions backend;
};

Result<void> runGenerate(Session& session, const GenerateCommand& o) {
    QS_TRY(const Subject subject, openComputable(o.subject));
    QS_CHECK(subject.model->requireTokenizer());
    const Tokenizer& tokenizer = *subject.model->tokenizer();
    QS_TRY(const std::vector<int> prompt, tokenizer.encode(o.prompt));
    if (prompt.empty()) return Error::invalid("the prompt has no token", "--prompt");
    GenerateOptions options = o.options;
    options.stopId = tokenizer.eosId();
    QS_TRY(const auto backend, o.backend.make());
    QS_TRY(const std::vector<int> added,
           generate(subject.model->spec(), *subject.weights, prompt, options, *backend, session.job));
    // Decoded together with the prompt: a piece's leading space depends on what stands before it.
    std::vector<int> all = prompt;
    all.insert(all.end(), added.begin(), added.end());
    QS_TRY(const std::string text, tokenizer.decode(all));
    session.console.text(text + "\n");
    session.console.result({{"prompt", o.prompt}, {"text", text}, {"prompt_ids", prompt}, {"ids", added}});
    return {};
}

Result<void> runLogits(Session& session, const LogitsCommand& o) {
    QS_TRY(const Subject subject, openComputable(o.subject));
    QS_TRY(const TokenWindows ids, windowsFromNpy(o.tokens));
    if (ids.rows() != 1)
        return Error::invalid(
            fmt::format("logits are computed for one sequence [T] or [1, T], the file has {} rows",
                        ids.rows()),
            o.tokens);
    auto known = checkTokens(ids, subject.model->spec().vocabulary);
    if (!known) return known.takeError().at(o.tokens);
    QS_TRY(const auto backend, o.backend.make());
    QS_TRY(const Matrix logits,
           computeLogits(subject.model->spec(), *subject.weights, ids.span(), *backend, session.job));
    const size_t shape[] = {logits.rows(), logits.cols()};
    QS_CHECK(writeNpyFloat(o.output, shape, logits.span()));
    session.console.text(fmt::format("{}: float32 [{}, {}]\n", o.output, logits.rows(), logits.cols()));
    session.console.result(
        {{"output", o.output}, {"dtype", "float32"}, {"shape", {logits.rows(), logits.cols()}}});
    return {};
}

} // namespace

void addGenerate(Commands& commands) {
    auto o = std::make_shared<GenerateCommand>();
    CLI::App& app = commands.add("generate", "Continue a text, to read what a model still says",
                                 {"generate MODEL --prompt 'Once upon a time' --tokens 60",
                                  "generate runs/gptq4 --prompt 'The sea' --temperature 0.8 --seed 7"},
                                 [o](Session& session) { return runGenerate(session, *o); });
    o->options.maxNewTokens = 64;
    app.add_option("path", o->subject, "Model folder, run folder or exported folder")->required();
    app.add_option("--prompt", o->prompt, "Text to continue")->required();
    app.add_option("--tokens", o->options.maxNewTokens, "Tokens to add at most")
        ->capture_default_str()
        ->check(CLI::Range(size_t(1), size_t(1) << 20));
    app.add_option("--temperature", o->options.temperature,
                   "0 takes the most likely token, 1 samples the model's distribution")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 100.0));
    app.add_option("--seed", o->options.seed, "Seed of the sampling")->capture_default_str();
    o->backend.add(app);
}

void addLogits(Commands& commands) {
    auto o = std::make_shared<LogitsCommand>();
    CLI::App& app =
        commands.add("logits", "Write the logits of one token sequence to a float32 .npy [T, vocabulary]",
                     {"logits MODEL --tokens ids.npy --output logits.npy",
                      "logits runs/gptq4 --tokens ids.npy --output logits.npy --json"},
                     [o](Session& session) { return runLogits(session, *o); });
    app.add_option("path", o->subject, "Model folder, run folder or exported folder")->required();
    app.add_option("--tokens", o->tokens, "Token ids, integer .npy [T] or [1, T]")
        ->required()
        ->type_name("FILE");
    app.add_option("--output,-o", o->output, "File to write (.npy)")->required()->type_name("FILE");
    o->backend.add(app);
}

} // namespace qs::cli
