// SPDX-License-Identifier: Apache-2.0
#include "app/cli/prediction_report.h"
#include "app/cli/quantize_steps.h"
#include "app/cli/resources.h"
#include "app/cli/scheme_flags.h"
#include "app/cli/text.h"
#include "core/allocate/file_target.h"
#include "core/allocate/plan_measure.h"
#include "core/allocate/runtime_limits.h"
#include "core/run/planned_manifest.h"

#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

constexpr size_t kTextSamples = 16;

struct AllocateCommand {
    std::string model, table, output, score = "linearity", allocator = "exact", size, file;
    std::string runtime, format, memory, cache = "f16";
    size_t context = 4096;
    double bitsPerWeight = 0, perplexity = 0;
    std::vector<std::string> locks;
    bool tieFused = false, noKeep = false;
    size_t evaluations = 100, check = 0;
    std::string calibration;
    TokenOptions tokens;
    BackendOptions backend;
};

std::string recipeName(const AllocateCommand& o) {
    return "allocated by " + o.score;
}

/// "700MiB", "3.2 GB", "1200000".
Result<uint64_t> bytesFrom(const std::string& text, const char* flag) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    std::string unit(end, text.data() + text.size());
    unit.erase(0, unit.find_first_not_of(' '));
    static const std::map<std::string, double> units = {{"", 1},         {"B", 1},       {"kB", 1e3},
                                                        {"MB", 1e6},     {"GB", 1e9},    {"KiB", 0x1p10},
                                                        {"MiB", 0x1p20}, {"GiB", 0x1p30}};
    const auto factor = units.find(unit);
    if (error != std::errc() || factor == units.end() || !(value > 0 && value * factor->second < 0x1p60))
        return Error::invalid(fmt::format("'{}' is no size like 700MiB, 3.2GB or a number of bytes", text),
                              flag);
    return uint64_t(value * factor->second);
}

/// A candidate by "keep", by its bits, or by its text in the table.
Result<std::optional<size_t>> candidateNamed(const SensitivityTable& table, const std::string& name) {
    if (name == "keep") return std::optional<size_t>();
    std::vector<size_t> found;
    std::string known = "keep";
    for (size_t c = 0; c < table.candidates.size(); ++c) {
        const Scheme& s = table.candidates[c];
        QS_TRY(const auto codec, createCodec(s.codec, s.codecParams));
        if (schemeText(s) == name || std::to_string(codec->bits()) == name) found.push_back(c);
        known += fmt::format(", {} ({} bits)", schemeText(s), codec->bits());
    }
    if (found.size() == 1) return std::optional<size_t>(found.front());
    return Error::invalid(
        fmt::format("{} candidates are called '{}'; there are: {}", found.size(), name, known), "--lock");
}

/// "PATTERN=CANDIDATE" over the table's modules.
Result<void> addLock(const SensitivityTable& table, const std::string& text, AllocationRequest& request) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos)
        return Error::invalid(fmt::format("'{}' is not PATTERN=CANDIDATE", text), "--lock");
    const std::string pattern = text.substr(0, equals);
    QS_TRY(const auto candidate, candidateNamed(table, text.substr(equals + 1)));
    size_t matched = 0;
    for (const SensitivityRow& r : table.rows)
        if (globMatches(pattern, r.module)) {
            request.locked[r.module] = candidate;
            ++matched;
        }
    if (matched == 0) return Error::invalid(fmt::format("'{}' matches no linear", pattern), "--lock");
    return {};
}

/// What the runtime of the command leaves: its candidates, and the bytes for weights in its memory.
Result<void> limitTo(const RuntimeProfile& runtime, const std::string& format, const AllocateCommand& o,
                     const SensitivityTable& table, const Model& model, AllocationRequest& request) {
    QS_TRY(request.refused, refusedCandidates(table, model, runtime, format));
    if (o.memory.empty()) return {};
    QS_CHECK(model.requireForward());
    QS_TRY(const uint64_t memory, bytesFrom(o.memory, "--target-memory"));
    QS_TRY(request.target.checkpointBytes,
           weightBytesWithin(memory, model.spec(), {runtime.id, 0, o.context, o.cache}));
    return {};
}

