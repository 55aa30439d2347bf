// SPDX-License-Identifier: Apache-2.0
#include "core/codec/row_rounder.h"

#include "core/base/file.h"
#include "core/linalg/parallel.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

/// Buffers for one row.
class Row {
public:
    Row(const Codec& codec, const std::vector<float>& factors, const GroupLayout& layout, size_t cols,
        float keepAbove, const std::optional<RowRounder::Fixed>& fixed, const RowAdjustment& adjust,
        const ReassemblyMap* reassembly)
        : codec_(codec)
        , factors_(factors)
        , keepAbove_(keepAbove)
        , fixed_(fixed)
        , adjust_(adjust)
        , reassembly_(reassembly)
        , scale_(cols)
        , zero_(cols)
        , rounded_(cols)
        , codes_(cols) {
        q_.rows = 1;
        q_.cols = cols;
        q_.layout = layout;
    }

    /// False when a value is not finite.
    bool round(float* x) {
        for (size_t c = 0; c < factors_.size(); ++c)
            x[c] /= factors_[c];
        if (!std::all_of(x, x + q_.cols, [](float v) { return std::isfinite(v); })) return false;
        if (reassembly_) reassembly_->gather(x, rounded_);
        setAside(x);
        for (size_t c = 0; c < q_.cols && adjust_.shift != 0; ++c)
            x[c] += adjust_.shift;
        fit(x);
        for (size_t c = 0; c < q_.cols; ++c) {
            scale_[c] = adjust_.range * q_.scale(0, q_.groupOf(c));
            zero_[c] = q_.zero(0, q_.groupOf(c));
        }
        TensorCodec(codec_, q_)
            ->round(x, q_.cols, scale_.data(), zero_.data(), codes_.data(), rounded_.data());
        for (size_t c = 0; c < q_.cols; ++c)
            x[c] = rounded_[c] - adjust_.shift;
        for (const auto& [channel, value] : kept_)
            x[channel] = value;
        if (reassembly_) reassembly_->spread(x, rounded_);
        for (size_t c = 0; c < factors_.size(); ++c)
            x[c] *= factors_[c];
        return true;
    }

private:
    void setAside(float* x) {
        kept_.clear();
        if (keepAbove_ <= 0) return;
        for (size_t c = 0; c < q_.cols; ++c)
            if (std::fabs(x[c]) > keepAbove_) {
                kept_.emplace_back(c, x[c]);
                x[c] = 0;
            }
    }

    void fit(const float* x) {
        codec_.prepareParameters({x, 1, q_.cols, q_.cols}, {}, q_);
        if (fixed_ && q_.superScale.empty()) {
            q_.scale(0, 0) = fixed_->scale;
            q_.zero(0, 0) = fixed_->zero;
            return;
        }
        if (fixed_) q_.superScale(0, 0) = fixed_->scale;
        const size_t unit = codec_.fitColumns() > 0 ? codec_.fitColumns() : q_.layout.groupSize;
        for (size_t c = 0; c < q_.cols; c += unit) {
            const std::span<const float> values(x + c, std::min(unit, q_.cols - c));
            if (codec_.fitColumns() > 0)
                codec_.fitBlock(values, {}, {}, q_, 0, c);
            else
                fitGroup(values, c / unit);
        }
    }

    void fitGroup(std::span<const float> values, size_t group) {
        const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
        codec_.fitRange(*lo, *hi, q_.scale(0, group), q_.zero(0, group));
    }

    const Codec& codec_;
    const std::vector<float>& factors_;
    float keepAbove_;
    const std::optional<RowRounder::Fixed>& fixed_;
    const RowAdjustment& adjust_;
    const ReassemblyMap* reassembly_;            ///< null: none
    std::vector<std::pair<size_t, float>> kept_; ///< of the row at hand
    QuantizedTensor q_;
    std::vector<float> scale_, zero_, rounded_;
    std::vector<uint8_t> codes_;
};

/// One scale a row, or one value that the scales of its groups are kept against.
Result<void> checkFixed(const Codec& codec, const GroupLayout& layout, size_t cols,
                        const RowRounder::Fixed& fixed) {
    QuantizedTensor q;
    q.rows = 1;
    q.cols = cols;
    q.layout = layout;
    codec.allocateParameters(q);
    const size_t places = q.superScale.empty() ? layout.groups : q.superScale.size();
    if (places != 1)
        return Error::invalid(
            fmt::format("{} has {} scales in a row of {}: one cannot be fixed", codec.label(), places, cols));
    if (fixed.scale > 0 && std::isfinite(fixed.scale) && std::isfinite(fixed.zero)) return {};
    return Error::invalid(fmt::format("a fixed scale must be above 0 and finite, got {} with zero point {}",
                                      fixed.scale, fixed.zero));
}

} // namespace

