// SPDX-License-Identifier: Apache-2.0
#include "core/quant/range/row_ranges.h"

#include "core/codec/levels.h"
#include "core/linalg/parallel.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

std::array<float, 101> rangeShares() {
    std::array<float, 101> out{1.0f};
    for (int i = 1; i <= 100; ++i)
        out[size_t(i)] = float(0.01 + 1.19 * i / 100);
    return out;
}

Result<std::vector<std::shared_ptr<const Codec>>> formatsOfSameBits(const Codec& codec) {
    std::vector<std::shared_ptr<const Codec>> out;
    QS_TRY(auto own, createCodec(codec.id(), codec.params()));
    out.push_back(std::move(own));
    if (codec.id() != "float") return out;
    QS_TRY(const CodecDescriptor* d, findCodec("float"));
    for (const SmallFloat& f : smallFloats()) {
        if (f.bits() != codec.bits() || f.id == codec.params().choice("format")) continue;
        nlohmann::json object = codec.params().toJson();
        object["format"] = f.id;
        QS_TRY(const Params params, Params::fromJson(d->params, object, "float"));
        QS_TRY(auto other, createCodec("float", params));
        out.push_back(std::move(other));
    }
    return out;
}

Result<RowRanges> RowRanges::make(std::shared_ptr<const Codec> codec, ConstMatrixView weight) {
    RowRanges out(std::move(codec), weight);
    QuantizedTensor& q = out.empty_;
    q.codec = out.codec_->id();
    q.codecParams = out.codec_->params();
    q.rows = weight.rows;
    q.cols = weight.cols;
    QS_TRY(q.layout, out.codec_->layout(weight.rows, weight.cols));
    out.codec_->allocateParameters(q);
    if (q.layout.scaleRows != weight.rows || q.layout.blockRows > 1 || out.codec_->fitColumns() > 0 ||
        out.codec_->vectorRows() > 1 || !out.codec_->hasLevels() || !q.superScale.empty())
        return Error::invalid(fmt::format(
            "the range of each row is searched, and {} finds its scales otherwise: choose a format "
            "with a scale of its own for each row or group, as int and float have",
            out.codec_->label()));
    for (size_t r = 0; r < q.rows; ++r)
        for (size_t c = 0; c < q.cols; c += q.layout.groupSize) {
            const auto [lo, hi] = std::minmax_element(
                weight.row(r) + c, weight.row(r) + std::min(q.cols, c + q.layout.groupSize));
            out.groups_.push_back({*lo, *hi});
        }
    return out;
}

QuantizedTensor RowRanges::begin() const {
    QuantizedTensor q;
    q.codec = empty_.codec;
    q.codecParams = empty_.codecParams;
    q.rows = empty_.rows;
    q.cols = empty_.cols;
    q.layout = empty_.layout;
    codec_->prepareParameters(weight_, {}, q);
    return q;
}

void RowRanges::roundRow(size_t row, float share, QuantizedTensor& q, uint8_t* codes, float* out) const {
    std::vector<float> scale(q.cols), zero(q.cols);
    for (size_t g = 0; g < q.layout.groups; ++g) {
        const Group& range = groups_[row * q.layout.groups + g];
        codec_->fitRange(share * range.low, share * range.high, q.scale(row, g), q.zero(row, g));
    }
    for (size_t c = 0; c < q.cols; ++c) {
        scale[c] = q.scale(row, c / q.layout.groupSize);
        zero[c] = q.zero(row, c / q.layout.groupSize);
    }
    codec_->round(weight_.row(row), q.cols, scale.data(), zero.data(), codes, out);
}

void RowRanges::round(std::span<const float> shares, MatrixView out) const {
    QuantizedTensor q = begin();
    linalg::parallelFor(q.rows, 8, [&](size_t first, size_t end) {
        std::vector<uint8_t> codes(q.cols);
        for (size_t r = first; r < end; ++r)
            roundRow(r, shares.size() == 1 ? shares.front() : shares[r], q, codes.data(), out.row(r));
    });
}

QuantizedTensor RowRanges::quantize(std::span<const float> shares) const {
    QuantizedTensor q = begin();
    q.codes.resize(q.rows * q.cols);
    linalg::parallelFor(q.rows, 8, [&](size_t first, size_t end) {
        std::vector<float> values(q.cols);
        for (size_t r = first; r < end; ++r)
            roundRow(r, shares.size() == 1 ? shares.front() : shares[r], q, q.codes.data() + r * q.cols,
                     values.data());
    });
    return q;
}

} // namespace qs
