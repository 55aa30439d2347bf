// SPDX-License-Identifier: Apache-2.0
// executePlan: the loop over units. A unit is a block (models with a forward pass) or one tensor
// (tensor-level mode).
#include "core/backend/sums.h"
#include "core/calibrate/imatrix.h"
#include "core/model/forward.h"
#include "core/recipe/stored_bytes.h"
#include "core/run/earlier_run.h"
#include "core/run/planned_manifest.h"
#include "core/run/replaced_weights.h"
#include "core/run/run.h"
#include "core/run/run_checks.h"
#include "core/run/run_findings.h"
#include "core/run/run_journal.h"
#include "core/run/token_weights.h"
#include "core/run/transform_block.h"
#include "core/run/unit_writing.h"
#include "core/store/quantized_store.h"

#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <map>
#include <set>

namespace qs {

namespace {

// FNV-1a: tensors of one run draw different random numbers, the same on every machine.
uint64_t seedFor(uint64_t seed, const std::string& module) {
    uint64_t h = 1469598103934665603ull ^ seed;
    for (unsigned char c : module)
        h = (h ^ c) * 1099511628211ull;
    return h;
}

class Executor {
public:
    Executor(const Model& model, const Plan& plan, const Calibration* calibration, const RunOptions& options,
             Backend& backend, const JobContext& job)
        : model_(model)
        , plan_(plan)
        , calibration_(calibration)
        , options_(options)
        , backend_(backend)
        , job_(job)
        , weights_(modelWeights(model)) {
        // Tensor-level: each planned tensor is a unit. Otherwise every block is one, also those without work:
        // their outputs feed the next.
        if (model.hasForward()) {
            units_.resize(model.spec().blocks.size());
            for (const PlanEntry& e : plan.entries)
                if (e.scheme) units_[size_t(e.target.block)].push_back(&e);
        } else {
            for (const PlanEntry& e : plan.entries)
                if (e.scheme) units_.push_back({&e});
        }
    }

    /// To be called before all else.
    Result<void> prepare() {
        if (!plan_.transforms.empty()) {
            QS_TRY(BlockTransformer t, BlockTransformer::create(model_, plan_, *calibration_, *weights_));
            transformer_.emplace(std::move(t));
        }
        return {};
    }

    int unitCount() const { return int(units_.size()); }

    /// Finds the units of options.earlier that stand for those not done yet. Reads their files.
    Result<void> look(const RunJournal& journal, const RunManifest& manifest) {
        taken_.assign(units_.size(), -1);
        if (options_.earlier.empty() || options_.earlier == options_.directory) return {};
        earlier_ = EarlierRun::open(options_.earlier, manifest);
        bool same = true; // so far: what a block is given depends on all before it
        for (int u = 0; u < unitCount(); ++u) {
            QS_CHECK(job_.checkpoint());
            const auto entries = entriesOf(u);
            same = same && earlier_.sameSchemes(entries);
            const bool alone = sitesWithSigma(size_t(u)).empty() || isRecorded(calibration_);
            const bool alike = same || (alone && !transformer_ && earlier_.sameSchemes(entries));
            const int there = u >= journal.unitsDone() && alike ? earlier_.unitOf(units_[size_t(u)]) : -1;
            if (there >= 0 && earlier_.journal().isIntact(there)) taken_[size_t(u)] = there;
        }
        return {};
    }

    Result<void> run(RunJournal& journal) {
        QS_CHECK(beginRounding());
        for (int u = journal.unitsDone(); u < unitCount() && !isRecorded(calibration_); ++u)
            if (taken_[size_t(u)] < 0 && !sitesWithSigma(size_t(u)).empty()) forwardUntil_ = u;
        if (forwardUntil_ >= 0) QS_CHECK(beginForward());
        UnitWriting writing(journal, options_.unitFinished);
        Result<void> done = runUnits(journal, writing);
        Result<void> written = writing.finish(); // what is finished is kept, whatever came after it
        return done ? std::move(written) : std::move(done);
    }

private:
    Result<void> runUnits(RunJournal& journal, UnitWriting& writing) {
        const int before = journal.unitsDone(); // the journal is written to from now on
        for (int u = 0; u < unitCount(); ++u) {
            const double count = double(unitCount());
            const JobContext part = job_.part(double(u) / count, double(u + 1) / count);
            QS_CHECK(part.checkpoint());
            const bool taken = taken_[size_t(u)] >= 0;
            if (taken) {
                QS_CHECK(writing.finish());
                QS_CHECK(journal.takeUnit(earlier_.journal(), taken_[size_t(u)]));
                if (options_.unitFinished) options_.unitFinished(u, journal.results(u));
            }
            if (taken || u < before) {
                if (u < forwardUntil_) QS_CHECK(replayUnit(journal, u, part));
            } else {
                QS_CHECK(doUnit(writing, u, u < forwardUntil_, part));
            }
        }
        return {};
    }

