// SPDX-License-Identifier: Apache-2.0
#include "core/run/channel_search.h"

#include "core/linalg/blas.h"
#include "core/quant/quantize_common.h"
#include "core/recipe/plan_rules.h"

#include <algorithm>
#include <cmath>
#include <queue>

namespace qs {

namespace {

constexpr double kMostAdded = 0.1; ///< of the channels
constexpr int kThresholds = 20;

Matrix copyOf(ConstMatrixView m) {
    Matrix out(m.rows, m.cols);
    for (size_t r = 0; r < m.rows; ++r)
        std::copy_n(m.row(r), m.cols, out.row(r));
    return out;
}

std::vector<float> absoluteMaxima(ConstMatrixView x) {
    std::vector<float> out(x.cols);
    for (size_t t = 0; t < x.rows; ++t)
        for (size_t c = 0; c < x.cols; ++c)
            out[c] = std::max(out[c], std::fabs(x(t, c)));
    return out;
}

/// |m_a - m_b|^2 of columns a = 0, 2, .. and b = 1, 3, ..: [a / 2, b / 2].
Matrix distances(ConstMatrixView m) {
    const size_t odd = m.cols / 2, even = m.cols - odd;
    Matrix left(m.rows, even), right(m.rows, odd), out(even, odd);
    std::vector<float> norm(m.cols);
    for (size_t r = 0; r < m.rows; ++r)
        for (size_t c = 0; c < m.cols; ++c) {
            (c % 2 ? right : left)(r, c / 2) = m(r, c);
            norm[c] += m(r, c) * m(r, c);
        }
    linalg::gemm(true, false, -2.0f, left.view(), right.view(), 0.0f, out.view());
    for (size_t a = 0; a < even; ++a)
        for (size_t b = 0; b < odd; ++b)
            out(a, b) = std::max(0.0f, out(a, b) + norm[2 * a] + norm[2 * b + 1]);
    return out;
}

/// What merging an even and an odd channel costs.
Matrix mergeCosts(ConstMatrixView x, ConstMatrixView w) {
    Matrix costs = distances(x);
    const Matrix ofWeights = distances(w);
    for (size_t i = 0; i < costs.size(); ++i)
        costs.data()[i] *= ofWeights.data()[i] / 4;
    return costs;
}

struct Pair {
    float cost;
    uint32_t even, odd; ///< channels
    /// For a queue with the cheapest on top; of equals the first.
    bool operator<(const Pair& o) const {
        return std::tie(cost, even, odd) > std::tie(o.cost, o.even, o.odd);
    }
};

/// The `count` cheapest pairs of channels that are not `taken`, each with the best partner that is left;
/// fewer when there are no more.
std::vector<Pair> cheapestPairs(const Matrix& costs, std::vector<uint8_t> taken, size_t count) {
    std::priority_queue<Pair> queue;
    const auto push = [&](uint32_t even) {
        Pair best{INFINITY, even, 0};
        for (uint32_t odd = 1; odd < taken.size(); odd += 2)
            if (const float cost = costs(even / 2, odd / 2); !taken[odd] && cost < best.cost)
                best = {cost, even, odd};
        if (best.odd) queue.push(best);
    };
    if (count > 0)
        for (uint32_t even = 0; even < taken.size(); even += 2)
            if (!taken[even]) push(even);
    std::vector<Pair> out;
    while (out.size() < count && !queue.empty()) {
        const Pair p = queue.top();
        queue.pop();
        if (taken[p.odd]) {
            push(p.even);
            continue;
        }
        taken[p.odd] = 1;
        out.push_back(p);
    }
    return out;
}

/// Channels stay where they are; the places of those that are merged away go to the copies.
ChannelReassembly assemble(const std::vector<size_t>& copies, const std::vector<Pair>& pairs) {
    ChannelReassembly r = ChannelReassembly::identity(copies.size());
    size_t next = 0;
    for (const Pair& p : pairs)
        r.second[p.even] = p.odd;
    for (uint32_t c = 0; c < copies.size(); ++c)
        for (size_t i = 1; i < copies[c]; ++i, ++next)
            r.first[pairs[next].odd] = r.second[pairs[next].odd] = c;
    return r;
}

std::vector<size_t> copiesAt(float threshold, std::span<const float> largest) {
    std::vector<size_t> copies(largest.size(), 1);
    for (size_t c = 0; c < copies.size(); ++c)
        if (largest[c] > threshold) copies[c] = size_t(std::ceil(double(largest[c]) / double(threshold)));
    return copies;
}

size_t addedBy(const std::vector<size_t>& copies) {
    size_t added = 0;
    for (const size_t n : copies)
        added += n - 1;
    return added;
}

ChannelReassembly reassemble(const std::vector<size_t>& copies, const Matrix& costs) {
    std::vector<uint8_t> taken(copies.size());
    for (size_t c = 0; c < copies.size(); ++c)
        taken[c] = copies[c] > 1;
    const size_t added = addedBy(copies);
    const std::vector<Pair> pairs = cheapestPairs(costs, std::move(taken), added);
    return pairs.size() < added ? ChannelReassembly() : assemble(copies, pairs);
}

/// Thresholds that descend evenly from the largest magnitude to where the most channels are added.
std::vector<float> thresholds(std::span<const float> largest) {
    const float top = *std::max_element(largest.begin(), largest.end());
    const size_t most = size_t(kMostAdded * double(largest.size()));
    float low = 0, high = top;
    for (int i = 0; i < 24; ++i) {
        const float middle = (low + high) / 2;
        (middle > 0 && addedBy(copiesAt(middle, largest)) <= most ? high : low) = middle;
    }
    std::vector<float> out;
    for (int i = 1; i <= kThresholds && top > 0; ++i)
        out.push_back(top + (high - top) * float(i) / float(kThresholds));
    return out;
}

/// Error of the outputs when both sides are rounded.
class RoundedOutputs {
public:
    RoundedOutputs(const InputScheme& inputs, const Codec& weights, ConstMatrixView x, ConstMatrixView w,
                   const JobContext& job)
        : inputs_(inputs), weights_(weights), x_(x), w_(w), job_(job), target_(x.rows, w.rows) {
        linalg::gemm(false, true, 1.0f, x, w, 0.0f, target_.view());
    }

