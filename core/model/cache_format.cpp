// SPDX-License-Identifier: Apache-2.0
#include "core/model/cache_format.h"

#include "core/base/file.h"
#include "core/linalg/kmeans.h"
#include "core/linalg/parallel.h"

#include <atomic>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string_view>

namespace qs {

namespace {

Result<void> requireChannels(ConstMatrixView context, size_t channels) {
    if (context.cols == channels) return {};
    return Error::invalid(
        fmt::format("a cache of {} channels in a format made for {}", context.cols, channels));
}

/// f(row) for every token, in parallel. InvalidArgument when a value is not finite.
template<class F>
Result<void> forTokens(MatrixView context, const F& f) {
    std::atomic<size_t> bad = context.rows;
    linalg::parallelFor(context.rows, 4, [&](size_t begin, size_t end) {
        for (size_t t = begin; t < end; ++t) {
            const auto row = context.rowSpan(t);
            if (std::all_of(row.begin(), row.end(), [](float v) { return std::isfinite(v); }))
                f(row);
            else
                bad = t;
        }
    });
    if (bad == context.rows) return {};
    return Error::invalid(
        fmt::format("the cache of token {} is not finite and cannot be rounded", bad.load()));
}

std::string_view asText(std::span<const float> values) {
    return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

/// Of parts that may hold any bytes.
std::string nameOf(std::initializer_list<std::string_view> parts) {
    Sha256 hash;
    for (const std::string_view part : parts) {
        hash.update(fmt::format("{}\n", part.size()));
        hash.update(std::as_bytes(std::span(part)));
    }
    return hash.hex();
}

class TokenFormat final : public CacheFormat {
public:
    explicit TokenFormat(std::shared_ptr<const RowRounder> rounder) : rounder_(std::move(rounder)) {}
    Result<void> round(MatrixView context) const override { return rounder_->round(context); }
    const RowRounder* byToken() const override { return rounder_.get(); }
    std::string identity() const override { return "token " + rounder_->identity(); }

private:
    std::shared_ptr<const RowRounder> rounder_;
};

class ChannelRunFormat final : public CacheFormat {
public:
    explicit ChannelRunFormat(std::shared_ptr<const RowRounder> rounder) : rounder_(std::move(rounder)) {}
    Result<void> round(MatrixView context) const override {
        Matrix run(context.cols, kCacheRun);
        for (size_t first = 0; first + kCacheRun <= context.rows; first += kCacheRun) {
            for (size_t t = 0; t < run.cols(); ++t)
                for (size_t c = 0; c < run.rows(); ++c)
                    run(c, t) = context(first + t, c);
            QS_CHECK(rounder_->round(run.view()));
            for (size_t t = 0; t < run.cols(); ++t)
                for (size_t c = 0; c < run.rows(); ++c)
                    context(first + t, c) = run(c, t);
        }
        return {};
    }
    std::string identity() const override { return "channel run " + rounder_->identity(); }

private:
    std::shared_ptr<const RowRounder> rounder_;
};

class StaticFormat final : public CacheFormat {
public:
    StaticFormat(std::shared_ptr<const Codec> codec, const ChannelRange& range, bool keepOutside)
        : codec_(std::move(codec)), range_(range), keepOutside_(keepOutside) {
        scale_.resize(range.low.size());
        zero_.resize(scale_.size());
        for (size_t c = 0; c < scale_.size(); ++c)
            codec_->fitRange(range.low[c], range.high[c], scale_[c], zero_[c]);
    }
    Result<void> round(MatrixView context) const override {
        QS_CHECK(requireChannels(context, scale_.size()));
        return forTokens(context, [&](std::span<float> row) {
            std::vector<float> rounded(row.size());
            std::vector<uint8_t> codes(row.size());
            codec_->round(row.data(), row.size(), scale_.data(), zero_.data(), codes.data(), rounded.data());
            for (size_t c = 0; c < row.size(); ++c)
                if (!keepOutside_ || (row[c] >= range_.low[c] && row[c] <= range_.high[c]))
                    row[c] = rounded[c];
        });
    }
    std::string identity() const override {
        return nameOf({keepOutside_ ? "static, outside kept" : "static", codec_->id(),
                       codec_->params().toJson().dump(), asText(range_.low), asText(range_.high)});
    }

private:
    std::shared_ptr<const Codec> codec_;
    ChannelRange range_;
    bool keepOutside_;
    std::vector<float> scale_, zero_;
};

class SmoothedFormat final : public CacheFormat {
public:
    SmoothedFormat(std::shared_ptr<const RowRounder> rounder, const ChannelRange& range)
        : rounder_(std::move(rounder)), shift_(range.low.size()), scale_(range.low.size()) {
        for (size_t c = 0; c < shift_.size(); ++c) {
            shift_[c] = (range.low[c] + range.high[c]) / 2;
            const float half = (range.high[c] - range.low[c]) / 2;
            scale_[c] = half > 0 ? std::sqrt(half) : 1.0f;
        }
    }
    Result<void> round(MatrixView context) const override {
        QS_CHECK(requireChannels(context, shift_.size()));
        QS_CHECK(forTokens(context, [&](std::span<float> row) {
            for (size_t c = 0; c < row.size(); ++c)
                row[c] = (row[c] - shift_[c]) / scale_[c];
        }));
        QS_CHECK(rounder_->round(context));
        return forTokens(context, [&](std::span<float> row) {
            for (size_t c = 0; c < row.size(); ++c)
                row[c] = row[c] * scale_[c] + shift_[c];
        });
    }
    std::string identity() const override {
        return nameOf({"smoothed", rounder_->identity(), asText(shift_), asText(scale_)});
    }

private:
    std::shared_ptr<const RowRounder> rounder_;
    std::vector<float> shift_, scale_;
};

/// y = matrix x, [d, d].
void apply(ConstMatrixView matrix, const float* x, std::span<float> y) {
    for (size_t i = 0; i < y.size(); ++i) {
        double sum = 0;
        for (size_t j = 0; j < matrix.cols; ++j)
            sum += double(matrix(i, j)) * double(x[j]);
        y[i] = float(sum);
    }
}

class CodebookFormat final : public CacheFormat {
public:
    explicit CodebookFormat(std::shared_ptr<const KeyCodebook> book) : book_(std::move(book)) {
        const size_t pieces = book_->heads * (book_->headDim / book_->length);
        for (size_t p = 0; p < pieces; ++p)
            pieces_.emplace_back(
                book_->centers.view().block(p * book_->count, book_->count, 0, book_->length));
    }
    Result<void> round(MatrixView context) const override {
        const size_t d = book_->headDim;
        QS_CHECK(requireChannels(context, book_->heads * d));
        return forTokens(context, [&](std::span<float> row) {
            std::vector<float> z(d);
            for (size_t h = 0; h < book_->heads; ++h) {
                apply(book_->whiten.view().block(h * d, d, 0, d), row.data() + h * d, z);
                quantize(h, z);
                apply(book_->unwhiten.view().block(h * d, d, 0, d), z.data(), row.subspan(h * d, d));
            }
        });
    }
    std::string identity() const override {
        return nameOf({"codebook",
                       fmt::format("{} {} {} {}", book_->heads, book_->headDim, book_->length, book_->count),
                       asText(book_->whiten.span()), asText(book_->unwhiten.span()),
                       asText(book_->centers.span())});
    }

private:
    void quantize(size_t head, std::span<float> z) const {
        const std::vector<float> ones(book_->length, 1.0f);
        const size_t perHead = book_->headDim / book_->length;
        for (size_t p = 0; p < perHead; ++p) {
            const linalg::NearestCenter& centers = pieces_[head * perHead + p];
            const auto piece = z.subspan(p * book_->length, book_->length);
            const size_t nearest = centers.nearest(piece, ones, book_->count);
            for (size_t j = 0; j < piece.size(); ++j)
                piece[j] = centers.value(nearest, j);
        }
    }

    std::shared_ptr<const KeyCodebook> book_;
    std::vector<linalg::NearestCenter> pieces_;
};

} // namespace

std::shared_ptr<const CacheFormat> tokenFormat(std::shared_ptr<const RowRounder> rounder) {
    return std::make_shared<TokenFormat>(std::move(rounder));
}

std::shared_ptr<const CacheFormat> channelRunFormat(std::shared_ptr<const RowRounder> rounder) {
    return std::make_shared<ChannelRunFormat>(std::move(rounder));
}

std::shared_ptr<const CacheFormat> staticFormat(std::shared_ptr<const Codec> codec, const ChannelRange& range,
                                                bool keepOutside) {
    return std::make_shared<StaticFormat>(std::move(codec), range, keepOutside);
}

std::shared_ptr<const CacheFormat> smoothedFormat(std::shared_ptr<const RowRounder> rounder,
                                                  const ChannelRange& range) {
    return std::make_shared<SmoothedFormat>(std::move(rounder), range);
}

std::shared_ptr<const CacheFormat> codebookFormat(std::shared_ptr<const KeyCodebook> codebook) {
    return std::make_shared<CodebookFormat>(std::move(codebook));
}

Result<void> requireOneScale(const Codec& codec) {
    QuantizedTensor q;
    q.rows = q.cols = 1;
    q.layout = {1, 1, 1, 1};
    codec.allocateParameters(q);
    if (codec.fitColumns() == 0 && codec.vectorRows() == 1 && q.superScale.empty() && q.tables.empty())
        return {};
    return Error::invalid(
        codec.label() + " has more than a scale and a zero point, which cannot be fixed channel by channel");
}

} // namespace qs
