// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/token_compare.h"

#include "core/evaluate/model_stream.h"
#include "core/linalg/log_softmax.h"
#include "core/linalg/parallel.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

using linalg::klDivergence;
using linalg::LogSoftmax;
using linalg::logSoftmax;

std::vector<TokenChoice> mostLikely(std::span<const float> logits, const LogSoftmax& s, size_t count) {
    std::vector<int32_t> order(logits.size());
    for (size_t i = 0; i < order.size(); ++i)
        order[i] = int32_t(i);
    count = std::min(count, order.size());
    std::partial_sort(order.begin(), order.begin() + std::ptrdiff_t(count), order.end(),
                      [&](int32_t a, int32_t b) {
                          const float x = logits[size_t(a)], y = logits[size_t(b)];
                          return x > y || (x == y && a < b);
                      });
    std::vector<TokenChoice> top;
    for (size_t i = 0; i < count; ++i)
        top.push_back({order[i], float(std::exp(double(logits[size_t(order[i])]) - s.logSum))});
    return top;
}

TokenPrediction predictionOf(std::span<const float> row, std::span<const float> first, size_t target,
                             size_t top) {
    TokenPrediction p;
    const LogSoftmax own = logSoftmax(row), reference = logSoftmax(first);
    p.nll = float(own.logSum - double(row[target]));
    p.probability = float(std::exp(double(row[target]) - own.logSum));
    p.kl = row.data() == first.data() ? 0 : float(klDivergence(first, reference, row, own));
    p.flip = own.argmax != reference.argmax;
    p.top = mostLikely(row, own, top);
    return p;
}

Result<void> predictAll(const ModelSpec& spec, std::vector<ModelStream>& streams, size_t top,
                        TokenComparison& out, const JobContext& job) {
    std::vector<Head> heads;
    for (const ModelStream& s : streams) {
        QS_TRY(Head head, s.head());
        heads.push_back(std::move(head));
    }
    const size_t count = out.ids.size() - 1, batch = ModelStream::logitRows(spec);
    for (size_t first = 0; first < count; first += batch) {
        const size_t n = std::min(batch, count - first);
        std::vector<Matrix> logits;
        for (size_t m = 0; m < streams.size(); ++m) {
            QS_CHECK(job.checkpoint());
            QS_TRY(const ConstMatrixView states, streams[m].rows(first, n));
            QS_TRY(Matrix rows, heads[m].logits(states));
            logits.push_back(std::move(rows));
        }
        for (size_t m = 0; m < streams.size(); ++m)
            linalg::parallelFor(n, 4, [&](size_t begin, size_t end) {
                for (size_t r = begin; r < end; ++r)
                    out.models[m][first + r] = predictionOf({logits[m].row(r), logits[m].cols()},
                                                            {logits[0].row(r), logits[0].cols()},
                                                            size_t(out.ids[first + r + 1]), top);
            });
        job.report("Compare tokens", double(first + n), double(count));
    }
    return {};
}

} // namespace

Result<TokenComparison> compareTokens(const ModelSpec& spec, std::span<const WeightSource* const> models,
                                      std::span<const int32_t> ids, const TokenCompareOptions& options,
                                      Backend& backend, const JobContext& job) {
    if (models.empty()) return Error::invalid("no model to compare");
    if (!spec.causal)
        return Error::unsupported("an encoder predicts masked tokens, not the next one", spec.architecture);
    if (ids.size() < 2)
        return Error::invalid(fmt::format("a passage of at least 2 tokens is needed, got {}", ids.size()));
    TokenWindows passage(1, ids.size());
    std::copy(ids.begin(), ids.end(), passage.data());
    QS_CHECK(checkTokens(passage, spec.vocabulary));
    std::vector<ModelStream> streams;
    TokenComparison out;
    out.ids.assign(ids.begin(), ids.end());
    for (const WeightSource* weights : models) {
        QS_TRY(ModelStream s,
               ModelStream::create(spec, *weights, passage, options.activationBudgetBytes, backend));
        streams.push_back(std::move(s));
        out.labels.push_back(weights->label());
        out.models.emplace_back(ids.size() - 1);
    }
    const double parts = double(spec.blocks.size() * streams.size() + 1);
    double done = 0;
    for (size_t b = 0; b < spec.blocks.size(); ++b)
        for (ModelStream& s : streams) {
            QS_CHECK(s.runBlock(b, job.part(done / parts, (done + 1) / parts)));
            ++done;
        }
    QS_CHECK(predictAll(spec, streams, options.top, out, job.part(done / parts, 1)));
    return out;
}

} // namespace qs
