// SPDX-License-Identifier: Apache-2.0
// What folds with chosen factors s do to the tensors of a block: the channels that a producer writes are
// divided by s, the columns of all that read them multiplied, and the block computes what it did. Where a
// norm and its readers have biases, z can be taken from the channels before: biases of readers get W z.
#pragma once

#include "core/model/spec.h"
#include "core/tensor/matrix.h"

#include <map>
#include <set>
#include <span>

namespace qs {

/// Of one tensor. A matrix: w(r, c) columns[c] / rows[r].
/// A vector [1, n]: (v[i] + added[i] + offset) / rows[i] - offset.
struct TensorScaling {
    std::vector<float> rows, columns; ///< empty: ones
    float offset = 0;                 ///< 1 for gains that are stored minus one
    bool vector = false;
    std::vector<float> added; ///< of a vector; empty: zeros

    /// m as a whole. Its size must be that of the factors (asserted).
    void apply(MatrixView m) const { applyRows(0, m); }
    /// m holds the tensor's rows from `firstRow` on.
    void applyRows(size_t firstRow, MatrixView m) const;
    /// Takes apply() back.
    void undo(MatrixView m) const;
};

/// Sigma of inputs that are divided by `factors`, S^-1 Sigma S^-1, in place; empty: ones.
void scaleSigma(std::span<const float> factors, MatrixD& sigma);

/// Sigma of inputs that `shift` is taken from, in place: sum (x - z)(x - z)^T, from sum x x^T and `sum` x
/// over `tokens`.
void shiftSigma(std::span<const float> shift, std::span<const double> sum, uint64_t tokens, MatrixD& sigma);

/// Whether anything can be taken from the channels of a fold: a norm with a bias makes them, and only linears
/// with biases read them.
bool canShift(const BlockSpec& block, const FoldSpec& fold);
/// Linears that read the channels of a fold, in order of use.
std::vector<const LinearSpec*> readersOf(const BlockSpec& block, const FoldSpec& fold);
/// The linear whose rows are divided; null when a norm is the producer.
const LinearSpec* producerOf(const BlockSpec& block, const FoldSpec& fold);
/// FoldSpec::producerOf of every channel; empty when each has an element of its own.
std::vector<size_t> tiesOf(const FoldSpec& fold, size_t channels);

/// All folds of one block together. Tensors are named as WeightSource names them.
class BlockScaling {
public:
    /// `factors` [channels], equal where the fold ties channels; multiplied with what was added before.
    void add(const BlockSpec& block, const FoldSpec& fold, std::span<const float> factors);

    /// `shift` [channels], taken from the channels before they are divided, in units of what the model has;
    /// where canShift(), once for a fold. `weights`: of the readers, as the model has them.
    void addShift(const BlockSpec& block, const FoldSpec& fold, std::span<const float> shift,
                  std::span<const Matrix> weights);

    /// nullptr when nothing happens to the tensor.
    const TensorScaling* find(const std::string& tensor) const;
    const std::map<std::string, TensorScaling>& tensors() const { return tensors_; }
    /// qs::scaleSigma by the factors of a site.
    void scaleSigma(const std::string& site, MatrixD& sigma) const;
    /// What is taken from the inputs of a site; empty: nothing.
    std::span<const float> shiftOf(const std::string& site) const;

private:
    TensorScaling& vector(const std::string& name);

    std::map<std::string, TensorScaling> tensors_;
    std::map<std::string, std::vector<float>> sites_;  ///< what their inputs are divided by
    std::map<std::string, std::vector<float>> shifts_; ///< what is taken from them before
};

} // namespace qs