/// The runtime of the command and the format that it opens; nullptr without one.
struct RuntimeChoice {
    const RuntimeProfile* profile = nullptr;
    std::string format;

    static Result<RuntimeChoice> of(const AllocateCommand& o) {
        if (o.runtime.empty()) return RuntimeChoice{};
        QS_TRY(const RuntimeProfile* profile, findRuntimeProfile(o.runtime));
        const std::string format = o.format.empty() ? profile->exporters.front() : o.format;
        const auto& known = profile->exporters;
        if (std::find(known.begin(), known.end(), format) == known.end())
            return Error::invalid(fmt::format("{} does not open '{}'; it opens: {}", profile->label, format,
                                              fmt::join(known, ", ")),
                                  "--format");
        return RuntimeChoice{profile, format};
    }
};

/// Exact bytes of the file that --format writes when the recipe is run with --calibration.
Result<uint64_t> fileBytes(const AllocateCommand& o, const Model& model, const Plan& plan) {
    QS_TRY(const ExporterDescriptor* exporter, findExporter(o.format));
    std::shared_ptr<const Calibration> calibration;
    if (!o.calibration.empty()) {
        QS_TRY(calibration, Calibration::open(o.calibration));
    }
    QS_TRY(const auto backend, o.backend.make());
    QS_TRY(const RunManifest manifest,
           plannedManifest(model, plan, calibration.get(), nullptr, backend->description()));
    auto bytes = plannedBytes(*exporter, model, plan, manifest);
    if (!bytes) return bytes.takeError().at("--format " + o.format);
    return bytes;
}

/// What the runtime makes of the plan, "" without one.
std::string verdictText(const RuntimeChoice& runtime, const Model& model, const Plan& plan, bool& loads) {
    if (!runtime.profile) return "";
    for (const FormatVerdict& v : checkRuntime(*runtime.profile, model, plan)) {
        if (v.exporter != runtime.format) continue;
        loads = v.loads();
        return fmt::format("{} {}, {}: {}", runtime.profile->label, runtime.profile->version, v.exporter,
                           v.text());
    }
    return "";
}

Result<AllocationRequest> requestFrom(const AllocateCommand& o, const SensitivityTable& table,
                                      const Model& model, const RuntimeChoice& runtime) {
    AllocationRequest request;
    request.score = o.score;
    request.allocator = o.allocator;
    request.mayKeep = !o.noKeep;
    if (o.bitsPerWeight > 0) request.target.bitsPerWeight = o.bitsPerWeight;
    if (o.perplexity > 0) request.target.loss = std::log1p(o.perplexity / 100);
    if (!o.size.empty()) {
        QS_TRY(request.target.checkpointBytes, bytesFrom(o.size, "--target-size"));
    }
    if (runtime.profile) QS_CHECK(limitTo(*runtime.profile, runtime.format, o, table, model, request));
    if (!runtime.profile && !o.file.empty()) { // what the format holds, whoever opens it
        RuntimeProfile any;
        any.exporters = {o.format};
        QS_TRY(request.refused, refusedCandidates(table, model, any, o.format));
    }
    for (const std::string& lock : o.locks)
        QS_CHECK(addLock(table, lock, request));
    if (o.tieFused) request.tied = fusedTies(table);
    return request;
}

/// What runs the model with whole assignments, and what it works with.
struct WholeMeasure {
    std::shared_ptr<const Calibration> calibration;
    TokenInput input;
    std::unique_ptr<Backend> backend;
    std::unique_ptr<PlanMeasure> plan; ///< last: lets go of the others first

    static Result<WholeMeasure> make(const Session& session, const AllocateCommand& o, const Model& model,
                                     const SensitivityTable& table) {
        WholeMeasure out;
        PlanMeasureOptions options;
        if (!o.calibration.empty()) {
            QS_TRY(out.calibration, Calibration::open(o.calibration));
            QS_CHECK(out.calibration->requireFor(model));
            options.calibration = out.calibration.get();
        }
        QS_CHECK(model.requireForward());
        QS_TRY(out.input, TokenInput::load(o.tokens, model));
        QS_TRY(out.backend, o.backend.make());
        QS_TRY(out.plan, PlanMeasure::create(model, table, out.input.windows, options, *out.backend,
                                             session.job.silent()));
        return out;
    }
};