    /// Every linear of a unit's block, the kept ones too; the one tensor of a unit at tensor level.
    std::vector<const PlanEntry*> entriesOf(int unit) const {
        if (!model_.hasForward()) return units_[size_t(unit)];
        std::vector<const PlanEntry*> out;
        for (const PlanEntry& e : plan_.entries)
            if (e.target.block == unit) out.push_back(&e);
        return out;
    }

    /// Inputs are measured for it, rather than read from an importance matrix.
    bool needsSigma(const PlanEntry& e) const { return !options_.importance && needsInputs(e); }

    std::string phase(int unit) const {
        return model_.hasForward() ? fmt::format("Quantize block {} of {}", unit + 1, unitCount())
                                   : fmt::format("Quantize tensor {} of {}", unit + 1, unitCount());
    }

    /// What rounds activations behind finished blocks; what that takes from the text is found first.
    Result<void> beginRounding() {
        const auto file = findingsFile(options_.directory);
        std::error_code ec;
        if (needsFindings(plan_) && !std::filesystem::exists(file, ec)) {
            job_.report("Measure activations that are rounded", 0.0, 1.0);
            QS_TRY(const RunFindings found,
                   findForRun(model_, plan_, *calibration_, options_.activationBudgetBytes, backend_,
                              job_.silent()));
            QS_CHECK(writeFindings(file, found));
        }
        if (needsFindings(plan_)) {
            QS_TRY(findings_, readFindings(file, model_.spec().blocks.size()));
        }
        QS_TRY(rounders_, blockRounders(plan_, model_, findings_));
        return {};
    }

    void roundActivations(DeviceBlock& block, int unit) const {
        block.attention.cache = rounders_[size_t(unit)].cache;
        block.attention.probabilities = rounders_[size_t(unit)].probabilities;
    }

    Result<void> beginForward() {
        const TokenWindows& tokens = calibration_->tokens();
        QS_TRY(Forward f, Forward::create(model_.spec(), backend_, tokens.cols()));
        forward_.emplace(std::move(f));
        QS_TRY(ActivationStore s,
               ActivationStore::create(tokens.size(), model_.spec().hidden, options_.activationBudgetBytes,
                                       options_.directory));
        hidden_.emplace(std::move(s));
        return forward_->embed(tokens.span(), *weights_, *hidden_);
    }

    Result<void> uploadQuantized(DeviceBlock& block, const PlanEntry& e, const QuantizedTensor& q) {
        QS_TRY(const auto codec, codecOf(q));
        const Matrix values = codec->dequantize(q);
        const BlockSpec& spec = model_.spec().blocks[size_t(e.target.block)];
        QS_TRY(auto inputs, inputRounder(*e.scheme, e.target.module, findings_));
        QS_CHECK(block.roundInputs(spec, e.target.module, std::move(inputs)));
        QS_TRY(auto outputs, outputRounder(*e.scheme));
        QS_CHECK(block.roundOutputs(spec, e.target.module, std::move(outputs)));
        return block.replaceWeight(spec, e.target.module, values.view(), backend_);
    }

    /// Sites of a unit whose Sigma a method or a transform wants, with their channels.
    std::map<std::string, size_t> sitesWithSigma(size_t unit) const {
        std::map<std::string, size_t> sites;
        std::set<std::string> scaled;
        if (transformer_ && transformer_->needsSigma()) scaled = transformer_->sitesOf(unit);
        for (const PlanEntry* e : units_[unit])
            if (needsSigma(*e) || scaled.count(e->target.site)) sites[e->target.site] = e->target.cols;
        return sites;
    }

    /// The block with the kept tensors that transforms changed.
    Result<DeviceBlock> loadBlock(int unit, const std::map<std::string, Matrix>& kept) const {
        return forward_->loadBlock(size_t(unit), ReplacedWeights(*weights_, kept));
    }

    Result<std::map<std::string, Matrix>> keptOfUnit(const RunJournal& journal, int unit) const {
        std::map<std::string, Matrix> kept;
        if (!transformer_) return kept;
        const TensorPlaces places(model_);
        for (const std::string& name : journal.changedTensors(unit)) {
            const auto [rows, cols] = placeShape(model_.checkpoint(), places.of(name));
            QS_TRY(kept[name], readKeptTensor(journal.foldedFile(unit), name, rows, cols));
        }
        return kept;
    }

