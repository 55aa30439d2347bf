// SPDX-License-Identifier: Apache-2.0
#include "core/model/generate.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace qs {

namespace {

int pickToken(std::span<const float> logits, double temperature, std::mt19937_64& rng) {
    const size_t best = size_t(std::max_element(logits.begin(), logits.end()) - logits.begin());
    if (temperature <= 0) return int(best);
    std::vector<double> weights(logits.size());
    for (size_t i = 0; i < weights.size(); ++i)
        weights[i] = std::exp((double(logits[i]) - double(logits[best])) / temperature);
    double total = 0;
    for (double w : weights)
        total += w;
    // Drawn by hand: std::discrete_distribution may differ between standard libraries, and a seed must mean
    // the same text.
    double u = double(rng() >> 11) * 0x1.0p-53 * total;
    for (size_t i = 0; i < weights.size(); ++i)
        if ((u -= weights[i]) < 0) return int(i);
    return int(best);
}

} // namespace

Result<std::vector<int>> generate(const ModelSpec& spec, const WeightSource& weights, std::vector<int> prompt,
                                  const GenerateOptions& options, Backend& backend, const JobContext& job) {
    if (prompt.empty()) return Error::invalid("the prompt has no tokens");
    if (!spec.causal)
        return Error::unsupported("an encoder fills in masked tokens; it does not continue a text",
                                  weights.label());
    std::vector<DeviceBlock> blocks;
    QS_TRY(Forward loader, Forward::create(spec, backend, 1));
    for (size_t b = 0; b < spec.blocks.size(); ++b) {
        QS_CHECK(job.checkpoint());
        QS_TRY(DeviceBlock block, loader.loadBlock(b, weights));
        blocks.push_back(std::move(block));
    }
    QS_TRY(Embedding embedding, Embedding::load(spec, weights, backend));
    QS_TRY(Head head, Head::create(spec, weights, backend));
    std::mt19937_64 rng(options.seed);
    std::vector<int> context = std::move(prompt), made;
    while (made.size() < options.maxNewTokens) {
        QS_CHECK(job.checkpoint());
        const size_t length = std::min(context.size(), spec.context);
        QS_TRY(Forward forward, Forward::create(spec, backend, length));
        Matrix rows(length, spec.hidden);
        const std::vector<int32_t> ids(context.end() - std::ptrdiff_t(length), context.end());
        QS_CHECK(embedding.embed(ids, length, rows.view()));
        Tensor hidden;
        QS_CHECK(backend.upload(rows.view(), hidden));
        for (size_t b = 0; b < blocks.size(); ++b)
            QS_CHECK(forward.runBlock(b, blocks[b], hidden));
        QS_CHECK(backend.download(hidden, rows.view()));
        QS_TRY(Matrix logits, head.logits(rows.view().block(length - 1, 1, 0, spec.hidden)));
        const int next = pickToken(logits.span(), options.temperature, rng);
        if (next == options.stopId) break;
        context.push_back(next);
        made.push_back(next);
        if (options.tokenMade) options.tokenMade(next);
        job.report("Generate", double(made.size()), double(options.maxNewTokens));
    }
    return made;
}

} // namespace qs
