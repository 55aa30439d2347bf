// SPDX-License-Identifier: Apache-2.0
#include "core/model/weight_place.h"

#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kBufferElements = size_t(1) << 20;

/// Calls f(storedRow, weightRow, count) for the pieces of weight rows [first, first + count) that lie
/// together.
template<class F>
Result<void> forEachPiece(const WeightPlace& place, size_t first, size_t count, const F& f) {
    if (place.rows.empty()) return f(first, first, count);
    size_t at = 0; // weight row where the range begins
    for (const RowRange& r : place.rows) {
        const size_t begin = std::max(at, first), end = std::min(at + r.count, first + count);
        if (begin < end) QS_CHECK(f(r.first + (begin - at), begin, end - begin));
        at += r.count;
    }
    return {};
}

size_t placeRows(const WeightPlace& place, size_t storedRows) {
    if (place.rows.empty()) return storedRows;
    size_t n = 0;
    for (const RowRange& r : place.rows)
        n += r.count;
    return n;
}

/// stored [in, outputs]: weight row r is a stored column. Every stored row is read once per call.
Result<void> readTransposed(const Checkpoint& checkpoint, const WeightPlace& place, size_t firstRow,
                            MatrixView out) {
    const TensorInfo& t = checkpoint.tensors()[place.index];
    const size_t outputs = size_t(t.cols()), inputs = size_t(t.rows());
    const size_t step = std::max<size_t>(1, kBufferElements / std::max<size_t>(1, outputs));
    Matrix buffer(std::min(step, inputs), outputs);
    for (size_t k = 0; k < inputs; k += step) {
        const size_t n = std::min(step, inputs - k);
        QS_CHECK(checkpoint.readRows(place.index, k, buffer.view().block(0, n, 0, outputs)));
        QS_CHECK(forEachPiece(place, firstRow, out.rows,
                              [&](size_t stored, size_t row, size_t count) -> Result<void> {
                                  for (size_t i = 0; i < count; ++i)
                                      for (size_t j = 0; j < n; ++j)
                                          out(row - firstRow + i, k + j) = buffer(j, stored + i);
                                  return {};
                              }));
    }
    return {};
}

/// One stored row, the vector; `out` is [1, n].
Result<void> readVector(const Checkpoint& checkpoint, const WeightPlace& place, MatrixView out) {
    QS_TRY(const Matrix all, checkpoint.readMatrix(place.index));
    return forEachPiece(place, 0, out.cols, [&](size_t stored, size_t at, size_t count) -> Result<void> {
        std::copy_n(all.data() + stored, count, out.data + at);
        return {};
    });
}

bool isVector(const TensorInfo& t) {
    return t.shape.size() < 2;
}

Result<std::unique_ptr<PackedLinear>> findPacked(const PackedReader& reader, const WeightPlace& place) {
    QS_TRY(auto packed, reader.find(place.tensor));
    if (!packed) return Error::notFound("no packed linear of this name", place.tensor);
    return packed;
}

} // namespace

Result<void> readPlaceRows(const PackedReader& reader, const WeightPlace& place, uint64_t firstRow,
                           MatrixView out) {
    const Checkpoint& checkpoint = reader.checkpoint();
    if (place.kind == WeightPlace::Kind::Absent) return Error::internal("the weight is stored nowhere");
    if (place.kind == WeightPlace::Kind::Packed) {
        QS_TRY(const auto packed, findPacked(reader, place));
        return forEachPiece(place, firstRow, out.rows, [&](size_t stored, size_t row, size_t count) {
            return packed->readRows(stored, out.block(row - firstRow, count, 0, out.cols));
        });
    }
    if (isVector(checkpoint.tensors()[place.index])) return readVector(checkpoint, place, out);
    if (place.transposed) return readTransposed(checkpoint, place, firstRow, out);
    return forEachPiece(place, firstRow, out.rows, [&](size_t stored, size_t row, size_t count) {
        return checkpoint.readRows(place.index, stored, out.block(row - firstRow, count, 0, out.cols));
    });
}

Result<Matrix> readPlace(const PackedReader& reader, const WeightPlace& place) {
    const Checkpoint& checkpoint = reader.checkpoint();
    size_t rows = 0, cols = 0;
    if (place.kind == WeightPlace::Kind::Packed) {
        QS_TRY(const auto packed, findPacked(reader, place));
        rows = placeRows(place, packed->info().out);
        cols = packed->info().in;
    } else if (place.kind == WeightPlace::Kind::Stored) {
        const TensorInfo& t = checkpoint.tensors().at(place.index);
        if (place.whole()) return checkpoint.readMatrix(place.index);
        const size_t outputs = size_t(isVector(t) || place.transposed ? t.cols() : t.rows());
        rows = isVector(t) ? 1 : placeRows(place, outputs);
        cols = isVector(t) ? placeRows(place, outputs) : size_t(place.transposed ? t.rows() : t.cols());
    }
    try {
        Matrix m(rows, cols);
        QS_CHECK(readPlaceRows(reader, place, 0, m.view()));
        return m;
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::OutOfMemory, fmt::format("cannot hold [{}, {}] float32 values", rows, cols),
                     place.tensor};
    }
}

void gatherPlace(const WeightPlace& place, ConstMatrixView stored, MatrixView weight) {
    (void)forEachPiece(place, 0, weight.rows, [&](size_t from, size_t row, size_t count) -> Result<void> {
        for (size_t i = 0; i < count; ++i)
            for (size_t c = 0; c < weight.cols; ++c)
                weight(row + i, c) = place.transposed ? stored(c, from + i) : stored(from + i, c);
        return {};
    });
}

void scatterPlace(const WeightPlace& place, ConstMatrixView weight, MatrixView stored) {
    (void)forEachPiece(place, 0, weight.rows, [&](size_t to, size_t row, size_t count) -> Result<void> {
        for (size_t i = 0; i < count; ++i)
            for (size_t c = 0; c < weight.cols; ++c)
                (place.transposed ? stored(c, to + i) : stored(to + i, c)) = weight(row + i, c);
        return {};
    });
}

} // namespace qs
