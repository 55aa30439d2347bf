// SPDX-License-Identifier: Apache-2.0
// AWQ's scale search: s = magnitude^r over a grid of ratios r, the one with the least output error
// sum tr(E Sigma E^T), E = Q(W S) S^-1 - W, over all linears that read the channels. Ratio 0 scales nothing
// and is among them.
//
// The paper's magnitude is mean|x|. Here it is the root mean square, sqrt(Sigma_jj / tokens): what the loss
// weighs errors with, and what recorded activations have too.
#include "core/quant/quantize_common.h"
#include "core/quant/sigma_weights.h"
#include "core/quant/transform/transform.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

constexpr int kRatios = 20;
constexpr float kFloor = 1e-4f; ///< of magnitudes and factors, as in the paper's code
/// The search looks at this many rows of each linear, evenly spread; the winner is confirmed on all.
constexpr size_t kSearchRows = 256;

/// rms^ratio, so that the largest and the smallest factor multiply to 1.
std::vector<float> factorsOf(const std::vector<float>& rms, double ratio) {
    std::vector<float> s(rms.size(), 1.0f);
    if (ratio == 0) return s;
    double least = INFINITY, most = 0;
    for (size_t c = 0; c < s.size(); ++c) {
        s[c] = std::max(kFloor, float(std::pow(double(std::max(kFloor, rms[c])), ratio)));
        least = std::min(least, double(s[c]));
        most = std::max(most, double(s[c]));
    }
    for (float& v : s)
        v = float(double(v) / std::sqrt(least * most));
    return s;
}

/// A linear's share of the loss.
class ReaderLoss {
public:
    /// None when no token reached its site: it has no say.
    static Result<std::optional<ReaderLoss>> make(const TransformReader& reader) {
        if (!reader.sigma) return std::optional<ReaderLoss>();
        QS_TRY(auto weights, SigmaWeights::make(*reader.sigma, reader.weight.cols));
        if (!weights) return std::optional<ReaderLoss>();
        double unit = 0;
        for (size_t c = 0; c < reader.weight.cols; ++c)
            unit = std::max(unit, (*reader.sigma)(c, c));
        QS_TRY(const GroupLayout layout, reader.codec->layout(reader.weight.rows, reader.weight.cols));
        // One scale for all rows cannot be fitted to some of them.
        const bool shared = layout.scaleRows == 1;
        return std::optional(ReaderLoss(reader, std::move(*weights), unit, shared));
    }

    /// Of every row, or of the search's.
    Result<double> operator()(const std::vector<float>& s, bool all, const JobContext& job) const {
        const size_t rows = reader_.weight.rows,
                     step = all || shared_ ? 1 : std::max<size_t>(1, rows / kSearchRows);
        const size_t n = (rows + step - 1) / step, cols = reader_.weight.cols;
        Matrix scaled(n, cols);
        for (size_t r = 0; r < n; ++r)
            for (size_t c = 0; c < cols; ++c)
                scaled(r, c) = reader_.weight(r * step, c) * s[c];
        QS_TRY(const QuantizedTensor q,
               quantizeToNearest(scaled.view(), *reader_.codec, reader_.range, job.silent()));
        Matrix error = reader_.codec->dequantize(q);
        for (size_t r = 0; r < n; ++r)
            for (size_t c = 0; c < cols; ++c)
                error(r, c) = error(r, c) / s[c] - reader_.weight(r * step, c);
        QS_CHECK(job.checkpoint());
        return weights_.norm(error.view()) * unit_ * double(rows) / double(n);
    }

private:
    ReaderLoss(const TransformReader& reader, SigmaWeights weights, double unit, bool shared)
        : reader_(reader), weights_(std::move(weights)), unit_(unit), shared_(shared) {}

    TransformReader reader_;
    SigmaWeights weights_;
    double unit_; ///< of the norms
    bool shared_;
};

class Search {
public:
    static Result<Search> begin(const TransformInput& in, const JobContext& job) {
        Search s(in, job);
        for (const TransformReader& reader : in.readers) {
            QS_TRY(auto loss, ReaderLoss::make(reader));
            if (loss) s.losses_.push_back(std::move(*loss));
        }
        return s;
    }

    Result<std::vector<float>> best() const {
        const std::vector<float> none(in_->channels(), 1.0f);
        if (losses_.empty()) return none;
        std::vector<float> best = none;
        QS_TRY(double least, total(none, false));
        for (int i = 1; i < kRatios; ++i) {
            std::vector<float> s = factorsOf(in_->rms, double(i) / kRatios);
            QS_TRY(const double loss, total(s, false));
            if (!(loss < least)) continue;
            least = loss;
            best = std::move(s);
        }
        QS_TRY(const double scaled, total(best, true));
        QS_TRY(const double plain, total(none, true));
        return scaled < plain ? best : none;
    }

private:
    Search(const TransformInput& in, const JobContext& job) : in_(&in), job_(job) {}

    Result<double> total(const std::vector<float>& s, bool all) const {
        double sum = 0;
        for (const ReaderLoss& loss : losses_) {
            QS_TRY(const double own, loss(s, all, job_));
            sum += own;
        }
        return sum;
    }

    const TransformInput* in_;
    JobContext job_;
    std::vector<ReaderLoss> losses_;
};

Result<std::vector<float>> choose(const TransformInput& in, const JobContext& job) {
    QS_TRY(const Search search, Search::begin(in, job));
    return search.best();
}

} // namespace

const TransformDescriptor& transform_awq() {
    static const TransformDescriptor d{
        .id = "awq",
        .label = "AWQ",
        .summary = "Channels with large inputs get larger weights: 20 strengths are tried, the one with the "
                   "least output error is taken",
        .citation = "Lin et al., AWQ, MLSys 2024, arXiv:2306.00978",
        .needsSigma = true,
        .choose = choose};
    return d;
}

} // namespace qs
