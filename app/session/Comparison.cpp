// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/Comparison.h"

#include "core/model/weights.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs::app {

namespace {

constexpr size_t kPreviewLimit = size_t(64) << 20;
constexpr size_t kHistogramBins = 512;
constexpr size_t kBlockElements = size_t(1) << 20;

/// Sums and histograms over row blocks, each of which is small enough to hear a stop.
class Accumulator {
public:
    Accumulator(const QuantTarget& target, WeightComparison& out) : m_out(out), m_square(target.cols, 0.0) {
        out.columnMax.assign(target.cols, 0.0f);
        out.columnRms.assign(target.cols, 0.0f);
    }

    void range(ConstMatrixView original) {
        for (size_t i = 0; i < original.size(); ++i) {
            const float v = original.data[i];
            if (!std::isfinite(v)) continue;
            m_lo = std::min(m_lo, double(v));
            m_hi = std::max(m_hi, double(v));
        }
    }
    void finishRange(size_t bins) {
        if (!(m_lo <= m_hi)) m_lo = m_hi = 0;
        m_bins = bins;
        for (Histogram* h : {&m_out.original, &m_out.quantized}) {
            h->lo = m_lo;
            h->hi = m_hi;
            h->counts.assign(bins, 0);
        }
    }
    void addOriginal(ConstMatrixView w) { merge(m_out.original, w); }
    void addQuantized(ConstMatrixView w, ConstMatrixView q) {
        merge(m_out.quantized, q);
        for (size_t r = 0; r < w.rows; ++r)
            for (size_t c = 0; c < w.cols; ++c) {
                const double e = double(w(r, c)) - double(q(r, c));
                m_error += e * e;
                m_norm += double(w(r, c)) * double(w(r, c));
                m_square[c] += e * e;
                m_out.maxAbs = std::max(m_out.maxAbs, std::abs(e));
                m_out.columnMax[c] = std::max(m_out.columnMax[c], std::abs(q(r, c)));
            }
    }
    void finish(size_t rows) {
        m_out.weightError = m_norm > 0 ? m_error / m_norm : 0;
        for (size_t c = 0; c < m_square.size(); ++c)
            m_out.columnRms[c] = float(std::sqrt(m_square[c] / double(rows)));
    }

private:
    void merge(Histogram& into, ConstMatrixView m) const {
        const Histogram h = histogram({m.data, m.size()}, m_lo, m_hi, m_bins);
        for (size_t i = 0; i < h.counts.size(); ++i)
            into.counts[i] += h.counts[i];
        into.below += h.below;
        into.above += h.above;
        into.notFinite += h.notFinite;
    }

    WeightComparison& m_out;
    double m_lo = INFINITY, m_hi = -INFINITY, m_error = 0, m_norm = 0;
    size_t m_bins = 0;
    std::vector<double> m_square;
};

struct Quantized {
    QuantizedTensor tensor;
    std::shared_ptr<const Codec> codec;
};

Result<Quantized> preview(const ComparisonInput& in, const QuantTarget& target, const JobContext& job,
                          WeightComparison& out) {
    if (target.rows * target.cols > kPreviewLimit)
        return Error::unsupported(
            fmt::format("{} has {} weights; a preview stops at {}. Run the plan to see it.", target.module,
                        target.rows * target.cols, kPreviewLimit));
    const auto all = methods();
    const auto it =
        std::find_if(all.begin(), all.end(), [](const auto* m) { return m->needs == Needs::Nothing; });
    if (it == all.end()) return Error::internal("no data-free method is registered");
    QS_TRY(const auto codec, createCodec(in.scheme->codec, in.scheme->codecParams));
    QS_TRY(const Matrix weight, in.model->readTarget(target));
    QuantizeInput q;
    q.weight = weight.view();
    q.codec = codec.get();
    q.params = Params::defaults((*it)->params);
    QS_TRY(QuantizedTensor tensor, (*it)->quantize(q, job.silent()));
    out.preview = true;
    out.label = QStringLiteral("%1 · %2").arg(QString::fromStdString(codec->label()),
                                              QString::fromStdString((*it)->label));
    return Quantized{std::move(tensor), codec};
}

Result<Quantized> fromRun(const ComparisonInput& in, const QuantTarget& target, WeightComparison& out) {
    QS_TRY(QuantizedTensor tensor, in.run->tensor(target.module));
    if (tensor.rows != target.rows || tensor.cols != target.cols)
        return Error::corrupt(fmt::format("the run holds [{}, {}], the model [{}, {}]", tensor.rows,
                                          tensor.cols, target.rows, target.cols),
                              target.module);
    QS_TRY(const auto codec, codecOf(tensor));
    const TensorResult* result = in.run->result(target.module);
    out.label = QString::fromStdString(result ? result->done + " · " + result->method : codec->label());
    return Quantized{std::move(tensor), codec};
}

} // namespace

Result<WeightComparison> compareWeights(const ComparisonInput& in, const JobContext& job) {
    const QuantTarget& target = in.model->targets().at(size_t(in.target));
    WeightComparison out;
    out.target = in.target;
    std::optional<Quantized> quantized;
    if (in.run && in.run->result(target.module)) {
        QS_TRY(quantized, fromRun(in, target, out));
    } else if (in.scheme) {
        QS_TRY(quantized, preview(in, target, job, out));
    }
    Accumulator sums(target, out);
    const size_t step = std::max<size_t>(1, kBlockElements / std::max<size_t>(1, target.cols));
    Matrix w(std::min(step, target.rows), target.cols), q(quantized ? w.rows() : 0, target.cols);
    for (const bool ranging : {true, false}) {
        for (size_t r = 0; r < target.rows; r += step) {
            QS_CHECK(job.checkpoint());
            const size_t n = std::min(step, target.rows - r);
            QS_CHECK(in.model->readTargetRows(target, r, w.view().block(0, n, 0, target.cols)));
            const ConstMatrixView rows = w.view().block(0, n, 0, target.cols);
            if (ranging) {
                sums.range(rows);
                continue;
            }
            sums.addOriginal(rows);
            if (!quantized) continue;
            quantized->codec->dequantizeRows(quantized->tensor, r, q.view().block(0, n, 0, target.cols));
            sums.addQuantized(rows, q.view().block(0, n, 0, target.cols));
        }
        if (ranging) sums.finishRange(in.bins);
    }
    sums.finish(target.rows);
    return out;
}

Result<TensorStats> statsOfTarget(const Model& model, int target, const JobContext& job) {
    const QuantTarget& t = model.targets().at(size_t(target));
    const auto read = [&](uint64_t first, MatrixView out) { return model.readTargetRows(t, first, out); };
    auto stats = tensorStats(t.rows, t.cols, read, kHistogramBins, job);
    if (!stats) return stats.takeError().at(t.module);
    return stats;
}

} // namespace qs::app
