// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/gguf_view.h"

namespace qs {

namespace {

/// Stored rows as bytes.
struct StoredRows {
    const GgmlType& type;
    std::span<const std::byte> bytes;
    uint64_t cols;

    size_t rowBytes() const { return size_t(cols / type.elements * type.bytes); }
    /// Columns [first, first + out.size()) of one row; both ends on block edges.
    Result<void> read(uint64_t row, uint64_t first, std::span<float> out) const {
        const size_t from = size_t(row) * rowBytes() + size_t(first / type.elements * type.bytes);
        return ggmlToFloat(type, bytes.subspan(from, out.size() / type.elements * type.bytes), out);
    }
};

/// Presented rows are stored columns: of every stored row the blocks that hold them.
Result<void> readTransposed(const GgufView& view, const StoredRows& stored, uint64_t firstRow,
                            MatrixView out) {
    const uint64_t block = stored.type.elements;
    const uint64_t from = firstRow / block * block;
    const uint64_t to = (firstRow + out.rows + block - 1) / block * block;
    std::vector<float> values(size_t(to - from));
    for (uint64_t r = 0; r < view.storedRows; ++r) {
        QS_CHECK(stored.read(r, from, values));
        for (size_t i = 0; i < out.rows; ++i)
            out(i, size_t(r)) = values[size_t(firstRow - from) + i];
    }
    return {};
}

/// A vector whose elements are what rows are elsewhere: a bias.
Result<void> readReorderedVector(const GgufView& view, const StoredRows& stored, MatrixView out) {
    std::vector<float> values(size_t(view.storedCols));
    QS_CHECK(stored.read(0, 0, values));
    for (size_t i = 0; i < out.cols; ++i)
        out(0, i) = values[size_t(view.order.stored(i))];
    return {};
}

Result<void> readWholeRows(const GgufView& view, const StoredRows& stored, uint64_t firstRow,
                           MatrixView out) {
    if (view.order.kind == RowOrder::Kind::AsStored && out.contiguous()) {
        const auto bytes =
            stored.bytes.subspan(size_t(firstRow) * stored.rowBytes(), out.rows * stored.rowBytes());
        return ggmlToFloat(stored.type, bytes, {out.data, out.size()});
    }
    for (size_t i = 0; i < out.rows; ++i)
        QS_CHECK(stored.read(view.order.stored(firstRow + i), 0, out.rowSpan(i)));
    return {};
}

} // namespace

uint64_t RowOrder::rows() const {
    switch (kind) {
    case Kind::RopeHalves:
        return heads * headDim;
    case Kind::QkvByGroup:
        return (heads + 2 * groups) * headDim;
    default:
        return 0;
    }
}

uint64_t RowOrder::stored(uint64_t row) const {
    if (kind == Kind::AsStored) return row;
    const uint64_t head = row / headDim, i = row % headDim;
    if (kind == Kind::RopeHalves) {
        const uint64_t half = headDim / 2;
        return head * headDim + (i < half ? 2 * i : 2 * (i - half) + 1);
    }
    const uint64_t queries = heads / groups, group = head / (queries + 2), part = head % (queries + 2);
    const uint64_t from = part < queries    ? group * queries + part
                          : part == queries ? heads + group
                                            : heads + groups + group;
    return from * headDim + i;
}

RowOrder rowOrderOf(GgufChange change, uint64_t heads, uint64_t kvHeads, uint64_t headDim) {
    switch (change) {
    case GgufChange::RopeQuery:
        return {RowOrder::Kind::RopeHalves, heads, heads, headDim};
    case GgufChange::RopeKey:
        return {RowOrder::Kind::RopeHalves, kvHeads, kvHeads, headDim};
    case GgufChange::FusedQkv:
        return {RowOrder::Kind::QkvByGroup, heads, kvHeads, headDim};
    default:
        return {};
    }
}

GgufView GgufView::whole(std::string name, size_t index, const GgufTensor& tensor) {
    GgufView v;
    v.name = std::move(name);
    v.shape = tensor.shape;
    v.tensor = index;
    v.storedCols = tensor.shape.empty() ? 1 : tensor.shape.back();
    v.storedRows = 1;
    for (size_t i = 0; i + 1 < tensor.shape.size(); ++i)
        v.storedRows *= tensor.shape[i];
    return v;
}

Result<void> readView(const GgufView& view, const GgmlType& type, std::span<const std::byte> bytes,
                      uint64_t firstRow, MatrixView out) {
    if (out.size() == 0) return {};
    const StoredRows stored{type, bytes, view.storedCols};
    if (view.transposed) {
        QS_CHECK(readTransposed(view, stored, firstRow, out));
    } else if (view.shape.size() == 1 && view.order.kind != RowOrder::Kind::AsStored) {
        QS_CHECK(readReorderedVector(view, stored, out));
    } else {
        QS_CHECK(readWholeRows(view, stored, firstRow, out));
    }
    if (view.add != 0)
        for (size_t r = 0; r < out.rows; ++r)
            for (float& v : out.rowSpan(r))
                v += view.add;
    return {};
}

} // namespace qs
