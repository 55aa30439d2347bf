// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cpu/solver_steps.h"

#include "core/backend/cpu/host_buffer.h"
#include "core/backend/shapes.h"
#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"
#include "core/linalg/transpose.h"

#include <algorithm>

namespace qs::cpu {

namespace {

/// Where all of `columns` that are one lie one after the other, begins there and reaches as far as the list:
/// the first of them.
std::optional<size_t> runOfColumns(std::span<const uint32_t> columns, size_t width) {
    std::optional<size_t> first;
    for (size_t i = 0; i < columns.size(); ++i) {
        if (columns[i] == kNoColumn) continue;
        if (!first && columns[i] >= i) first = columns[i] - i;
        if (!first || columns[i] != *first + i) return std::nullopt;
    }
    return first && *first + columns.size() <= width ? first : std::nullopt;
}

void copyColumns(ConstMatrixView x, std::span<const uint32_t> columns, MatrixView out) {
    constexpr size_t kRows = 16; // a cache line of the transposed columns
    linalg::parallelFor((x.rows + kRows - 1) / kRows, 4, [&](size_t begin, size_t end) {
        for (size_t r0 = begin * kRows; r0 < std::min(x.rows, end * kRows); r0 += kRows)
            for (size_t c = 0; c < columns.size(); ++c)
                for (size_t r = r0; columns[c] != kNoColumn && r < std::min(x.rows, r0 + kRows); ++r)
                    out(c, r) = x(r, columns[c]);
    });
}

/// R as the lower factor of the matrix with rows and columns in reverse.
class HostFactor final : public UpperFactor {
public:
    HostFactor(Backend& backend, MatrixD lower) : backend_(backend), lower_(std::move(lower)) {}
    Result<Tensor> values() override {
        const size_t n = lower_.rows();
        QS_TRY(Tensor out, backend_.allocate(n, n));
        const MatrixView to = view(out);
        linalg::parallelFor(n, 16, [&](size_t begin, size_t end) {
            for (size_t r = begin; r < end; ++r) {
                const double* from = lower_.row(n - 1 - r);
                for (size_t c = r; c < n; ++c)
                    to(r, c) = float(from[n - 1 - c]);
            }
        });
        return out;
    }
    Result<MatrixD> block(size_t first, size_t count) override {
        const size_t n = lower_.rows();
        QS_CHECK(shapes::checkBlock(first, count, n));
        MatrixD out(count, count);
        for (size_t r = 0; r < count; ++r)
            for (size_t c = r; c < count; ++c)
                out(r, c) = lower_(n - 1 - first - r, n - 1 - first - c);
        return out;
    }

private:
    Backend& backend_;
    MatrixD lower_;
};

/// The lower triangle of Backend::upperFactor's H, rows and columns in reverse.
MatrixD reversed(const MatrixD& sigma, std::span<const uint32_t> order, std::span<const double> diagonal) {
    const size_t n = sigma.rows();
    MatrixD h(n, n);
    linalg::parallelFor(n, 16, [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r) {
            const double* from = sigma.row(order[n - 1 - r]);
            for (size_t c = 0; c < r; ++c)
                h(r, c) = from[order[n - 1 - c]];
            h(r, r) = diagonal[n - 1 - r];
        }
    });
    return h;
}

} // namespace

void gatherColumns(ConstMatrixView x, std::span<const uint32_t> columns, MatrixView out) {
    if (const auto first = runOfColumns(columns, x.cols))
        linalg::transpose(x.block(0, x.rows, *first, columns.size()), out);
    else
        copyColumns(x, columns, out);
    for (size_t i = 0; i < columns.size(); ++i)
        if (columns[i] == kNoColumn) std::fill_n(out.row(i), out.cols, 0.0f);
}

void columnRanges(ConstMatrixView x, float* low, float* high) {
    linalg::parallelFor(x.cols, 1024, [&](size_t begin, size_t end) {
        std::copy(x.row(0) + begin, x.row(0) + end, low + begin);
        std::copy(x.row(0) + begin, x.row(0) + end, high + begin);
        for (size_t r = 1; r < x.rows; ++r) {
            const float* row = x.row(r);
            for (size_t c = begin; c < end; ++c) {
                low[c] = row[c] < low[c] ? row[c] : low[c];
                high[c] = row[c] > high[c] ? row[c] : high[c];
            }
        }
    });
}

Result<std::unique_ptr<UpperFactor>> upperFactor(Backend& backend, const MatrixD& sigma,
                                                 std::span<const uint32_t> order,
                                                 std::span<const double> diagonal) {
    // With the order of rows and columns reversed, H = R R^T is an ordinary Cholesky factorization.
    MatrixD h = reversed(sigma, order, diagonal);
    QS_CHECK(linalg::choleskyLower(h.view()));
    return std::unique_ptr<UpperFactor>(std::make_unique<HostFactor>(backend, std::move(h)));
}

} // namespace qs::cpu
