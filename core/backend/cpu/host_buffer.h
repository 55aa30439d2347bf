// SPDX-License-Identifier: Apache-2.0
// Tensors of the CPU backend: their memory, and it as matrices.
#pragma once

#include "core/backend/backend.h"
#include "core/linalg/bf16.h"

#include <cassert>
#include <fmt/format.h>
#include <new>

namespace qs::cpu {

struct HostBuffer : DeviceBuffer {
    explicit HostBuffer(size_t rows, size_t cols) : matrix(rows, cols), data(matrix.data()) {}
    explicit HostBuffer(linalg::MatrixBf16 weight) : half(std::move(weight)) {}
    /// Somebody else's memory, which is only read.
    explicit HostBuffer(const float* borrowed) : data(const_cast<float*>(borrowed)) {}
    Matrix matrix;
    linalg::MatrixBf16 half; ///< instead of `matrix`: a weight in bfloat16
    float* data = nullptr;   ///< of `matrix`, or borrowed
};

struct HostCodes : DeviceBuffer {
    HostCodes(size_t rows, size_t cols) : codes(rows, cols) {}
    MatrixT<uint8_t> codes;
};

inline MatrixViewT<uint8_t> view(const CodeTensor& t) {
    return {t.buffer ? static_cast<HostCodes*>(t.buffer.get())->codes.data() : nullptr, t.rows, t.cols};
}

/// Codes of this shape, the old ones where they fit.
inline Result<void> makeCodes(size_t rows, size_t cols, CodeTensor& codes) {
    if (codes.buffer && codes.rows == rows && codes.cols == cols) return {};
    try {
        codes = {std::make_shared<HostCodes>(rows, cols), rows, cols};
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::OutOfMemory, fmt::format("no memory for [{}, {}] codes", rows, cols), {}};
    }
    return {};
}

inline HostBuffer* hostBuffer(const TensorBlock& t) {
    return static_cast<HostBuffer*>(t.buffer.get());
}

inline bool isBf16(const TensorBlock& t) {
    return t.buffer && !hostBuffer(t)->half.empty();
}

inline MatrixView view(const Tensor& t) {
    assert(!isBf16(t));
    return {t.buffer ? hostBuffer(t)->data : nullptr, t.rows, t.cols};
}

inline MatrixView view(const TensorBlock& t) {
    float* data = t.buffer ? hostBuffer(t)->data : nullptr;
    return {data ? data + t.offset : nullptr, t.rows, t.cols, t.stride};
}

} // namespace qs::cpu