    Result<double> error(const ChannelReassembly& channels) const {
        QS_CHECK(job_.checkpoint());
        RowChoice choice;
        choice.adjust.channels = channels;
        QS_TRY(const auto rounder, rounderOf(inputs_, &choice));
        Matrix x = copyOf(x_), w = copyOf(w_), out(x_.rows, w_.rows);
        QS_CHECK(rounder->round(x.view()));
        gatherWeights(channels, w.view());
        QS_TRY(QuantizedTensor q, quantizeToNearest(w.view(), weights_, {}, job_));
        q.extras.reassembly = channels;
        w = weights_.dequantize(q);
        linalg::gemm(false, true, 1.0f, x.view(), w.view(), 0.0f, out.view());
        double sum = 0;
        for (size_t i = 0; i < out.size(); ++i) {
            const double e = double(out.data()[i]) - double(target_.data()[i]);
            sum += e * e;
        }
        return sum;
    }

private:
    const InputScheme& inputs_;
    const Codec& weights_;
    ConstMatrixView x_, w_;
    const JobContext& job_;
    Matrix target_;
};

} // namespace

ChannelReassembly reassembleAt(float threshold, ConstMatrixView x, ConstMatrixView w) {
    return reassemble(copiesAt(threshold, absoluteMaxima(x)), mergeCosts(x, w));
}

Result<ChannelReassembly> searchChannels(const InputScheme& inputs, const Codec& weights, ConstMatrixView x,
                                         ConstMatrixView w, const JobContext& job) {
    const JobContext silent = job.silent();
    const RoundedOutputs outputs(inputs, weights, x, w, silent);
    ChannelReassembly best = ChannelReassembly::identity(x.cols);
    QS_TRY(double least, outputs.error(best));
    const std::vector<float> largest = absoluteMaxima(x);
    const Matrix costs = mergeCosts(x, w);
    size_t before = 0;
    for (const float threshold : thresholds(largest)) {
        const std::vector<size_t> copies = copiesAt(threshold, largest);
        const size_t added = addedBy(copies);
        if (added == before) continue; // as the last one was
        before = added;
        ChannelReassembly tried = reassemble(copies, costs);
        if (tried.empty()) break;
        QS_TRY(const double error, outputs.error(tried));
        if (!(error < least)) continue;
        least = error;
        best = std::move(tried);
    }
    return best;
}

} // namespace qs
