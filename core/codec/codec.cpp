// SPDX-License-Identifier: Apache-2.0
#include "core/codec/codec.h"

#include "core/linalg/parallel.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

#define QS_ENTRY(id) const CodecDescriptor& codec_##id();
#include "qs/codecs.inc"
#undef QS_ENTRY

std::span<const CodecDescriptor* const> codecs() {
#define QS_ENTRY(id) &codec_##id(),
    static const CodecDescriptor* const table[] = {
#include "qs/codecs.inc"
    };
#undef QS_ENTRY
    return table;
}

Result<const CodecDescriptor*> findCodec(const std::string& id) {
    std::string known;
    for (const CodecDescriptor* d : codecs()) {
        if (d->id == id) return d;
        known += (known.empty() ? "" : ", ") + d->id;
    }
    return Error::notFound(fmt::format("no codec '{}'; known: {}", id, known));
}

Result<std::shared_ptr<const Codec>> createCodec(const std::string& id, const Params& params) {
    QS_TRY(const CodecDescriptor* d, findCodec(id));
    return d->create(params);
}

Result<std::shared_ptr<const Codec>> codecOf(const QuantizedTensor& q) {
    return createCodec(q.codec, q.codecParams);
}

void Codec::fitBlock(std::span<const float>, std::span<const float>, const FitRule&, QuantizedTensor&, size_t,
                     size_t) const {
    assert(false && "only formats with fitColumns() > 0 are fitted so");
}

void Codec::allocateParameters(QuantizedTensor& q) const {
    q.scale = Matrix(q.layout.scaleRows, q.layout.groups);
    q.zero = Matrix(q.layout.scaleRows, q.layout.groups);
}

void Codec::prepareParameters(ConstMatrixView, std::span<const float>, QuantizedTensor& q) const {
    allocateParameters(q);
}

std::unique_ptr<const Codec> Codec::reading(const Matrix&) const {
    return nullptr;
}

Result<void> Codec::checkParameters(const QuantizedTensor& q) const {
    if (!q.superScale.empty() || !q.superZero.empty())
        return Error::invalid(fmt::format("{} has no super-blocks", label()));
    return {};
}

void Codec::dequantizeRows(const QuantizedTensor& q, size_t firstRow, MatrixView out) const {
    assert(out.cols == q.cols && firstRow + out.rows <= q.rows);
    TensorCodec(*this, q)->decodeRows(q, firstRow, out);
    applyExtras(q.extras, firstRow, out);
}

void Codec::decodeRows(const QuantizedTensor& q, size_t firstRow, MatrixView out) const {
    for (size_t r = 0; r < out.rows; ++r) {
        const size_t row = firstRow + r, parameterRow = q.parameterRow(row);
        const uint8_t* codes = q.codes.data() + row * q.cols;
        const float* scale = q.scale.row(parameterRow);
        const float* zero = q.zero.row(parameterRow);
        for (size_t c = 0; c < q.cols; ++c) {
            const size_t g = q.groupOf(c);
            out(r, c) = decode(codes[c], scale[g], zero[g]);
        }
    }
}

Matrix Codec::dequantize(const QuantizedTensor& q) const {
    constexpr size_t kRows = 64; ///< of one thread at once; a multiple of what vectors of codes span
    Matrix out(q.rows, q.cols);
    linalg::parallelFor((q.rows + kRows - 1) / kRows, 1, [&](size_t begin, size_t end) {
        const size_t first = begin * kRows, last = std::min(q.rows, end * kRows);
        dequantizeRows(q, first, out.view().block(first, last - first, 0, q.cols));
    });
    return out;
}

} // namespace qs
