// SPDX-License-Identifier: Apache-2.0
// Codec registry: one entry per number format (codecs.def + codecs/<id>.cpp). A codec says which values
// exist, how many bits they take and how they are packed; which value a weight gets is the method's business.
#pragma once

#include "core/backend/codes.h"
#include "core/base/param_spec.h"
#include "core/codec/extras.h"
#include "core/tensor/dtype.h"
#include "core/tensor/matrix.h"

#include <cstdint>
#include <memory>
#include <span>

namespace qs {

/// How a [rows, cols] matrix is cut into groups that share a scale (and a zero point).
struct GroupLayout {
    size_t scaleRows = 0; ///< rows of the parameter matrices: 1 when one scale serves all rows, else
                          ///< rows / blockRows, rounded up
    size_t groups = 0;    ///< groups along the input dimension
    size_t groupSize = 0; ///< columns per group; cols when one group spans the row
    size_t blockRows = 1; ///< rows that share a scale, when it is not one for all
};

/// A quantized [rows, cols] matrix: codes and parameters, with one dequantization (Codec::dequantize).
struct QuantizedTensor {
    std::string codec; ///< registry id
    Params codecParams;
    size_t rows = 0, cols = 0;
    GroupLayout layout;
    std::vector<uint8_t> codes; ///< [rows, cols], unsigned, one per byte in memory
    Matrix scale;               ///< [scaleRows, groups], exactly representable in the stored scale type
    Matrix zero; ///< [scaleRows, groups]: what Codec::decode takes as `zero`; for integer grids
                 ///< the code of the value 0
    /// What formats with scales of few bits store these against; the codec says how, in which shape.
    /// K-quants, [rows, super-blocks]: scale(r, g) = integer * superScale(r, s), exact in float32, the same
    /// for zero where the format has offsets. Empty in other formats.
    Matrix superScale, superZero;
    /// Values that formats find with the tensor and keep beside the codes; the codec says in which shape.
    /// Empty in other formats.
    Matrix tables;
    std::vector<int32_t> groupOfColumn; ///< [cols]; empty means column / groupSize
    Extras extras;                      ///< what the values are made of beside the codes

    size_t groupOf(size_t column) const {
        return groupOfColumn.empty() ? column / layout.groupSize : size_t(groupOfColumn[column]);
    }
    /// Row of the parameter matrices that serves a row.
    size_t parameterRow(size_t row) const { return layout.scaleRows == 1 ? 0 : row / layout.blockRows; }
};

/// Exact size of a tensor in bits, by part. What a file format adds (headers, alignment) is the exporter's
/// business.
struct StoredBits {
    uint64_t codes = 0, scales = 0, zeros = 0, tables = 0, index = 0;
    uint64_t kept = 0, lowRank = 0, rotation = 0, reassembly = 0; ///< of extras
    uint64_t total() const {
        return codes + scales + zeros + tables + index + kept + lowRank + rotation + reassembly;
    }
};

/// How scales are found from values.
struct FitRule {
    bool search = false; ///< least (weighted) squared error over several scales; else by the extreme values
    float clip = 1;      ///< without a search: what share of the extremes the grid covers, 0 < clip <= 1
};

/// One number format with its parameters fixed. Immutable and thread-safe.
class Codec {
public:
    virtual ~Codec() = default;
    virtual const std::string& id() const = 0;
    virtual const Params& params() const = 0;
    /// Nominal bits per code, and the number of codes.
    virtual int bits() const = 0;
    virtual int levels() const = 0;
    /// "int4 g128 sym": for tables.
    virtual std::string label() const = 0;
    virtual DType scaleType() const = 0;

    /// InvalidArgument when the group does not divide the row ("row length 5376 is not a multiple of group
    /// 128").
    virtual Result<GroupLayout> layout(size_t rows, size_t cols) const = 0;
    /// Exact; `withIndex` counts a stored group index per column (act-order without static groups).
    virtual Result<StoredBits> storedBits(size_t rows, size_t cols, bool withIndex = false) const = 0;