    // A finished block is only run, so that the next one gets the inputs it would have had.
    Result<void> replayUnit(const RunJournal& journal, int unit, const JobContext& job) {
        QS_TRY(const auto kept, keptOfUnit(journal, unit));
        QS_TRY(DeviceBlock block, loadBlock(unit, kept));
        for (const PlanEntry* e : units_[size_t(unit)]) {
            QS_TRY(const QuantizedTensor q, readQuantizedTensor(journal.unitFile(unit), e->target.module));
            QS_CHECK(uploadQuantized(block, *e, q));
        }
        roundActivations(block, unit);
        return forward_->runBlock(size_t(unit), block, *hidden_, {}, false, job);
    }

    /// The block once over all tokens, its inputs staying as they are.
    Result<void> runWatched(int unit, const DeviceBlock& block, const SiteHook& hook, const JobContext& job) {
        if (!plan_.tokenWeights) return forward_->runBlock(size_t(unit), block, *hidden_, hook, true, job);
        AttentionWeighting weighting(backend_, model_.spec().blocks[size_t(unit)].attention.q.site,
                                     plan_.tokenWeights->least, hook, job);
        BlockWatch watch;
        watch.attention = [&](const Tensor& q, const Tensor& k, const AttentionShape& shape) {
            return weighting.attention(q, k, shape);
        };
        forward_->watch(std::move(watch));
        auto done = forward_->runBlock(
            size_t(unit), block, *hidden_,
            [&](const std::string& site, const Tensor& x) { return weighting.site(site, x); }, true, job);
        forward_->watch({});
        return done;
    }

    Result<SigmaBySite> collectSigma(int unit, const DeviceBlock& block, const JobContext& job) {
        SigmaBySite sigma;
        std::map<std::string, std::unique_ptr<SecondMoment>> moments;
        for (const auto& [site, channels] : sitesWithSigma(size_t(unit))) {
            QS_TRY(moments[site], backend_.secondMoment(channels));
        }
        if (moments.empty()) return sigma;
        const SiteHook hook = [&](const std::string& site, const Tensor& x) -> Result<void> {
            QS_CHECK(job.checkpoint());
            const auto it = moments.find(site);
            if (it == moments.end()) return {};
            SiteSigma& found = sigma[site];
            found.tokens += x.rows;
            // Weighted tokens come as their weights' roots times x: there is no sum of inputs.
            if (transformer_ && transformer_->needsSums() && !plan_.tokenWeights)
                QS_CHECK(addRows(x, found.sum));
            return it->second->add(x);
        };
        QS_CHECK(runWatched(unit, block, hook, job));
        for (auto& [site, moment] : moments) {
            QS_TRY(sigma[site].sigma, moment->take());
            moment.reset();
        }
        // The calibration saw this expert, but behind the quantized blocks the router no longer chooses it.
        for (const PlanEntry* e : units_[size_t(unit)])
            if (needsSigma(*e) && sigma.at(e->target.site).tokens == 0)
                return Error::invalid(
                    "no token reaches this site behind the quantized blocks: calibrate on more "
                    "text, or choose a data-free method such as rtn for its linears",
                    e->target.site);
        return sigma;
    }

    /// Adds the rows of x to `sum`.
    Result<void> addRows(const Tensor& x, std::vector<double>& sum) const {
        Matrix storage;
        QS_TRY(const ConstMatrixView values, backend_.hostView(x, storage));
        sum.resize(x.cols);
        for (size_t r = 0; r < x.rows; ++r)
            for (size_t c = 0; c < x.cols; ++c)
                sum[c] += double(values(r, c));
        return {};
    }

    Result<SigmaBySite> recordedSigma(int unit) {
        SigmaBySite sigma;
        for (const auto& [site, channels] : sitesWithSigma(size_t(unit))) {
            QS_TRY(MatrixD s, calibration_->sigma(site));
            const SiteRecord& record = *calibration_->find(site);
            std::vector<double> sum;
            for (const float mean : record.stats.mean)
                sum.push_back(double(mean) * double(record.tokens));
            sigma.try_emplace(site, SiteSigma{std::move(s), record.tokens, std::move(sum)});
        }
        return sigma;
    }