Result<SchemeAllocation> allocatedForFile(Session& session, const AllocateCommand& o, const Model& model,
                                          const SensitivityTable& table, const AllocationRequest& request) {
    QS_TRY(const uint64_t bytes, bytesFrom(o.file, "--target-file"));
    return allocateForFile(
        request, bytes, [&](const AllocationRequest& r) { return allocateSchemes(table, r, session.job); },
        [&](const SchemeAllocation& a) {
            return fileBytes(o, model, resolvePlan(a.recipe(table, recipeName(o)), model));
        });
}

/// The allocation, with the model run where the allocator asks for it.
Result<SchemeAllocation> allocated(Session& session, const AllocateCommand& o, const Model& model,
                                   const SensitivityTable& table, const AllocationRequest& request) {
    QS_TRY(const AllocatorDescriptor* allocator, findAllocator(o.allocator));
    if (allocator->measures() && !o.file.empty())
        return Error::invalid(allocator->id + " runs the model for one budget of payloads: --target-file "
                                              "needs an allocator that works from scores alone",
                              "--allocator");
    if (!o.file.empty()) return allocatedForFile(session, o, model, table, request);
    if (!allocator->measures()) return allocateSchemes(table, request, session.job);
    QS_TRY(const WholeMeasure measure, WholeMeasure::make(session, o, model, table));
    SchemeMeasure whole;
    whole.evaluations = o.evaluations;
    whole.damage = [&](std::span<const std::optional<size_t>> candidate,
                       const JobContext& job) -> Result<double> {
        QS_TRY(const PlanDamage damage, measure.plan->measure(candidate, job));
        return damage.kl;
    };
    return allocateSchemes(table, request, session.job, &whole);
}

Result<void> runCheck(Session& session, const AllocateCommand& o, const Model& model,
                      const SensitivityTable& table) {
    QS_TRY(const ScoreDescriptor* score, findScore(o.score));
    QS_TRY(const WholeMeasure measure, WholeMeasure::make(session, o, model, table));
    return reportPredictions(session, table, *score, *measure.plan, o.check);
}

/// The scheme of every linear, as text and JSON.
struct Entries {
    Table text{{{"module"}, {"scheme"}, {"bytes", true}}};
    json list = json::array();
    uint64_t weights = 0;

    Entries(const SensitivityTable& table, const SchemeAllocation& a, const Plan& plan) {
        for (size_t r = 0; r < table.rows.size(); ++r) {
            const SensitivityRow& row = table.rows[r];
            weights += row.weights;
            const std::string scheme =
                a.candidate[r] ? schemeText(table.candidates[*a.candidate[r]]) : "kept";
            text.add({row.module, scheme, humanBytes(plan.entries[r].bytesAfter)});
            list.push_back({{"module", row.module},
                            {"candidate", a.candidate[r] ? json(*a.candidate[r]) : json()},
                            {"bytes", plan.entries[r].bytesAfter}});
        }
    }
};

