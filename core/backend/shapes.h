// SPDX-License-Identifier: Apache-2.0
// What every backend asks of the shapes that its operations are given. Error::InvalidArgument names the
// operation, the rule and the shapes received.
#pragma once

#include "core/backend/codes.h"

namespace qs::shapes {

/// "[rows, cols]".
std::string text(const TensorBlock& t);
Result<void> error(const char* op, const std::string& rule, const std::string& got);

Result<void> checkSame(const char* op, const Tensor& a, const Tensor& b);
Result<void> checkLinear(const Tensor& x, const Tensor& w, const Tensor* bias, const Tensor& y);
Result<void> checkNorm(const char* op, const Tensor& x, const Tensor& gain, const Tensor& y);
/// checkNorm, and a bias shaped as the gain.
Result<void> checkLayerNorm(const Tensor& x, const Tensor& gain, const Tensor& bias, const Tensor& y);
Result<void> checkRope(const Tensor& x, size_t headDim, const RopeTable& table, size_t windowLength);
Result<void> checkAttention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& shape,
                            const Tensor& out);
Result<void> checkSoftCap(float cap);
/// y [rows.size(), x.cols]; each of `rows` is one of x.
Result<void> checkRows(const char* op, const Tensor& x, std::span<const uint32_t> rows, const Tensor& y);
/// checkRows, and a weight for every row.
Result<void> checkScaledRows(const Tensor& x, std::span<const uint32_t> rows, std::span<const float> weights,
                             const Tensor& y);
Result<void> checkSigma(const Tensor& x, size_t channels);
Result<void> checkForm(ConstMatrixView a, const MatrixD& sigma);
/// Sigma [n, n], and an entry of `order`, each number once, and of `diagonal` for every row.
Result<void> checkFactor(const MatrixD& sigma, std::span<const uint32_t> order,
                         std::span<const double> diagonal);
Result<void> checkBlock(size_t first, size_t count, size_t size);
Result<void> checkColumnList(const TensorBlock& x, std::span<const uint32_t> columns, const TensorBlock& out);
Result<void> checkRanges(const TensorBlock& x, std::span<const float> low, std::span<const float> high);
Result<void> checkProduct(const TensorBlock& c, const TensorBlock& a, const TensorBlock& b);
Result<void> checkColumns(const ColumnBlock& b);
/// `t` has the shape of `host`, and no gaps.
Result<void> checkCopy(const char* op, const TensorBlock& t, ConstMatrixView host);
Result<void> checkGroupRanges(const Tensor& x, size_t groupSize, MatrixView low, MatrixView high);
/// One shape, no gaps.
Result<void> checkBlocks(const char* op, const TensorBlock& from, const TensorBlock& to);
/// One shape, a target for each row, and both exist.
Result<void> checkScores(const Tensor& logits, std::span<const uint32_t> rows,
                         std::span<const uint32_t> targets, const Tensor* reference);

Result<void> checkCodeCopy(const char* op, const CodeTensor& codes, size_t rows, size_t cols);
Result<void> checkTransposed(const CodeTensor& codes, size_t rows, size_t cols);
/// The grid is one, and the groups cover a matrix [rows, cols].
Result<void> checkGrid(const char* op, const CodeGrid& grid, const CodeGroups& groups, size_t rows,
                       size_t cols);
Result<void> checkRound(const Tensor& x, const CodeGrid& grid, const CodeGroups& groups,
                        const Tensor* values);
Result<void> checkDecode(const CodeTensor& codes, const CodeGrid& grid, const CodeGroups& groups,
                         const Tensor& values);
Result<void> checkShift(const Tensor& x, std::span<const float> shift);
Result<void> checkBins(double lo, double hi, size_t bins);
/// Longest points that kMeansStep takes.
constexpr size_t kMostDimensions = 4096;
/// Shapes, and that the centers are finite.
Result<void> checkKMeans(const Tensor& points, const Tensor* weights, ConstMatrixView centers);
Result<void> checkRotation(const Tensor& x, std::span<const float> signs, const MatrixD& orthogonal);
/// "[op] a value of x is not finite".
Error notFinite(const char* op, const char* what);

} // namespace qs::shapes
