// SPDX-License-Identifier: Apache-2.0
// Row kernels of the CPU backend, compiled for several instruction sets and chosen at run time (Highway).
#pragma once

#include "core/backend/backend.h"

namespace qs::cpu {

/// y = x / sqrt(mean(x^2) + eps) * gain over n values.
void rmsNormRow(const float* x, const float* gain, double eps, float* y, size_t n);
/// y = (x - mean) / sqrt(variance + eps) * gain + bias over n values.
void layerNormRow(const float* x, const float* gain, const float* bias, double eps, float* y, size_t n);
/// x = f(x).
void activateRow(Activation f, float* x, size_t n);
/// gate = f(gate) * up.
void activateMultiply(Activation f, float* gate, const float* up, size_t n);
/// x = cap * tanh(scale * x / cap).
void softCapRow(float* x, float scale, float cap, size_t n);
/// x = scale * x + y.
void scaleAddRow(float* x, float scale, const float* y, size_t n);
/// x += weight * y.
void addScaledRow(float* x, float weight, const float* y, size_t n);
/// x = softmax(scale * x) over n values.
void softmaxRow(float* x, float scale, size_t n);
/// Pairs (x[i], x[i + half]) rotated by (cosine[i], sine[i]), i < half.
void ropeHead(float* x, const float* cosine, const float* sine, size_t half);
void addRow(float* x, const float* y, size_t n);
/// ColumnBlock in host memory.
struct GptqColumns {
    MatrixView weight, error, change;
    ConstMatrixView original, factor;
    MatrixViewT<uint8_t> codes;
    ConstMatrixView scale, zero;
    int maxCode;
};
/// Rows [firstRow, firstRow + count) of the block; rows are independent.
void gptqRows(const GptqColumns& block, size_t firstRow, size_t count);
/// Name of the instruction set in use, e.g. "AVX2".
const char* instructionSet();

} // namespace qs::cpu
