// SPDX-License-Identifier: Apache-2.0
#include "app/cli/quantize_steps.h"
#include "app/cli/resources.h"
#include "app/cli/scheme_flags.h"
#include "app/cli/text.h"
#include "core/allocate/score.h"
#include "core/base/file.h"

#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

constexpr size_t kTextSamples = 16;

struct SensitivityCommand {
    std::string model, output, calibration;
    std::vector<int> bits;
    std::vector<std::string> measures = {"linearity"};
    SchemeFlags scheme;
    TokenOptions tokens;
    BackendOptions backend;
};

/// The schemes that the flags ask for: those of a recipe, or one at several bits.
Result<std::vector<Scheme>> candidatesOf(const SensitivityCommand& o, uint64_t& seed) {
    QS_TRY(const Recipe recipe, o.scheme.recipe());
    seed = recipe.seed;
    std::vector<Scheme> out;
    for (const Rule& rule : recipe.rules) {
        if (!rule.scheme) continue;
        if (o.bits.empty()) {
            if (std::find(out.begin(), out.end(), *rule.scheme) == out.end()) out.push_back(*rule.scheme);
            continue;
        }
        QS_TRY(const CodecDescriptor* codec, findCodec(rule.scheme->codec));
        for (const int bits : o.bits) {
            Scheme s = *rule.scheme;
            QS_TRY(s.codecParams, codec->withBits(s.codecParams, bits));
            if (std::find(out.begin(), out.end(), s) == out.end()) out.push_back(std::move(s));
        }
    }
    if (out.empty()) return Error::invalid("there is no scheme to measure: the recipe keeps everything");
    return out;
}

/// What the file holds already, if it is of the same model, inputs and seed.
Result<void> adoptFrom(const std::filesystem::path& file, SensitivityTable& table) {
    if (!std::filesystem::exists(file)) return {};
    QS_TRY(const SensitivityTable known, SensitivityTable::load(file));
    const auto same = [&](const char* what, const std::string& a, const std::string& b) -> Result<void> {
        if (a == b) return {};
        return Error::invalid(
            fmt::format("holds a table of another {}. Choose another file, or remove this one", what),
            file.string());
    };
    QS_CHECK(same("model", known.modelFingerprint, table.modelFingerprint));
    QS_CHECK(same("calibration", known.calibrationFingerprint, table.calibrationFingerprint));
    QS_CHECK(same("text", known.textFingerprint, table.textFingerprint));
    QS_CHECK(same("seed", std::to_string(known.seed), std::to_string(table.seed)));
    table.adopt(known);
    return {};
}

std::string tableText(const SensitivityTable& table) {
    std::vector<Table::Column> columns = {{"module"}, {"alpha", true}};
    for (const Scheme& s : table.candidates)
        columns.push_back({schemeText(s), true});
    Table t(std::move(columns));
    for (const SensitivityRow& r : table.rows) {
        std::vector<std::string> cells = {r.module, number(r.alpha)};
        for (const SensitivityCell& c : r.cells)
            cells.push_back(!c.legal() ? "refused" : number(std::isnan(c.kl) ? c.weightError : c.kl));
        t.add(std::move(cells));
    }
    return t.text();
}

Result<void> runSensitivity(Session& session, const SensitivityCommand& o) {
    QS_TRY(const auto model, openModel(o.model));
    uint64_t seed = 0;
    QS_TRY(auto candidates, candidatesOf(o, seed));
    QS_TRY(SensitivityTable table, SensitivityTable::begin(*model, std::move(candidates), seed));
    SensitivityRequest request;
    for (const auto& [name, wanted] : namedMeasures(request))
        *wanted = std::ranges::count(o.measures, name) > 0;
    std::shared_ptr<const Calibration> calibration;
    if (!o.calibration.empty()) {
        QS_TRY(calibration, Calibration::open(o.calibration));
        QS_CHECK(calibration->requireFor(*model));
        request.calibration = calibration.get();
        table.calibrationFingerprint = calibration->info().fingerprint;
    }
    QS_TRY(const auto backend, o.backend.make());
    TokenInput input;
    if (request.runs()) {
        QS_CHECK(model->requireForward());
        QS_TRY(input, TokenInput::load(o.tokens, *model));
        request.text = &input.windows;
        table.textFingerprint = sensitivityTextFingerprint(input.windows, backend->precision());
    }
    QS_CHECK(adoptFrom(o.output, table));
    using Clock = std::chrono::steady_clock;
    auto saved = Clock::now();
    Result<void> write;
    const auto measured = [&](const SensitivityTable& now, size_t) {
        if (Clock::now() - saved < std::chrono::seconds(10) || !write) return;
        write = now.save(o.output);
        saved = Clock::now();
    };
    const auto done = measureSensitivity(*model, request, table, *backend, session.job, measured);
    QS_CHECK(table.save(o.output)); // a cancelled measurement too: the same command goes on from there
    QS_CHECK(done);
    session.console.text(tableText(table) + fmt::format("\n{}; written to {}\n",
                                                        request.alone
                                                            ? "KL of each linear alone, nats per token"
                                                            : "Relative squared error of the weights",
                                                        o.output));
    json result = table.toJson();
    result["file"] = o.output;
    session.console.result(std::move(result));
    return {};
}

} // namespace

void addSensitivity(Commands& commands) {
    auto o = std::make_shared<SensitivityCommand>();
    CLI::App& app = commands.add(
        "sensitivity", "Measure what every scheme costs on every linear; the same command again goes on",
        {"sensitivity MODEL --method rtn --group 64 --candidates 2,3,4,6,8 --output table.json",
         "sensitivity MODEL --method gptq --group 64 --candidates 2,3,4 --calibration c.h5 --measure alone "
         "--output table.json",
         "sensitivity MODEL --recipe schemes.json --output table.json"},
        [o](Session& session) { return runSensitivity(session, *o); });
    app.add_option("model", o->model, "Model folder, or a weight file")->required();
    app.add_option("--output,-o", o->output,
                   "Table to write (JSON); values that it holds are not measured again")
        ->required()
        ->type_name("FILE");
    app.add_option("--candidates", o->bits,
                   "The scheme at each of these bits, 2,3,4; without it the schemes of the recipe")
        ->delimiter(',')
        ->type_name("BITS");
    SensitivityRequest request;
    std::vector<std::string> measures = {"none"};
    for (const auto& [name, wanted] : namedMeasures(request))
        measures.push_back(name);
    app.add_option(
           "--measure", o->measures,
           "Beside the errors of weights and outputs: linearity (how steeply noise in a linear raises the "
           "loss), alone (KL of the model with one linear quantized), entropy (of the weights, before and "
           "after), salience (errors weighted by the inverse of Sigma; needs --calibration), prune (KL with "
           "half of a linear's weights 0), cca (correlation before and after each block), keep_alone (what "
           "keeping one linear helps the quantized model), none")
        ->delimiter(',')
        ->check(CLI::IsMember(measures))
        ->capture_default_str();
    app.add_option("--calibration", o->calibration, "For methods that need it, and for errors of outputs")
        ->type_name("FILE");
    o->scheme.declare(app);
    o->tokens.add(app, kCalibrationText, kTextSamples);
    o->backend.add(app);
}

} // namespace qs::cli
