// SPDX-License-Identifier: Apache-2.0
#include "core/run/cache_probe.h"

#include "core/calibrate/key_codebook.h"
#include "core/linalg/second_moment.h"
#include "core/model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kMostSamples = 16384;

} // namespace

CacheRows::CacheRows(size_t channels, size_t window, size_t exact, size_t total)
    : window_(window), exact_(exact), channels_(channels) {
    const size_t counted = total / window * (window - exact);
    stride_ = std::max<size_t>(1, (counted + kMostSamples - 1) / kMostSamples);
}

Result<void> CacheRows::add(ConstMatrixView rows) {
    for (size_t t = 0; t < rows.rows; ++t) {
        if (t % window_ < exact_) continue;
        const auto row = rows.rowSpan(t);
        if (!std::all_of(row.begin(), row.end(), [](float v) { return std::isfinite(v); }))
            return Error::invalid("a key or value of the calibration text is not finite");
        if (range_.empty()) range_ = {{row.begin(), row.end()}, {row.begin(), row.end()}};
        for (size_t c = 0; c < channels_; ++c) {
            range_.low[c] = std::min(range_.low[c], row[c]);
            range_.high[c] = std::max(range_.high[c], row[c]);
        }
        if (seen_++ % stride_ == 0) sample_.insert(sample_.end(), row.begin(), row.end());
    }
    return {};
}

ChannelRange CacheRows::quantiles(double outside) const {
    ChannelRange out = range_;
    const ConstMatrixView all = sample();
    std::vector<float> column(all.rows);
    const auto cut = size_t(outside / 2 * double(all.rows));
    for (size_t c = 0; c < channels_; ++c) {
        for (size_t t = 0; t < all.rows; ++t)
            column[t] = all(t, c);
        std::nth_element(column.begin(), column.begin() + ptrdiff_t(cut), column.end());
        out.low[c] = column[cut];
        const size_t top = column.size() - 1 - cut;
        std::nth_element(column.begin(), column.begin() + ptrdiff_t(top), column.end());
        out.high[c] = column[top];
    }
    return out;
}

CacheProbe::CacheProbe(const ModelSpec& spec, size_t block, const KvScheme& scheme, size_t window,
                       size_t total, Backend& backend)
    : spec_(spec)
    , attention_(spec.blocks[block].attention)
    , scheme_(scheme)
    , window_(window)
    , backend_(backend)
    , keys_(attention_.k.out, window, std::min(scheme.exactTokens, window), total)
    , values_(attention_.v.out, window, std::min(scheme.exactTokens, window), total)
    , metric_(attention_.kvHeads * attention_.headDim, attention_.headDim) {}

Result<void> CacheProbe::input(const DeviceAttention& w, const Tensor& x) {
    if (scheme_.smoothChannels && scheme_.values) QS_CHECK(addProjected(w.v, x, nullptr, values_));
    if (scheme_.keysBeforeRope) QS_CHECK(addProjected(w.k, x, attention_.kNorm ? &w.kNorm : nullptr, keys_));
    if (!scheme_.windowedRope || !scheme_.keyCodebook) return {};
    // Far keys are read by queries at one position.
    QS_TRY(Tensor q, project(w.q, x, attention_.qNorm ? &w.qNorm : nullptr));
    QS_TRY(const RopeTable table, ropeTable(spec_.ropes[size_t(attention_.rope)], window_, backend_,
                                            scheme_.windowedRope->position, 1));
    QS_CHECK(backend_.rope(q, attention_.headDim, table, 1));
    return addQueries(q);
}

// The rotated query of position i is what reads an unrotated key i tokens back: its moments serve keys before
// the rotation too, with ages up to the window counted alike.
Result<void> CacheProbe::rotated(const Tensor& q, const Tensor& k) {
    if (scheme_.keyCodebook && !scheme_.windowedRope) QS_CHECK(addQueries(q));
    if (scheme_.keysBeforeRope) return {};
    Matrix storage;
    QS_TRY(const ConstMatrixView host, backend_.hostView(k, storage));
    return keys_.add(host);
}

Result<CacheFindings> CacheProbe::result(const JobContext& job) const {
    if (keys_.range().empty())
        return Error::invalid(fmt::format("the cache keeps the first {} tokens of a context exactly, and the "
                                          "contexts of the calibration are no longer",
                                          scheme_.exactTokens));
    CacheFindings out;
    out.values = values_.range();
    if (scheme_.smoothChannels || scheme_.keysStatic)
        out.keys = scheme_.keysKept > 0 ? keys_.quantiles(scheme_.keysKept) : keys_.range();
    if (!scheme_.keyCodebook) return out;
    QS_TRY(KeyCodebook book, fitKeyCodebook(keys_.sample(), metric_.view(), scheme_.keyCodebook->length,
                                            scheme_.keyCodebook->bits, job));
    out.codebook = std::make_shared<const KeyCodebook>(std::move(book));
    return out;
}

Result<Tensor> CacheProbe::project(const DeviceLinear& linear, const Tensor& x,
                                   const DeviceNorm* norm) const {
    QS_TRY(Tensor y, backend_.allocate(x.rows, linear.weight.rows));
    QS_CHECK(linear.apply(backend_, x, y));
    if (norm) QS_CHECK(norm->apply(backend_, y, y));
    return y;
}

Result<void> CacheProbe::addProjected(const DeviceLinear& linear, const Tensor& x, const DeviceNorm* norm,
                                      CacheRows& rows) const {
    QS_TRY(const Tensor y, project(linear, x, norm));
    Matrix storage;
    QS_TRY(const ConstMatrixView host, backend_.hostView(y, storage));
    return rows.add(host);
}

Result<void> CacheProbe::addQueries(const Tensor& q) {
    const size_t d = attention_.headDim;
    Matrix storage;
    QS_TRY(const ConstMatrixView host, backend_.hostView(q, storage));
    for (size_t h = 0; h < attention_.heads; ++h) {
        const size_t kv = h * attention_.kvHeads / attention_.heads;
        const MatrixViewT<double> metric = metric_.view().block(kv * d, d, 0, d);
        linalg::addSecondMoment(host.block(0, host.rows, h * d, d), metric);
        linalg::mirrorUpper(metric);
    }
    return {};
}

} // namespace qs
