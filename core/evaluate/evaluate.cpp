// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/evaluate.h"

#include "core/evaluate/model_stream.h"
#include "core/evaluate/score_logits.h"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

namespace {

struct MeanAndError {
    double mean = 0, standardError = 0;
};

MeanAndError meanAndError(const std::vector<float>& values) {
    MeanAndError m;
    const double n = double(values.size());
    for (const float v : values)
        m.mean += double(v);
    m.mean /= n;
    double squares = 0;
    for (const float v : values)
        squares += (double(v) - m.mean) * (double(v) - m.mean);
    if (n > 1) m.standardError = std::sqrt(squares / (n - 1) / n);
    return m;
}

double percentile(std::vector<float> values, double p) {
    const double h = double(values.size() - 1) * p;
    const auto k = std::ptrdiff_t(std::floor(h));
    std::nth_element(values.begin(), values.begin() + k, values.end());
    const double low = values[size_t(k)];
    if (size_t(k) + 1 == values.size()) return low;
    const double high = *std::min_element(values.begin() + k + 1, values.end());
    return low + (h - double(k)) * (high - low);
}

Result<void> scoreAll(const ModelSpec& spec, ModelStream& own, ModelStream* reference,
                      const ScoredWindows& windows, Evaluation& out, Backend& backend,
                      const JobContext& job) {
    const size_t batch = ModelStream::logitRows(spec), count = windows.scored.size();
    resizeScores(out, count, reference != nullptr);
    QS_TRY(Head head, own.head());
    std::optional<Head> referenceHead;
    if (reference) {
        QS_TRY(Head h, reference->head());
        referenceHead.emplace(std::move(h));
    }
    for (size_t first = 0, done = 0; first < windows.input.size(); first += batch) {
        QS_CHECK(job.checkpoint());
        const size_t n = std::min(batch, windows.input.size() - first);
        const size_t end = windows.scoredBefore(first + n);
        if (end == done) continue;
        QS_TRY(const ConstMatrixView states, own.rows(first, n));
        QS_TRY(const Tensor logits, head.apply(states));
        Tensor other;
        if (referenceHead) {
            QS_TRY(const ConstMatrixView theirs, reference->rows(first, n));
            QS_TRY(other, referenceHead->apply(theirs));
        }
        QS_CHECK(scoreLogits(windows, done, end - done, first, logits, referenceHead ? &other : nullptr, out,
                             backend));
        done = end;
        job.report("Score tokens", double(first + n), double(windows.input.size()));
    }
    return {};
}

/// What is known before a block has run.
Evaluation described(const ModelSpec& spec, const WeightSource& weights, const WeightSource* reference,
                     const TokenWindows& tokens, const ScoredWindows& windows, const EvaluateOptions& options,
                     Precision precision) {
    Evaluation e;
    e.maskedTokens = !spec.causal;
    e.maskSeed = spec.causal ? 0 : options.maskSeed;
    e.text = std::make_shared<const TokenWindows>(tokens.clone());
    for (const ScoredToken& s : windows.scored)
        e.tokenAt.push_back(int32_t(spec.causal ? s.row + 1 : s.row));
    e.protocol = windows.protocol;
    e.precision = precision;
    if (precision != Precision::F32) e.protocol += fmt::format(", {} products", precisionName(precision));
    e.textFingerprint = sha256Hex(std::as_bytes(tokens.span()));
    e.weights = weights.label();
    e.weightsFingerprint = weights.fingerprint();
    if (!reference) return e;
    e.hasReference = true;
    e.reference = reference->label();
    e.referenceFingerprint = reference->fingerprint();
    return e;
}

/// Behind the blocks that `files` (null: none) has of it. `damaged` grows by the files that were.
Result<ModelStream> streamOf(const ModelSpec& spec, const WeightSource& weights, const TokenWindows& tokens,
                             const EvaluateOptions& options, const HiddenFiles* files, Backend& backend,
                             size_t& damaged, const JobContext& job) {
    QS_TRY(ModelStream s, ModelStream::create(spec, weights, tokens, options.activationBudgetBytes, backend));
    if (files) {
        QS_TRY(const size_t gone, s.resume(*options.cache, *files, tokens, job));
        damaged += gone;
    }
    return s;
}

std::vector<std::string> notesOf(const HiddenFiles& files, size_t damaged, const HiddenCache& cache) {
    std::vector<std::string> out;
    if (const std::string why = files.refusal(); !why.empty()) out.push_back(why);
    if (damaged > 0)
        out.push_back(fmt::format("{} file{} with hidden states {} damaged and removed from {}", damaged,
                                  damaged == 1 ? "" : "s", damaged == 1 ? "was" : "were",
                                  cache.folder.string()));
    return out;
}

} // namespace

