// SPDX-License-Identifier: Apache-2.0
// Which tensors the GGUF file of a model has, and what each is made of: the inverse of what the GGUF reader
// presents, by the same table of names and changes (gguf_names.h).
#pragma once

#include "core/checkpoint/gguf_view.h"
#include "core/checkpoint/gguf_writer.h"
#include "core/export/export_source.h"
#include "core/model/gguf_architecture.h"

namespace qs {

/// One tensor of the source, as a slice of a tensor of the file.
struct GgufSlice {
    size_t source = 0;                     ///< index of the source's tensor
    std::string name;                      ///< under which our reader presents it again
    std::vector<const PlanEntry*> entries; ///< its quantized linears; none when it is kept
};

struct GgufOutput {
    std::string name;               ///< "blk.0.attn_q.weight"
    std::vector<uint64_t> shape;    ///< as stored
    std::vector<GgufSlice> slices;  ///< stacked along the leading dimension; usually one
    RowOrder order;                 ///< of the rows (a vector's elements) of every slice
    bool transposed = false;        ///< the source stores [in, out]
    float add = 0;                  ///< to every value
    const GgmlType* type = nullptr; ///< see ggufOutputType

    bool quantized() const { return !slices.front().entries.empty(); }
    uint64_t cols() const { return shape.back(); }
    uint64_t rowBytes() const { return cols() / type->elements * type->bytes; }
};

struct GgufOutputs {
    std::vector<GgufOutput> list;
    std::vector<std::string> nameless; ///< the model needs them, llama.cpp's architecture has no place
    std::vector<std::string> leftOut;  ///< the model does not need them
};

/// In the order of the source. The types are not chosen yet. Errors: a stack (experts, head norms) that is
/// not complete or not uniform.
Result<GgufOutputs> ggufOutputs(const ExportSource& source, const GgufArchitecture& architecture);

/// Quantized: the block type of the schemes, which must be one and cover the tensor. Vectors, norms, routers,
/// position and segment tables: F32, as llama.cpp wants them. Otherwise what `kept` says ("source", "f32",
/// "f16", "bf16", "q8_0"). Unsupported with the rule that is broken: rows that are not whole blocks, parts of
/// a fused or stacked tensor that differ, a source type that GGUF does not hold.
Result<const GgmlType*> ggufOutputType(const GgufOutput& output, const Checkpoint& checkpoint,
                                       const std::string& kept);

/// Bytes of `output` as the file stores them. `cache` is of the source.
Result<void> fillGgufOutput(const ExportSource& source, TensorCache& cache, const GgufOutput& output,
                            std::span<std::byte> out);

/// What the file holds of a kept slice, laid out as the source is (and as the reader presents it again): its
/// values after the change of type and, for some norms, + 1 - 1 in float32.
Result<Matrix> keptGgufValues(const ExportSource& source, const GgufOutput& output, const GgufSlice& slice);

/// The vectors that a rotary scaling becomes: rope_freqs (Llama 3), rope_factors_short and _long.
std::vector<GgufItem> ggufRopeItems(const ModelSpec& spec);

} // namespace qs