    Result<void> doUnit(UnitWriting& writing, int unit, bool feedNext, const JobContext& job) {
        std::optional<DeviceBlock> block;
        SigmaBySite sigma;
        if (forward_ && unit <= forwardUntil_) {
            QS_TRY(DeviceBlock b, forward_->loadBlock(size_t(unit), *weights_));
            block.emplace(std::move(b));
            QS_TRY(sigma, collectSigma(unit, *block, job.part(0.0, 0.4)));
        } else if (isRecorded(calibration_)) {
            QS_TRY(sigma, recordedSigma(unit));
        }
        TransformedBlock folded;
        if (transformer_) {
            job.report(phase(unit), 0.4, 1.0);
            QS_TRY(folded, transformer_->transform(size_t(unit), sigma, job.silent()));
            for (auto& [site, s] : sigma) {
                shiftSigma(folded.scaling.shiftOf(site), s.sum, s.tokens, s.sigma);
                folded.scaling.scaleSigma(site, s.sigma);
            }
        }
        const auto finished = std::make_shared<FinishedUnit>();
        finished->unit = unit;
        QS_CHECK(quantizeUnit(*finished, sigma, folded.scaling, writing, job.part(0.4, 0.8)));
        finished->folded = std::move(folded.unit);
        QS_CHECK(writing.finish());
        QS_CHECK(job.checkpoint()); // asked for when the one before was finished
        writing.begin(finished);
        return feedNext ? runFinished(*finished, std::move(block), job.part(0.8, 1.0)) : Result<void>();
    }

    Result<void> quantizeUnit(FinishedUnit& out, const SigmaBySite& sigma, const BlockScaling& scaling,
                              UnitWriting& writing, const JobContext& job) {
        const auto& entries = units_[size_t(out.unit)];
        for (size_t i = 0; i < entries.size(); ++i) {
            const double count = double(entries.size());
            job.report(phase(out.unit), double(i), count);
            const auto it = sigma.find(entries[i]->target.site);
            auto done = quantizeOne(*entries[i], it == sigma.end() ? nullptr : &it->second.sigma,
                                    scaling.find(entries[i]->target.weight),
                                    job.part(double(i) / count, double(i + 1) / count));
            if (!done) return done.takeError().at(entries[i]->target.module);
            out.tensors.push_back(std::move(done->first));
            out.results.push_back(std::move(done->second));
            QS_CHECK(writing.poll());
        }
        original_ = MatrixD(); // the next blocks have other sites
        originalSite_.clear();
        return {};
    }

    /// The hidden states behind a finished unit.
    Result<void> runFinished(const FinishedUnit& u, std::optional<DeviceBlock> block, const JobContext& job) {
        if (!u.folded.kept.empty()) {
            QS_TRY(*block, loadBlock(u.unit, u.folded.kept));
        }
        const auto& entries = units_[size_t(u.unit)];
        for (size_t i = 0; i < entries.size(); ++i)
            QS_CHECK(uploadQuantized(*block, *entries[i], u.tensors[i]));
        roundActivations(*block, u.unit);
        return forward_->runBlock(size_t(u.unit), *block, *hidden_, {}, false, job);
    }

    /// How the inputs' channels of a linear are reassembled; empty: they are not.
    Result<ChannelReassembly> channelsOf(const PlanEntry& e) const {
        if (!e.scheme->inputs || !e.scheme->inputs->reassemble) return ChannelReassembly();
        if (options_.importance && needsInputs(e))
            return Error::invalid("an importance matrix says nothing about sums of channels: calibrate, or "
                                  "choose inputs that are not reassembled",
                                  e.target.module);
        const auto found = findings_.inputs.find(e.target.module);
        if (found == findings_.inputs.end())
            return Error::internal("the channels of its inputs were not reassembled");
        return found->second.adjust.channels;
    }

    /// Of the original model's inputs, until the next call; null where no token was seen. Neighbours share
    /// it.
    Result<const MatrixD*> originalSigma(const std::string& site) {
        const SiteRecord* record = calibration_ ? calibration_->find(site) : nullptr;
        if (!record || record->tokens == 0) return static_cast<const MatrixD*>(nullptr);
        if (originalSite_ != site) {
            original_ = MatrixD(); // its memory is free before the next one's is taken
            originalSite_.clear();
            QS_TRY(original_, calibration_->sigma(site));
            originalSite_ = site;
        }
        return static_cast<const MatrixD*>(&original_);
    }

