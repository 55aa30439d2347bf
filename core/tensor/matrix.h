// SPDX-License-Identifier: Apache-2.0
// Row-major matrices: an owning, 64-byte aligned one and non-owning views. No arithmetic lives here (see
// linalg).
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace qs {

/// View of `rows` x `cols` elements; row r starts at data + r * stride.
template<class T>
struct MatrixViewT {
    T* data = nullptr;
    size_t rows = 0, cols = 0, stride = 0;

    MatrixViewT() = default;
    MatrixViewT(T* d, size_t r, size_t c) : data(d), rows(r), cols(c), stride(c) {}
    MatrixViewT(T* d, size_t r, size_t c, size_t s) : data(d), rows(r), cols(c), stride(s) {}
    operator MatrixViewT<const T>() const { return {data, rows, cols, stride}; }

    T* row(size_t r) const {
        assert(r < rows);
        return data + r * stride;
    }
    std::span<T> rowSpan(size_t r) const { return {row(r), cols}; }
    T& operator()(size_t r, size_t c) const { return data[r * stride + c]; }
    MatrixViewT block(size_t r0, size_t nRows, size_t c0, size_t nCols) const {
        assert(r0 + nRows <= rows && c0 + nCols <= cols);
        return {data + r0 * stride + c0, nRows, nCols, stride};
    }
    bool contiguous() const { return stride == cols; }
    size_t size() const { return rows * cols; }
};

/// `bytes` > 0 of zeros, aligned to 64 bytes; from 4 MiB on in huge pages where the system has them: filling
/// small ones takes longer than much of what is computed. std::bad_alloc when there is no memory.
void* zeroedMatrix(size_t bytes);
/// What zeroedMatrix(bytes) gave.
void freeMatrix(void* p, size_t bytes);

/// Owning [rows, cols] matrix, contiguous, zero-initialized, aligned to 64 bytes. Move-only: copies are
/// explicit.
template<class T>
class MatrixT {
public:
    MatrixT() = default;
    MatrixT(size_t rows, size_t cols) : rows_(rows), cols_(cols) {
        if (size() == 0) return;
        const size_t bytes = size() * sizeof(T);
        data_ = {static_cast<T*>(zeroedMatrix(bytes)), Free{bytes}};
    }
    MatrixT(MatrixT&&) = default;
    MatrixT& operator=(MatrixT&&) = default;
    MatrixT clone() const {
        MatrixT m(rows_, cols_);
        std::copy_n(data(), size(), m.data());
        return m;
    }

    size_t rows() const { return rows_; }
    size_t cols() const { return cols_; }
    size_t size() const { return rows_ * cols_; }
    bool empty() const { return size() == 0; }
    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    T* row(size_t r) { return data() + r * cols_; }
    const T* row(size_t r) const { return data() + r * cols_; }
    T& operator()(size_t r, size_t c) { return data_.get()[r * cols_ + c]; }
    const T& operator()(size_t r, size_t c) const { return data_.get()[r * cols_ + c]; }
    MatrixViewT<T> view() { return {data(), rows_, cols_}; }
    MatrixViewT<const T> view() const { return {data(), rows_, cols_}; }
    std::span<T> span() { return {data(), size()}; }
    std::span<const T> span() const { return {data(), size()}; }

private:
    static_assert(std::is_arithmetic_v<T>); // all zero bits are 0
    struct Free {
        size_t bytes = 0;
        void operator()(T* p) const { freeMatrix(p, bytes); }
    };
    size_t rows_ = 0, cols_ = 0;
    std::unique_ptr<T[], Free> data_;
};

using Matrix = MatrixT<float>;
using MatrixD = MatrixT<double>;
using MatrixView = MatrixViewT<float>;
using ConstMatrixView = MatrixViewT<const float>;

} // namespace qs
