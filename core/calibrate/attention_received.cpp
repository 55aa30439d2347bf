// SPDX-License-Identifier: Apache-2.0
#include "core/calibrate/attention_received.h"

#include "core/linalg/parallel.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

struct Seen {
    size_t first, end; ///< keys [first, end)
};

Seen keysOf(size_t query, size_t tokens, bool causal, size_t reach) {
    // As in AttentionShape: i - j < reach bounds the past alone.
    const size_t first = reach > 0 && query + 1 > reach ? query + 1 - reach : 0;
    return {first, causal ? query + 1 : tokens};
}

/// Adds the weights of one query of one head to `received`.
void addQuery(std::span<const float> query, ConstMatrixView keys, const float* bias,
              const AttentionShape& shape, Seen seen, std::vector<double>& scores, double* received) {
    double top = -INFINITY;
    for (size_t j = seen.first; j < seen.end; ++j) {
        const float* key = keys.row(j);
        float dot = 0;
        for (size_t c = 0; c < query.size(); ++c)
            dot += query[c] * key[c];
        double s = double(dot) * double(shape.scale);
        if (shape.softCap > 0) s = double(shape.softCap) * std::tanh(s / double(shape.softCap));
        if (bias) s += double(bias[j]);
        scores[j] = s;
        top = std::max(top, s);
    }
    double sum = 0;
    for (size_t j = seen.first; j < seen.end; ++j)
        sum += scores[j] = std::exp(scores[j] - top);
    for (size_t j = seen.first; j < seen.end; ++j)
        received[j] += scores[j] / sum;
}

} // namespace

Result<std::vector<double>> attentionReceived(ConstMatrixView q, ConstMatrixView k, ConstMatrixView keyBias,
                                              const AttentionShape& shape, const JobContext& job) {
    const size_t tokens = q.rows, heads = shape.heads, kvHeads = shape.kvHeads;
    if (tokens == 0 || heads == 0 || kvHeads == 0 || heads % kvHeads != 0 || q.cols % heads != 0 ||
        k.rows != tokens || k.cols != q.cols / heads * kvHeads ||
        (keyBias.size() > 0 && (keyBias.rows != heads || keyBias.cols != tokens)))
        return Error::invalid(fmt::format("[attentionReceived] q [T, heads d], k [T, kvHeads d], key bias "
                                          "[heads, T]; got [{}, {}], [{}, {}], [{}, {}] with {} and {} heads",
                                          q.rows, q.cols, k.rows, k.cols, keyBias.rows, keyBias.cols, heads,
                                          kvHeads));
    const size_t d = q.cols / heads;
    MatrixD perHead(heads, tokens);
    linalg::parallelFor(heads, 1, [&](size_t begin, size_t end) {
        std::vector<double> scores(tokens);
        for (size_t h = begin; h < end && !job.stopRequested(); ++h) {
            const size_t kv = h / (heads / kvHeads);
            const float* bias = keyBias.size() > 0 ? keyBias.row(h) : nullptr;
            for (size_t i = 0; i < tokens && !job.stopRequested(); ++i)
                addQuery({q.row(i) + h * d, d}, k.block(0, tokens, kv * d, d), bias, shape,
                         keysOf(i, tokens, shape.causal, shape.reach), scores, perHead.row(h));
        }
    });
    QS_CHECK(job.checkpoint());
    std::vector<double> received(tokens, 0.0);
    for (size_t h = 0; h < heads; ++h)
        for (size_t j = 0; j < tokens; ++j)
            received[j] += perHead(h, j) / double(heads * tokens);
    return received;
}

std::vector<double> evenAttention(size_t tokens, bool causal, size_t reach) {
    std::vector<double> share(tokens, 0.0);
    for (size_t i = 0; i < tokens; ++i) {
        const Seen seen = keysOf(i, tokens, causal, reach);
        for (size_t j = seen.first; j < seen.end; ++j)
            share[j] += 1.0 / double(seen.end - seen.first) / double(tokens);
    }
    return share;
}

std::vector<AttentionSink> attentionSinks(MatrixViewT<const double> received, MatrixViewT<const double> even,
                                          const SinkRule& rule) {
    std::vector<AttentionSink> sinks;
    const double mean = received.cols > 0 ? 1.0 / double(received.cols) : 0;
    for (size_t j = 0; j < received.cols; ++j) {
        AttentionSink s;
        s.token = j;
        for (size_t b = 0; b < received.rows; ++b) {
            const double r = received(b, j);
            if (!(r >= rule.overEven * even(b, j) && r >= rule.overMean * mean)) continue;
            s.blocks.push_back(b);
            s.received += r;
        }
        if (s.blocks.empty()) continue;
        s.received /= double(s.blocks.size());
        sinks.push_back(std::move(s));
    }
    std::stable_sort(sinks.begin(), sinks.end(),
                     [](const AttentionSink& a, const AttentionSink& b) { return a.received > b.received; });
    return sinks;
}

} // namespace qs
