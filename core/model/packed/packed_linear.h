// SPDX-License-Identifier: Apache-2.0
// Linears that a Hugging Face checkpoint stores already quantized: which layout, which codes and scales, and
// the values they stand for. One file per layout; shapes and settings were checked when a PackedLinear was
// made.
#pragma once

#include "core/checkpoint/checkpoint.h"

namespace qs {

struct PackedSettings;
class RowRounder;

/// What is known without reading weights.
struct PackedInfo {
    std::string module; ///< prefix X of the tensor names, "model.layers.0.self_attn.q_proj"
    /// "gptq", "awq", "ct_pack", "ct_int", "ct_float", "ct_nvfp4", "ct_mxfp4", "bnb_nf4", "fp8_block" (one
    /// scale per block) or "fp8" (one per tensor or channel)
    std::string layout;
    /// For people: "GPTQ 4-bit, group 128, asymmetric"; with what its runtime rounds the inputs to, where it
    /// does: "..., inputs int8 per token".
    std::string label;
    std::string format;     ///< for tables, as codecs are named: "int4 g128 asym"
    size_t out = 0, in = 0; ///< of the weight [out, in] that it stands for
    int bits = 0;           ///< per code

    /// One scale serves blockRows x groupSize weights; scales() is a grid of scaleRows x groups. The last
    /// block of either direction may be smaller. `flattened`: groups run through the weight row by row as if
    /// it were one row (bitsandbytes); then scaleRows is 1.
    size_t scaleRows = 0, groups = 0, groupSize = 0, blockRows = 1;
    bool flattened = false;

    /// Indices into Checkpoint::tensors() of all stored parts but the bias.
    std::vector<size_t> tensors;
    uint64_t storedBytes = 0; ///< of these parts; scales of activations do not count
    double bitsPerWeight() const { return 8.0 * double(storedBytes) / (double(out) * double(in)); }
};

/// Integers as stored, [out, in]. Unsigned fields 0 .. 2^bits - 1; "ct_int" stores -128 .. 127. For floating
/// formats the code is the stored bit pattern.
using PackedCodes = MatrixT<int16_t>;

/// value = (level(code) - zero) * scale, where level is the code itself in integer layouts.
struct PackedScales {
    Matrix scale; ///< [scaleRows, groups], finite
    Matrix zero;  ///< the same shape, or empty when it is 0 everywhere
    /// [in], group of each column, each in 0 .. groups - 1; empty: column / groupSize.
    std::vector<int32_t> groupOfColumn;
};

/// Immutable and thread-safe. Keeps a reference: the checkpoint must outlive it.
class PackedLinear {
public:
    virtual ~PackedLinear() = default;
    const PackedInfo& info() const { return info_; }

    /// [out, in].
    Result<PackedCodes> codes() const;
    /// Corrupt when a scale is not finite or a group index is out of range; so are those below.
    virtual Result<PackedScales> scales() const = 0;
    /// [out, in] values in float32. What a runtime rounds further (to bf16, say) is not rounded.
    Result<Matrix> dequantize() const;

    /// Codes or values of rows [firstRow, firstRow + out.rows), out.cols == info().in. Touches only what
    /// these rows need.
    Result<void> readCodes(uint64_t firstRow, MatrixViewT<int16_t> out) const;
    Result<void> readRows(uint64_t firstRow, MatrixView out) const;

protected:
    PackedLinear(const Checkpoint& checkpoint, PackedInfo info)
        : checkpoint_(checkpoint), info_(std::move(info)) {}

    /// Of rows that exist; `out` is not empty.
    virtual Result<void> unpackCodes(size_t firstRow, MatrixViewT<int16_t> out) const = 0;
    virtual Result<void> unpackRows(size_t firstRow, MatrixView out) const = 0;

    const Checkpoint& checkpoint_;
    PackedInfo info_;

private:
    friend class PackedReader; // adds to the label
    Result<void> checkRows(uint64_t firstRow, size_t rows, size_t cols) const;
};

/// Finds packed linears in one checkpoint. Settings (quantization_config in config.json, else
/// quantize_config.json or quant_config.json) are parsed once, when the first packed linear is asked for.
/// Thread-safe. The checkpoint must outlive the reader and what it returns.
class PackedReader {
public:
    explicit PackedReader(const Checkpoint& checkpoint);
    ~PackedReader();
    const Checkpoint& checkpoint() const { return checkpoint_; }

    /// The packed linear `module`, or nullptr when its weight is stored plainly or not at all. Reads no
    /// weights: headers, the settings, and the few bytes that some layouts spend on a weight's shape.
    /// Corrupt when a part is missing or misshapen, when shapes and settings disagree, or when an 8-bit
    /// weight has no scale; Unsupported for other quantization methods and layouts. Both name module, tensor
    /// or field, rule and value.
    Result<std::unique_ptr<PackedLinear>> find(const std::string& module) const;
    /// What rounds the inputs of a packed linear where its runtime multiplies them (W8A8, FP8, NVFP4), with
    /// the scales that the checkpoint fixes; null when nothing does. Unsupported when they ask for a rounding
    /// that is not done here; Corrupt as for find(), or when a scale of inputs is missing or not above 0.
    Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& module) const;
    /// Every module that has packed parts, by names and types alone, in the order of the checkpoint.
    std::vector<std::string> modules() const;

private:
    struct Settings;
    const Result<PackedSettings>& settings() const;

    const Checkpoint& checkpoint_;
    std::unique_ptr<Settings> settings_;
};

} // namespace qs
