// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/evaluate.h"

#include "core/evaluate/scored_tokens.h"
#include "core/linalg/parallel.h"
#include "core/model/forward.h"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

namespace {

struct LogSoftmax {
    size_t argmax = 0;
    double logSum = 0; ///< log of the sum of exp(x), so that log p_i = x_i - logSum
};

LogSoftmax logSoftmax(std::span<const float> logits) {
    LogSoftmax s;
    for (size_t i = 1; i < logits.size(); ++i)
        if (logits[i] > logits[s.argmax]) s.argmax = i;
    const double top = logits[s.argmax];
    double sum = 0;
    for (float x : logits)
        sum += std::exp(double(x) - top);
    s.logSum = top + std::log(sum);
    return s;
}

/// sum_i p_i (log p_i - log q_i), in nats.
double klDivergence(std::span<const float> p, const LogSoftmax& sp, std::span<const float> q,
                    const LogSoftmax& sq) {
    double sum = 0;
    for (size_t i = 0; i < p.size(); ++i) {
        const double lp = double(p[i]) - sp.logSum;
        sum += std::exp(lp) * (lp - (double(q[i]) - sq.logSum));
    }
    return std::max(0.0, sum); // rounding can leave -1e-17 for equal distributions
}

struct TokenScore {
    float nll = 0, referenceNll = 0, kl = 0;
    bool sameTop = false;
};

// Scores of `scored`, whose rows are firstRow and later rows of the logits.
void scoreBatch(std::span<const ScoredToken> scored, size_t firstRow, const Matrix& logits,
                const Matrix* reference, TokenScore* scores) {
    linalg::parallelFor(scored.size(), 16, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
            const size_t r = scored[i].row - firstRow, target = scored[i].target;
            TokenScore& s = scores[i];
            const std::span<const float> row(logits.row(r), logits.cols());
            const LogSoftmax own = logSoftmax(row);
            s.nll = float(own.logSum - double(row[target]));
            if (!reference) continue;
            const std::span<const float> other(reference->row(r), reference->cols());
            const LogSoftmax ref = logSoftmax(other);
            s.referenceNll = float(ref.logSum - double(other[target]));
            s.kl = float(klDivergence(other, ref, row, own));
            s.sameTop = own.argmax == ref.argmax;
        }
    });
}

struct MeanAndError {
    double mean = 0, standardError = 0;
};

template<class F>
MeanAndError meanAndError(const std::vector<TokenScore>& scores, const F& value) {
    MeanAndError m;
    const double n = double(scores.size());
    for (const TokenScore& s : scores)
        m.mean += value(s);
    m.mean /= n;
    double squares = 0;
    for (const TokenScore& s : scores)
        squares += (value(s) - m.mean) * (value(s) - m.mean);
    if (n > 1) m.standardError = std::sqrt(squares / (n - 1) / n);
    return m;
}

// One or two models over the same tokens, a block of each at a time.
class Stream {
public:
    static Result<Stream> create(const ModelSpec& spec, const WeightSource& weights,
                                 const TokenWindows& tokens, size_t budget, Backend& backend) {
        QS_TRY(Forward forward, Forward::create(spec, backend, tokens.cols()));
        QS_TRY(ActivationStore hidden, ActivationStore::create(tokens.size(), spec.hidden, budget));
        QS_CHECK(forward.embed(tokens.span(), weights, hidden));
        return Stream(weights, std::move(forward), std::move(hidden));
    }

    Result<void> runBlock(size_t index, const JobContext& job) {
        QS_TRY(DeviceBlock block, forward_.loadBlock(index, *weights_));
        return forward_.runBlock(index, block, hidden_, {}, false, job);
    }
    Result<Head> head() const { return Head::create(forward_.spec(), *weights_, forward_.backend()); }
    ConstMatrixView rows(size_t first, size_t count) const { return hidden_.rows(first, count); }

private:
    Stream(const WeightSource& weights, Forward forward, ActivationStore hidden)
        : weights_(&weights), forward_(std::move(forward)), hidden_(std::move(hidden)) {}
    const WeightSource* weights_;
    Forward forward_;
    ActivationStore hidden_;
};