    /// `sigma` is that of the inputs that the scaled weight gets.
    Result<std::pair<QuantizedTensor, TensorResult>> quantizeOne(const PlanEntry& e, const MatrixD* sigma,
                                                                 const TensorScaling* scaling,
                                                                 const JobContext& job) {
        QS_CHECK(job.checkpoint());
        const auto start = std::chrono::steady_clock::now();
        QS_TRY(const Matrix weight, weights_->matrix(e.target.weight));
        Matrix changed; // what the method is given, where that is not the weight
        std::optional<MatrixD> gathered;
        QS_TRY(ChannelReassembly channels, channelsOf(e));
        if (scaling || !channels.empty()) changed = weight.clone();
        if (scaling) scaling->apply(changed.view());
        if (!channels.empty()) {
            gatherWeights(channels, changed.view());
            if (sigma) ReassemblyMap(channels).gatherSigma(gathered.emplace(sigma->clone()));
        }
        QS_TRY(const auto codec, createCodec(e.scheme->codec, e.scheme->codecParams));
        QS_TRY(const MethodDescriptor* method, findMethod(e.scheme->method));
        QuantizeInput in;
        in.weight = changed.empty() ? weight.view() : changed.view();
        in.codec = codec.get();
        in.sigma = gathered ? &*gathered : sigma;
        if (options_.importance && needsInputs(e))
            in.importance = options_.importance->modules.at(e.target.module).sum2;
        in.params = e.scheme->methodParams;
        in.seed = seedFor(plan_.seed, e.target.module);
        in.backend = &backend_;
        QS_TRY(QuantizedTensor q, method->quantize(in, job));
        q.extras.reassembly = std::move(channels);
        if (sizeOf(q.extras) != extrasOf(*method, *e.scheme, q.rows, q.cols))
            return Error::internal("the method keeps more or less beside the codes than it was planned with");
        // Errors are stated against the inputs of the original model, with factors taken back, so that
        // methods and transforms compare.
        QS_TRY(const MatrixD* original, originalSigma(e.target.site));
        TensorResult r;
        r.module = e.target.module;
        r.planned = codec->label();
        QS_TRY(const auto doneCodec, codecOf(q));
        r.done = doneCodec->label();
        r.method = e.scheme->method;
        r.bytes = e.bytesAfter;
        Matrix values = doneCodec->dequantize(q);
        if (scaling) scaling->undo(values.view());
        QS_TRY(r.error, measureError(weight.view(), values.view(), original, &backend_));
        if (!std::isfinite(r.error.weight)) return Error::internal("the quantized tensor is not finite");
        r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return std::pair(std::move(q), std::move(r));
    }

    const Model& model_;
    const Plan& plan_;
    const Calibration* calibration_;
    const RunOptions& options_;
    Backend& backend_;
    const JobContext& job_;
    std::shared_ptr<const WeightSource> weights_;
    std::vector<std::vector<const PlanEntry*>> units_;
    int forwardUntil_ = -1;  ///< the last unit whose inputs are measured
    std::vector<int> taken_; ///< the earlier run's unit that stands for each; -1: none
    EarlierRun earlier_;
    RunFindings findings_;
    std::vector<BlockRounders> rounders_; ///< of finished blocks
    MatrixD original_;                    ///< see originalSigma()
    std::string originalSite_;            ///< whose it is; "": nobody's
    std::optional<BlockTransformer> transformer_;
    std::optional<Forward> forward_;
    std::optional<ActivationStore> hidden_;
};

} // namespace

Result<std::shared_ptr<const Run>> executePlan(const Model& model, const Plan& plan,
                                               const Calibration* calibration, const RunOptions& options,
                                               Backend& backend, const JobContext& job) {
    QS_CHECK(checkPlan(model, plan, calibration, options.importance.get()));
    QS_TRY(RunManifest manifest,
           plannedManifest(model, plan, calibration, options.importance.get(), backend.description()));
    manifest.precision = backend.precision();
    std::error_code ec;
    std::filesystem::create_directories(options.directory, ec);
    if (ec) return Error::io("cannot create the run folder: " + ec.message(), options.directory.string());
    QS_TRY(const RunLock lock, RunLock::acquire(options.directory));
    Executor executor(model, plan, calibration, options, backend, job);
    QS_CHECK(executor.prepare());
    QS_TRY(RunJournal journal, RunJournal::createOrResume(options.directory, manifest, executor.unitCount()));
    QS_CHECK(executor.look(journal, manifest));
    if (options.unitFinished)
        for (int u = 0; u < journal.unitsDone(); ++u)
            options.unitFinished(u, journal.results(u));
    QS_CHECK(executor.run(journal));
    return Run::open(options.directory);
}

} // namespace qs