/// What the allocation comes to, as text and JSON.
Result<void> reportAllocation(Session& session, const AllocateCommand& o, const Model& model,
                              const SensitivityTable& table, const SchemeAllocation& a, const Plan& plan) {
    QS_TRY(const RuntimeChoice runtime, RuntimeChoice::of(o));
    QS_TRY(const ScoreDescriptor* score, findScore(o.score));
    Entries entries(table, a, plan);
    const double bits = entries.weights > 0 ? 8.0 * double(a.bytes) / double(entries.weights) : 0;
    Fields f;
    f.add("Linears",
          fmt::format("{} of {}, {:.4f} bits per weight", humanBytes(a.bytes), humanBytes(a.budget), bits));
    f.add("Checkpoint", fmt::format("{} ({} bytes)", humanBytes(plan.totalBytesAfter), plan.totalBytesAfter));
    uint64_t file = 0;
    if (!o.file.empty()) {
        QS_TRY(file, fileBytes(o, model, plan));
        f.add("File", fmt::format("{} ({} bytes), {}", humanBytes(file), file, o.format));
    }
    f.add("Left", a.remainder());
    f.add("Predicted", fmt::format("{} {} (none within the budget below {})", number(a.cost),
                                   score->isLoss ? "nats per token" : "of the score", number(a.bound)));
    f.add("Valid for", score->validity);
    if (a.evaluations > 0)
        f.add("Measured",
              fmt::format("{} nats per token, the best of {} assignments", number(a.damage), a.evaluations));
    bool loads = true;
    const std::string verdict = verdictText(runtime, model, plan, loads);
    if (!verdict.empty()) f.add("Runtime", verdict);
    if (!loads) session.exitCode = kFailed;
    if (!a.unmeasured.empty())
        f.add("Not measured",
              fmt::format("{} linears stay kept, {} first", a.unmeasured.size(), a.unmeasured.front()));
    if (!o.output.empty()) f.add("Recipe", o.output);
    session.console.text(entries.text.text() + "\n" + f.text() + issuesText(plan.issues));
    session.console.result({{"entries", std::move(entries.list)},
                            {"bytes", a.bytes},
                            {"budget", a.budget},
                            {"bits_per_weight", bits},
                            {"checkpoint_bytes", plan.totalBytesAfter},
                            {"file_bytes", o.file.empty() ? json() : json(file)},
                            {"predicted", a.cost},
                            {"bound", a.bound},
                            {"measured", std::isnan(a.damage) ? json() : json(a.damage)},
                            {"evaluations", a.evaluations},
                            {"remainder", a.remainder()},
                            {"unmeasured", a.unmeasured},
                            {"runtime", verdict},
                            {"loads", loads},
                            {"recipe", a.recipe(table, recipeName(o)).toJson()}});
    return {};
}

Result<void> runAllocate(Session& session, const AllocateCommand& o) {
    QS_TRY(const auto model, openModel(o.model));
    QS_TRY(const SensitivityTable table, SensitivityTable::load(o.table));
    QS_TRY(const std::string fingerprint, model->checkpoint().fingerprint());
    if (table.modelFingerprint != fingerprint)
        return Error::invalid(fmt::format("was measured on the model {:.16}, this one is {:.16}",
                                          table.modelFingerprint, fingerprint),
                              o.table);
    if (o.check > 0) return runCheck(session, o, *model, table);
    if (!o.format.empty() && o.runtime.empty() && o.file.empty())
        return Error::invalid("says something with --runtime or --target-file only", "--format");
    QS_TRY(const RuntimeChoice runtime, RuntimeChoice::of(o));
    QS_TRY(const AllocationRequest request, requestFrom(o, table, *model, runtime));
    QS_TRY(const SchemeAllocation a, allocated(session, o, *model, table, request));
    const Recipe recipe = a.recipe(table, recipeName(o));
    const Plan plan = resolvePlan(recipe, *model);
    QS_CHECK(requirePlan(plan));
    if (!o.output.empty()) QS_CHECK(recipe.save(o.output));
    return reportAllocation(session, o, *model, table, a, plan);
}

/// Options that others need.
struct Targets {
    CLI::Option *memory, *file;
};

Targets addTargets(CLI::App& app, AllocateCommand& o) {
    CLI::Option_group* target = app.add_option_group("Target", "One of these");
    target->add_option("--target-bpw", o.bitsPerWeight, "Stored bits per weight of all linears together")
        ->check(CLI::PositiveNumber);
    target->add_option("--target-size", o.size, "Size of the whole checkpoint, like 700MiB")
        ->type_name("SIZE");
    CLI::Option* file = target
                            ->add_option("--target-file", o.file,
                                         "Size of the file that the export --format writes, like 700MiB")
                            ->type_name("SIZE");
    target
        ->add_option("--target-ppl", o.perplexity, "Perplexity at most so many percent higher, as predicted")
        ->check(CLI::PositiveNumber)
        ->type_name("PERCENT");
    CLI::Option* memory =
        target
            ->add_option("--target-memory", o.memory,
                         "Memory for weights, KV cache and buffers of a pass at --context, like 24GiB; needs "
                         "--runtime")
            ->type_name("SIZE");
    target
        ->add_option("--check", o.check,
                     "No allocation: measures so many random recipes beside what --score predicts of them, "
                     "with their rank correlation")
        ->check(CLI::Range(size_t(2), size_t(10000)))
        ->type_name("N");
    target->require_option(1);
    return {memory, file};
}