std::string RowRounder::identity() const {
    Sha256 hash;
    hash.update(fmt::format("{} {}\nabove {}, range {}, shift {}\n", codec_->id(),
                            codec_->params().toJson().dump(), keepAbove_, adjust_.range, adjust_.shift));
    if (fixed_) hash.update(fmt::format("fixed {} {}\n", fixed_->scale, fixed_->zero));
    const auto list = [&](const char* name, auto values) {
        hash.update(fmt::format("{} {}\n", name, values.size()));
        hash.update(std::as_bytes(values));
    };
    list("factors", std::span(factors_));
    list("first", std::span(adjust_.channels.first));
    list("second", std::span(adjust_.channels.second));
    return hash.hex();
}

Result<void> RowRounder::round(MatrixView x) const {
    QS_TRY(const GroupLayout layout, codec_->layout(1, x.cols));
    assert(codec_->vectorRows() == 1);
    if (!factors_.empty() && factors_.size() != x.cols)
        return Error::invalid(fmt::format("{} factors for inputs of {} channels", factors_.size(), x.cols));
    if (fixed_) QS_CHECK(checkFixed(*codec_, layout, x.cols, *fixed_));
    std::optional<ReassemblyMap> reassembly;
    if (!adjust_.channels.empty()) {
        QS_CHECK(checkReassembly(adjust_.channels, x.cols));
        if (layout.groups > 1)
            return Error::invalid(fmt::format("{} has {} scales in a row: copies of a channel would differ",
                                              codec_->label(), layout.groups));
        reassembly.emplace(adjust_.channels);
    }
    std::atomic<size_t> bad = x.rows;
    linalg::parallelFor(x.rows, 4, [&](size_t begin, size_t end) {
        Row row(*codec_, factors_, layout, x.cols, keepAbove_, fixed_, adjust_,
                reassembly ? &*reassembly : nullptr);
        for (size_t r = begin; r < end; ++r)
            if (!row.round(x.row(r))) bad = r;
    });
    if (bad < x.rows)
        return Error::invalid(
            fmt::format("an activation of token {} is not finite and cannot be rounded to {}", bad.load(),
                        codec_->label()));
    return {};
}

Result<void> RowRounder::round(Backend& backend, const Tensor& x, Tensor& to) const {
    const bool plain = factors_.empty() && keepAbove_ == 0 && adjust_ == RowAdjustment{};
    if (const auto grid = codec_->grid(); grid && plain && !backend.inMainMemory())
        return roundOnDevice(*grid, backend, x, to);
    Matrix values(x.rows, x.cols);
    QS_CHECK(backend.download(x, values.view()));
    QS_CHECK(round(values.view()));
    return backend.upload(std::as_const(values).view(), to);
}

Result<std::pair<Matrix, Matrix>> RowRounder::parametersOf(Backend& backend, const Tensor& x) const {
    QS_TRY(const GroupLayout layout, codec_->layout(1, x.cols));
    const size_t rows = fixed_ ? 1 : x.rows;
    Matrix scale(rows, layout.groups), zero(rows, layout.groups);
    if (fixed_) {
        QS_CHECK(checkFixed(*codec_, layout, x.cols, *fixed_));
        scale(0, 0) = fixed_->scale;
        zero(0, 0) = fixed_->zero;
        return std::pair(std::move(scale), std::move(zero));
    }
    Matrix low(rows, layout.groups), high(rows, layout.groups);
    QS_CHECK(backend.groupRanges(x, layout.groupSize, low.view(), high.view()));
    linalg::parallelFor(low.size(), 1024, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i)
            codec_->fitRange(low.data()[i], high.data()[i], scale.data()[i], zero.data()[i]);
    });
    return std::pair(std::move(scale), std::move(zero));
}

Result<void> RowRounder::roundOnDevice(const CodeGrid& grid, Backend& backend, const Tensor& x,
                                       Tensor& to) const {
    if (!to.buffer || to.rows != x.rows || to.cols != x.cols) {
        QS_TRY(to, backend.allocate(x.rows, x.cols));
    }
    if (x.rows == 0) return {};
    QS_TRY(const auto parameters, parametersOf(backend, x));
    CodeGroups groups;
    groups.groupSize = x.cols / parameters.first.cols();
    QS_CHECK(backend.upload(parameters.first.view(), groups.scale));
    QS_CHECK(backend.upload(parameters.second.view(), groups.zero));
    CodeTensor codes;
    auto done = backend.roundToGrid(x, grid, groups, codes, &to);
    if (done || done.error().code != ErrorCode::InvalidArgument) return done;
    return Error::invalid(
        fmt::format("an activation is not finite and cannot be rounded to {}", codec_->label()));
}

} // namespace qs
