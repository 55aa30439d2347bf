// SPDX-License-Identifier: Apache-2.0
// A rotation of the whole model: its residual stream x becomes R x, and the model computes what it did
// (QuaRot, Ashkboos et al. 2024, arXiv:2404.00456, its rotations R1 and R2 that need nothing at run time).
// Gains of norms move into the linears behind them: a norm without gains commutes with R. Then every reader
// W becomes W R^T, every writer R W, every row e of an embedding R e. With rotated heads v becomes H v and o
// becomes o H^T, head by head, with one H for all: query heads that share a key-value head read the same.
#pragma once

#include "core/model/residual_stream.h"
#include "core/model/weights.h"
#include "core/quant/transform/rotation.h"

#include <map>

namespace qs {

/// What happens to one tensor, in this order.
struct TensorTurn {
    std::shared_ptr<const std::vector<float>> values; ///< a vector: replaced by these; null: not
    /// A bias: W `by` is added, W the source's weight of the name `product`; "" : nothing is.
    std::string product;
    std::shared_ptr<const std::vector<float>> by;
    std::shared_ptr<const std::vector<float>> gain; ///< columns are multiplied by it; null: ones
    std::shared_ptr<const Rotation> inputs;         ///< turns rows; null: nothing does
    std::shared_ptr<const Rotation> outputs;        ///< turns columns; null: nothing does

    /// Rows can be changed without the others.
    bool byRows() const { return !values && product.empty() && !outputs; }
    /// m [out, in], or a vector as [n, 1]: the whole tensor, or some rows of it where byRows().
    Result<void> apply(MatrixView m, const WeightSource& source) const;
};

struct ModelRotationOptions {
    RotationKind kind = RotationKind::Hadamard;
    uint64_t seed = 0;
    bool heads = false;               ///< also the values inside every head, by Hadamard
    const MatrixD* moments = nullptr; ///< [hidden, hidden] of the stream (streamMoments), for Klt
};

/// Immutable, thread-safe.
class ModelRotation {
public:
    /// Reads norms only. InvalidArgument, naming architecture and tensor, where the model cannot be rotated.
    static Result<ModelRotation> make(const Model& model, const ModelRotationOptions& options);

    /// By logical name (see WeightSource); everything else stays.
    const std::map<std::string, TensorTurn>& tensors() const { return tensors_; }
    /// A tied head that has to be a tensor of its own, because the final norm's gains differ: what makes it
    /// from the embedding. Null: none.
    const TensorTurn* untiedHead() const { return untied_ ? &*untied_ : nullptr; }

private:
    explicit ModelRotation(const ModelSpec& spec) : spec_(spec) {}
    Result<void> rotateStream(const ResidualStream& stream, const WeightSource& source);
    Result<void> rotateReader(const StreamReader& reader, const WeightSource& source);
    Result<void> moveNormBias(const StreamReader& reader, std::span<const float> gain,
                              const WeightSource& source);
    void rotateHeads(std::shared_ptr<const Rotation> head);

    const ModelSpec& spec_;
    std::shared_ptr<const Rotation> stream_;
    std::map<std::string, TensorTurn> tensors_;
    std::optional<TensorTurn> untied_;
};

/// Gains as they multiply, [norm.size]: plus one where they are stored so, ones without a tensor.
Result<std::vector<float>> normGains(const NormSpec& norm, const WeightSource& source);

} // namespace qs