Result<std::vector<TokenScore>> scoreAll(const ModelSpec& spec, Stream& own, Stream* reference,
                                         const ScoredWindows& windows, const JobContext& job) {
    // Logits of a batch stay near 64 MiB whatever the vocabulary.
    const size_t batch = std::clamp<size_t>((size_t(64) << 20) / sizeof(float) / spec.vocabulary, 1, 1024);
    const std::span<const ScoredToken> all(windows.scored);
    std::vector<TokenScore> scores(all.size());
    QS_TRY(Head head, own.head());
    std::optional<Head> referenceHead;
    if (reference) {
        QS_TRY(Head h, reference->head());
        referenceHead.emplace(std::move(h));
    }
    for (size_t first = 0, done = 0; first < windows.input.size(); first += batch) {
        QS_CHECK(job.checkpoint());
        const size_t n = std::min(batch, windows.input.size() - first);
        size_t end = done;
        while (end < all.size() && all[end].row < first + n)
            ++end;
        if (end == done) continue;
        QS_TRY(const Matrix logits, head.logits(own.rows(first, n)));
        std::optional<Matrix> other;
        if (referenceHead) {
            QS_TRY(Matrix m, referenceHead->logits(reference->rows(first, n)));
            other.emplace(std::move(m));
        }
        scoreBatch(all.subspan(done, end - done), first, logits, other ? &*other : nullptr,
                   scores.data() + done);
        done = end;
        job.report("Score tokens", double(first + n), double(windows.input.size()));
    }
    return scores;
}

Result<ScoredWindows> scoredWindows(const ModelSpec& spec, const TokenWindows& tokens,
                                    const EvaluateOptions& options) {
    if (spec.causal) return nextTokens(tokens);
    if (spec.maskToken < 0)
        return Error::unsupported(
            "an encoder is measured by its masked-token loss, and no tokenizer beside the "
            "model says which token is [MASK]",
            spec.architecture);
    return maskedTokens(tokens, spec.maskToken, options.maskSeed);
}

} // namespace

Result<Evaluation> evaluate(const ModelSpec& spec, const WeightSource& weights, const WeightSource* reference,
                            const TokenWindows& tokens, const EvaluateOptions& options, Backend& backend,
                            const JobContext& job) {
    QS_CHECK(checkTokens(tokens, spec.vocabulary));
    if (tokens.rows() == 0 || tokens.cols() < 2)
        return Error::invalid(fmt::format("windows of at least 2 tokens are needed, got [{}, {}]",
                                          tokens.rows(), tokens.cols()));
    QS_TRY(const ScoredWindows windows, scoredWindows(spec, tokens, options));
    QS_TRY(Stream own, Stream::create(spec, weights, windows.input, options.activationBudgetBytes, backend));
    std::optional<Stream> other;
    if (reference) {
        QS_TRY(Stream s,
               Stream::create(spec, *reference, windows.input, options.activationBudgetBytes, backend));
        other.emplace(std::move(s));
    }
    const double steps = double(spec.blocks.size()) + 1;
    for (size_t b = 0; b < spec.blocks.size(); ++b) {
        const double from = double(b) / steps, to = double(b + 1) / steps;
        QS_CHECK(own.runBlock(b, job.part(from, other ? (from + to) / 2 : to)));
        if (other) QS_CHECK(other->runBlock(b, job.part((from + to) / 2, to)));
    }
    QS_TRY(const std::vector<TokenScore> scores,
           scoreAll(spec, own, other ? &*other : nullptr, windows, job.part(1 - 1 / steps, 1)));

    Evaluation e;
    const MeanAndError nll = meanAndError(scores, [](const TokenScore& s) { return double(s.nll); });
    e.nll = nll.mean;
    e.nllStderr = nll.standardError;
    e.perplexity = std::exp(e.nll);
    e.perplexityStderr = e.perplexity * e.nllStderr;
    e.tokens = scores.size();
    for (const TokenScore& s : scores)
        e.tokenNll.push_back(s.nll);
    if (reference) {
        e.hasReference = true;
        e.referenceNll =
            meanAndError(scores, [](const TokenScore& s) { return double(s.referenceNll); }).mean;
        const MeanAndError kl = meanAndError(scores, [](const TokenScore& s) { return double(s.kl); });
        e.kl = kl.mean;
        e.klStderr = kl.standardError;
        e.top1 = meanAndError(scores, [](const TokenScore& s) { return s.sameTop ? 1.0 : 0.0; }).mean;
        e.reference = reference->label();
    }
    e.maskedTokens = !spec.causal;
    e.protocol = windows.protocol;
    e.textFingerprint = sha256Hex(std::as_bytes(tokens.span()));
    e.weights = weights.label();
    if (!std::isfinite(e.nll))
        return Error{ErrorCode::Backend, "the model's loss is not finite", weights.label()};
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
        j["top1"] = top1;
    }
    return j;
}

} // namespace qs
