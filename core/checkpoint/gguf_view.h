// SPDX-License-Identifier: Apache-2.0
// A tensor as Hugging Face names and lays it out, seen in a tensor of a GGUF file. llama.cpp's converter
// reorders rows, transposes, stacks experts and adds one to some norms; a view undoes that while reading.
// Rows move whole, so that blocks (which run along a row) stay intact.
#pragma once

#include "core/checkpoint/gguf.h"
#include "core/checkpoint/gguf_names.h"
#include "core/tensor/matrix.h"

namespace qs {

/// Where row r of the presented tensor lies in the stored one.
struct RowOrder {
    enum class Kind {
        AsStored,
        /// Rotary pairs: stored per head as (0, h/2), (1, h/2 + 1), ...; presented as two halves.
        RopeHalves,
        /// Fused q, k, v: stored as all q, all k, all v; presented per group of heads as its q heads, k, v.
        QkvByGroup
    };
    Kind kind = Kind::AsStored;
    uint64_t heads = 0, groups = 0, headDim = 0; ///< groups: key-value heads

    uint64_t stored(uint64_t row) const;
    /// Rows that the order covers; 0 for AsStored.
    uint64_t rows() const;
};

/// The order that a conversion gave the rows.
RowOrder rowOrderOf(GgufChange change, uint64_t heads, uint64_t kvHeads, uint64_t headDim);

struct GgufView {
    std::string name;                        ///< "model.layers.0.self_attn.q_proj.weight"
    std::vector<uint64_t> shape;             ///< presented
    size_t tensor = 0;                       ///< index of the stored tensor
    uint64_t firstRow = 0;                   ///< of the stored rows that it shows
    uint64_t storedRows = 0, storedCols = 0; ///< what it shows, in the stored layout
    RowOrder order;
    bool transposed = false; ///< presented [storedCols, storedRows]
    float add = 0;           ///< to every value

    /// The whole of `tensor` as it is.
    static GgufView whole(std::string name, size_t index, const GgufTensor& tensor);
    /// The stored bytes are the presented values in order.
    bool verbatim(const GgmlType& type) const {
        return type.plain && order.kind == RowOrder::Kind::AsStored && !transposed && add == 0;
    }
};

/// Rows [firstRow, firstRow + out.rows) of what `view` presents. `bytes`: of its stored rows, exactly. The
/// caller has checked the range. Memory: one stored row.
Result<void> readView(const GgufView& view, const GgmlType& type, std::span<const std::byte> bytes,
                      uint64_t firstRow, MatrixView out);

} // namespace qs