    /// Scale and zero for values in [lo, hi]; lo <= hi, finite. The result is exactly representable as
    /// stored.
    virtual void fitRange(float lo, float hi, float& scale, float& zero) const = 0;
    /// For formats whose scales are not found group by group from a range (fitRange then speaks of a group
    /// alone): the columns that are fitted together, a multiple of the group size, or the largest size_t for
    /// those of a row. 0 for the others.
    virtual size_t fitColumns() const { return 0; }
    /// Such a format's parameters of fitColumns() values of one row from `column` on, into `q`, which
    /// prepareParameters() has prepared. `importance`: positive weight of each squared error; empty: all 1.
    /// Different rows may be fitted at the same time.
    virtual void fitBlock(std::span<const float> values, std::span<const float> importance,
                          const FitRule& rule, QuantizedTensor& q, size_t row, size_t column) const;
    /// Zeroed parameter matrices of the sizes that q.layout asks for.
    virtual void allocateParameters(QuantizedTensor& q) const;
    /// The same, with what the format takes from the whole matrix before its groups are fitted. `importance`
    /// [cols] as in fitBlock.
    virtual void prepareParameters(ConstMatrixView weight, std::span<const float> importance,
                                   QuantizedTensor& q) const;
    /// Whether the format is symmetric, so that range searches move one end only.
    virtual bool symmetric() const = 0;

    /// The rows of one column whose codes make one value of each of them together: the length of a vector. 1
    /// where every code stands for itself.
    virtual size_t vectorRows() const { return 1; }
    /// For formats with tables: this format reading those of a tensor, which must outlive what comes back.
    /// Its parameters have been prepared; groups may still be fitted. Null where codes and parameters say
    /// everything. See TensorCodec.
    virtual std::unique_ptr<const Codec> reading(const Matrix& tables) const;

    /// Nearest code of each of `n` values with per-value parameters (scale[i], zero[i]); writes codes and
    /// dequantized values. With vectorRows() > 1 the values are those of consecutive rows of one column, from
    /// a multiple of vectorRows() on.
    virtual void round(const float* values, size_t n, const float* scale, const float* zero, uint8_t* codes,
                       float* dequantized) const = 0;
    /// Whether a code has a value by itself, given scale and zero: no vectors, no tables of the tensor.
    virtual bool hasLevels() const { return true; }
    /// The value of a code. Defined for every code < levels() where hasLevels(); where there are tables, in a
    /// codec that reads them.
    virtual float decode(uint8_t code, float scale, float zero) const = 0;
    /// True when decode is scale (code - zero), round the nearest of it, and zero an integer.
    virtual bool isIntegerGrid() const { return true; }
    /// How codes and values follow from scale and zero point, of formats whose parameters are what fitRange()
    /// gives each group, and nothing else; none for the others. It is the codec's memory.
    virtual std::optional<CodeGrid> grid() const { return std::nullopt; }
    /// Where a value lies between the steps of its grid, in units of `scale`: for integer grids on the scale
    /// of the codes. 0 when the scale is 0.
    virtual double level(double value, float scale, float zero) const {
        return scale != 0 ? value / double(scale) + double(zero) : 0;
    }
    /// What parameters must obey that came from a file, beside being finite and of the right shape; names the
    /// place and the value.
    virtual Result<void> checkParameters(const QuantizedTensor& q) const;

    /// Values of the whole tensor, [rows, cols], extras included.
    Matrix dequantize(const QuantizedTensor& q) const;
    void dequantizeRows(const QuantizedTensor& q, size_t firstRow, MatrixView out) const;

protected:
    /// Values of the codes of out.rows rows from `firstRow` on; `this` reads q's tables.
    virtual void decodeRows(const QuantizedTensor& q, size_t firstRow, MatrixView out) const;
};

/// A codec as a tensor needs it: reading the tensor's tables where it has some (see Codec::reading). Codec
/// and tensor must outlive it, and the tensor must not move.
class TensorCodec {
public:
    TensorCodec(const Codec& codec, const QuantizedTensor& q)
        : reader_(codec.reading(q.tables)), codec_(reader_ ? reader_.get() : &codec) {}
    const Codec& operator*() const { return *codec_; }
    const Codec* operator->() const { return codec_; }

private:
    std::unique_ptr<const Codec> reader_;
    const Codec* codec_;
};

struct CodecDescriptor {
    std::string id; ///< stored on disk, never renamed
    std::string label, summary, citation;
    ParamSpecs params;
    Result<std::shared_ptr<const Codec>> (*create)(const Params& params) = nullptr;
    /// The same format with `bits` per code; InvalidArgument says which there are.
    Result<Params> (*withBits)(const Params& params, int bits) = nullptr;
    std::vector<int> bits; ///< what withBits takes
};

std::span<const CodecDescriptor* const> codecs();
/// NotFound lists the known ids.
Result<const CodecDescriptor*> findCodec(const std::string& id);
Result<std::shared_ptr<const Codec>> createCodec(const std::string& id, const Params& params);
/// The codec that a tensor was made with.
Result<std::shared_ptr<const Codec>> codecOf(const QuantizedTensor& q);

} // namespace qs