Result<HiddenCache> hiddenCacheFor(const Model& model, std::filesystem::path folder) {
    QS_TRY(const std::string weights, model.checkpoint().fingerprint());
    const std::string config = model.checkpoint().config().dump();
    return HiddenCache{std::move(folder), sha256Hex(weights + config)};
}

Result<Evaluation> evaluate(const ModelSpec& spec, const WeightSource& weights, const WeightSource* reference,
                            const TokenWindows& tokens, const EvaluateOptions& options, Backend& backend,
                            const JobContext& job) {
    QS_TRY(const ScoredWindows windows, scoredWindows(spec, tokens, options.maskSeed));
    std::optional<HiddenFiles> kept;
    if (options.cache) kept.emplace(*options.cache, windows.input.size(), spec.hidden, spec.blocks.size());
    const HiddenFiles* files = kept ? &*kept : nullptr;
    const double search = files && !files->empty() ? 0.1 : 0; // share of the time, roughly
    size_t damaged = 0;
    QS_TRY(ModelStream own, streamOf(spec, weights, windows.input, options, files, backend, damaged,
                                     job.part(0, reference ? search / 2 : search)));
    std::optional<ModelStream> other;
    if (reference) {
        QS_TRY(ModelStream s, streamOf(spec, *reference, windows.input, options, files, backend, damaged,
                                       job.part(search / 2, search)));
        other.emplace(std::move(s));
    }
    const double step = (1 - search) / (double(spec.blocks.size()) + 1);
    for (size_t b = 0; b < spec.blocks.size(); ++b) {
        const double from = search + step * double(b), to = from + step;
        QS_CHECK(own.runBlock(b, job.part(from, other ? (from + to) / 2 : to)));
        if (other) QS_CHECK(other->runBlock(b, job.part((from + to) / 2, to)));
    }
    Evaluation e = described(spec, weights, reference, tokens, windows, options, backend.precision());
    e.blocksTaken = own.blocksTaken() + (other ? other->blocksTaken() : 0);
    if (files) e.cacheNotes = notesOf(*files, damaged, *options.cache);
    QS_CHECK(scoreAll(spec, own, other ? &*other : nullptr, windows, e, backend, job.part(1 - step, 1)));
    e.summarize();
    if (!std::isfinite(e.nll))
        return Error{ErrorCode::Backend, "the model's loss is not finite", weights.label()};
    return e;
}

void Evaluation::summarize() {
    tokens = tokenNll.size();
    if (tokens == 0) return;
    const MeanAndError loss = meanAndError(tokenNll);
    nll = loss.mean;
    nllStderr = loss.standardError;
    perplexity = std::exp(nll);
    perplexityStderr = perplexity * nllStderr;
    if (!hasReference) return;
    referenceNll = meanAndError(referenceTokenNll).mean;
    const MeanAndError divergence = meanAndError(tokenKl);
    kl = divergence.mean;
    klStderr = divergence.standardError;
    kl99 = percentile(tokenKl, 0.99);
    size_t same = 0;
    for (size_t i = 0; i < tokens; ++i)
        same += tokenTop[i] == referenceTop[i];
    top1 = double(same) / double(tokens);
}

Evaluation evaluationOfReference(const Evaluation& compared) {
    Evaluation e;
    e.maskedTokens = compared.maskedTokens;
    e.maskSeed = compared.maskSeed;
    e.text = compared.text;
    e.tokenAt = compared.tokenAt;
    e.tokenNll = compared.referenceTokenNll;
    e.tokenTop = compared.referenceTop;
    e.protocol = compared.protocol;
    e.precision = compared.precision;
    e.textFingerprint = compared.textFingerprint;
    e.source = compared.source;
    e.weights = compared.reference;
    e.weightsFingerprint = compared.referenceFingerprint;
    e.summarize();
    return e;
}

const char* Evaluation::measure() const {
    return maskedTokens ? "masked-token loss" : "perplexity";
}

json Evaluation::toJson() const {
    json j = {{"measure", measure()}, {"nll", nll},           {"stderr", nllStderr},
              {"tokens", tokens},     {"protocol", protocol}, {"text", textFingerprint},
              {"weights", weights}};
    if (!maskedTokens) {
        j["ppl"] = perplexity;
        j["ppl_stderr"] = perplexityStderr;
    }
    if (hasReference) {
        j["reference"] = reference;
        j["reference_nll"] = referenceNll;
        if (!maskedTokens) j["reference_ppl"] = std::exp(referenceNll);
        j["kl"] = kl;
        j["kl_stderr"] = klStderr;
        j["kl_p99"] = kl99;
        j["top1"] = top1;
    }
    return j;
}

} // namespace qs