void addLimits(CLI::App& app, AllocateCommand& o, const Targets& targets) {
    std::vector<std::string> runtimes, caches;
    for (const RuntimeProfile& p : runtimeProfiles())
        runtimes.push_back(p.id);
    for (const CacheType& c : cacheTypes())
        caches.push_back(c.id);
    CLI::Option* runtime =
        app.add_option("--runtime", o.runtime,
                       "Only candidates that it loads; fused linears still need --tie-fused")
            ->check(CLI::IsMember(runtimes));
    targets.memory->needs(runtime);
    CLI::Option* format =
        app.add_option(
               "--format", o.format,
               "Of the export: for --runtime, without this the one it supports best; for --target-file")
            ->type_name("EXPORTER");
    targets.file->needs(format);
    app.add_option("--context", o.context, "Tokens of the sequence that --target-memory is for")
        ->check(CLI::Range(size_t(1), kMostContext))
        ->needs(targets.memory)
        ->capture_default_str();
    app.add_option("--cache", o.cache, "How its KV cache is stored")
        ->check(CLI::IsMember(caches))
        ->needs(targets.memory)
        ->capture_default_str();
}

void addMethod(CLI::App& app, AllocateCommand& o) {
    std::vector<std::string> ids;
    for (const ScoreDescriptor* s : scores())
        ids.push_back(s->id);
    app.add_option("--score", o.score, "What is minimized")->check(CLI::IsMember(ids))->capture_default_str();
    ids.clear();
    for (const AllocatorDescriptor* a : allocators())
        ids.push_back(a->id);
    app.add_option("--allocator", o.allocator, "How")->check(CLI::IsMember(ids))->capture_default_str();
    app.add_option("--lock", o.locks,
                   "Linears that match PATTERN get this candidate: keep, its bits or its name")
        ->type_name("PATTERN=CANDIDATE");
    app.add_flag("--tie-fused", o.tieFused, "Linears that runtimes fuse (q, k, v; gate, up) get one scheme");
    app.add_flag("--no-keep", o.noKeep, "Every linear gets a candidate");
    std::string measuring;
    for (const AllocatorDescriptor* a : allocators())
        if (a->measures()) measuring += (measuring.empty() ? "" : ", ") + a->id;
    app.add_option("--evaluations", o.evaluations,
                   "How often " + measuring + " may run the model, each time with a whole assignment")
        ->check(CLI::Range(size_t(1), size_t(1000000)))
        ->capture_default_str();
    app.add_option("--calibration", o.calibration,
                   "For them, when methods of the table need it; for --target-file, what the run will use")
        ->type_name("FILE");
}

} // namespace

void addAllocate(Commands& commands) {
    auto o = std::make_shared<AllocateCommand>();
    CLI::App& app =
        commands.add("allocate", "Choose a scheme for every linear within a budget, from a sensitivity table",
                     {"allocate MODEL --table table.json --target-bpw 3.5 --output recipe.json",
                      "allocate MODEL --table table.json --target-size 700MiB --lock 'lm_head=keep' "
                      "--tie-fused -o recipe.json",
                      "allocate MODEL --table table.json --target-file 700MiB --format gguf -o recipe.json",
                      "allocate MODEL --table table.json --target-ppl 2 --score kl_alone -o recipe.json",
                      "allocate MODEL --table table.json --target-memory 8GiB --context 8192 --runtime vllm "
                      "--tie-fused -o recipe.json",
                      "allocate MODEL --table table.json --target-bpw 3.5 --allocator evolutionary "
                      "--evaluations 200 --text held_out.txt -o recipe.json",
                      "allocate MODEL --table table.json --score kl_alone --check 20"},
                     [o](Session& session) { return runAllocate(session, *o); });
    app.add_option("model", o->model, "Model folder, or a weight file")->required();
    app.add_option("--table", o->table, "From the command sensitivity")->required()->type_name("FILE");
    app.add_option("--output,-o", o->output, "Recipe to write")->type_name("FILE");
    addLimits(app, *o, addTargets(app, *o));
    addMethod(app, *o);
    o->tokens.add(app, kEvaluationText, kTextSamples);
    o->backend.add(app);
}

} // namespace qs::cli
