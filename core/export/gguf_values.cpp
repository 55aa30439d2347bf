// SPDX-License-Identifier: Apache-2.0
// The bytes of a GGUF tensor from the source's values and the run's codes.
#include "core/codec/ggml_encode.h"
#include "core/export/gguf_blocks.h"
#include "core/export/gguf_tensors.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kChunkValues = size_t(1) << 20;

/// Rows without gaps. Rows of blocks are shared out to all threads.
Result<void> encode(const GgmlType& type, ConstMatrixView rows, std::span<std::byte> out) {
    if (type.plain) return fromFloat({rows.data, rows.size()}, *type.plain, out);
    return quantizeGgml(type, rows, out);
}

Matrix transposeOf(const Matrix& m) {
    Matrix out(m.cols(), m.rows());
    for (size_t r = 0; r < m.rows(); ++r)
        for (size_t c = 0; c < m.cols(); ++c)
            out(c, r) = m(r, c);
    return out;
}

/// One slice of an output: its rows by the source's row (for a vector: one row whose elements move).
class SliceWriter {
public:
    SliceWriter(const Checkpoint& checkpoint, const GgufOutput& output, const GgufSlice& slice,
                std::span<std::byte> out)
        : checkpoint_(checkpoint)
        , output_(output)
        , info_(checkpoint.tensors()[slice.source])
        , index_(slice.source)
        , out_(out) {}

    Result<void> kept() const {
        if (output_.transposed) return keptTransposed();
        if (output_.shape.size() < 2) return keptVector();
        if (sameBytes()) return copyBytes();
        const size_t cols = size_t(info_.cols()), rows = size_t(info_.rows());
        const size_t step = std::max<size_t>(1, kChunkValues / std::max<size_t>(1, cols));
        Matrix values(std::min(step, rows), cols);
        for (size_t r = 0; r < rows; r += step) {
            const size_t n = std::min(step, rows - r);
            QS_CHECK(checkpoint_.readRows(index_, r, values.view().block(0, n, 0, cols)));
            QS_CHECK(putRows(r, values.view().block(0, n, 0, cols)));
        }
        return {};
    }

    /// `blocks`: rows of a linear that are the source's output rows `places`, in order.
    void putBlocks(std::span<const std::byte> blocks, const std::vector<RowRange>& places) const {
        const size_t rowBytes = size_t(output_.rowBytes());
        size_t at = 0;
        for (const RowRange& range : places)
            for (size_t r = range.first; r < range.first + range.count; ++r, at += rowBytes)
                std::memcpy(out_.data() + size_t(output_.order.stored(r)) * rowBytes, blocks.data() + at,
                            rowBytes);
    }

private:
    bool sameBytes() const {
        return info_.verbatim && info_.encoding.empty() && output_.type->plain == info_.dtype &&
               output_.add == 0 && output_.order.kind == RowOrder::Kind::AsStored;
    }
    Result<void> copyBytes() const {
        QS_TRY(const auto bytes, checkpoint_.rawBytes(index_));
        if (bytes.size() != out_.size())
            return Error::internal(
                fmt::format("{} bytes expected, {} in the source", out_.size(), bytes.size()), info_.name);
        std::memcpy(out_.data(), bytes.data(), out_.size());
        return {};
    }
    /// Rows [first, first + values.rows) of the source, in the order of the file.
    Result<void> putRows(size_t first, MatrixView values) const {
        for (size_t i = 0; i < values.size() && output_.add != 0; ++i)
            values.data[i] += output_.add;
        std::vector<std::byte> encoded(values.rows * size_t(output_.rowBytes()));
        QS_CHECK(encode(*output_.type, values, encoded));
        putBlocks(encoded, {{first, values.rows}});
        return {};
    }
    Result<void> keptVector() const {
        QS_TRY(const Matrix values, checkpoint_.readMatrix(index_));
        std::vector<float> moved(values.size());
        for (size_t i = 0; i < moved.size(); ++i)
            moved[size_t(output_.order.stored(i))] = values.data()[i] + output_.add;
        return encode(*output_.type, {moved.data(), 1, moved.size(), moved.size()}, out_);
    }
    Result<void> keptTransposed() const {
        QS_TRY(const Matrix stored, checkpoint_.readMatrix(index_)); // [in, out]
        Matrix values = transposeOf(stored);
        return putRows(0, values.view());
    }

    const Checkpoint& checkpoint_;
    const GgufOutput& output_;
    const TensorInfo& info_;
    size_t index_;
    std::span<std::byte> out_;
};

Result<void> fillQuantized(const ExportSource& source, TensorCache& cache, const GgufOutput& output,
                           const GgufSlice& slice, std::span<std::byte> out) {
    const SliceWriter writer(source.checkpoint(), output, slice, out);
    for (const PlanEntry* e : slice.entries) {
        QS_TRY(const auto q, cache.get(*e));
        std::vector<std::byte> blocks(size_t(q->rows * output.rowBytes()));
        if (auto packed = ggufBlocks(*q, *output.type, blocks); !packed)
            return packed.takeError().at(e->target.module);
        auto places = e->target.place.rows;
        if (places.empty()) places = {{0, q->rows}};
        writer.putBlocks(blocks, places);
    }
    return {};
}

} // namespace

Result<void> fillGgufOutput(const ExportSource& source, TensorCache& cache, const GgufOutput& output,
                            std::span<std::byte> out) {
    const size_t bytes = out.size() / output.slices.size();
    for (size_t i = 0; i < output.slices.size(); ++i) {
        const GgufSlice& slice = output.slices[i];
        const auto part = out.subspan(i * bytes, bytes);
        QS_CHECK(slice.entries.empty() ? SliceWriter(source.checkpoint(), output, slice, part).kept()
                                       : fillQuantized(source, cache, output, slice, part));
    }
    return {};
}

Result<Matrix> keptGgufValues(const ExportSource& source, const GgufOutput& output, const GgufSlice& slice) {
    QS_TRY(Matrix values, source.checkpoint().readMatrix(slice.source));
    if (output.transposed) values = transposeOf(values);
    const GgmlType& type = *output.type;
    std::vector<std::byte> stored(values.cols() / type.elements * type.bytes);
    for (size_t r = 0; r < values.rows(); ++r) {
        const std::span<float> row(values.row(r), values.cols());
        for (float& v : row)
            v += output.add;
        QS_CHECK(encode(type, {row.data(), 1, row.size(), row.size()}, stored));
        QS_CHECK(ggmlToFloat(type, stored, row));
        for (float& v : row)
            v -= output.add;
    }
    return output.transposed ? transposeOf(values) : std::move(values);
}

} // namespace qs
