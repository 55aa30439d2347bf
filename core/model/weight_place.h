// SPDX-License-Identifier: Apache-2.0
// Where a logical weight [out, in] lies in the stored tensors: a whole tensor, some rows of a fused one
// (Phi-3 qkv_proj, per-head interleaved query_key_value), either of them stored transposed (GPT-2 Conv1D), or
// packed (already quantized). A bias is placed the same way in a stored vector.
#pragma once

#include "core/model/packed/packed_linear.h"

namespace qs {

struct RowRange {
    size_t first = 0, count = 0;
    bool operator==(const RowRange&) const = default;
};

struct WeightPlace {
    enum class Kind {
        Absent, ///< no such tensor (a linear without bias)
        Stored, ///< values of `tensor`
        Packed, ///< parts of module `tensor` (X of X.qweight, ...); cannot be quantized again
    };
    Kind kind = Kind::Absent;
    std::string tensor;
    size_t index = Checkpoint::npos; ///< of `tensor` in Checkpoint::tensors(); npos unless Stored
    bool transposed = false;         ///< stored as [in, out]
    /// Output rows of the stored matrix (elements of a stored vector) that make up the weight, in order;
    /// empty: all.
    std::vector<RowRange> rows;

    /// The stored tensor is the weight.
    bool whole() const { return rows.empty() && !transposed; }
};

/// Rows [firstRow, firstRow + out.rows) of the weight, out.cols = its `in`; a vector is one row. The place
/// must fit the reader's checkpoint (SpecBuilder checks that). Packed places give dequantized values.
Result<void> readPlaceRows(const PackedReader& reader, const WeightPlace& place, uint64_t firstRow,
                           MatrixView out);
/// The whole weight [out, in]; [1, n] for a vector.
Result<Matrix> readPlace(const PackedReader& reader, const WeightPlace& place);

/// Copies the weight's rows out of, or into, the stored matrix (shaped as TensorInfo says) of a Stored place.
void gatherPlace(const WeightPlace& place, ConstMatrixView stored, MatrixView weight);
void scatterPlace(const WeightPlace& place, ConstMatrixView weight, MatrixView stored);

} // namespace qs
