// SPDX-License-Identifier: Apache-2.0
// What formats share whose value is w' = s v(q): s of the group, v from a table. No zero points.
#pragma once

#include "core/codec/codec.h"
#include "core/codec/levels.h"

namespace qs {

class LevelCodec : public Codec {
public:
    const Params& params() const final { return params_; }
    int levels() const final { return int(levels_.count()); }
    bool symmetric() const final { return true; }
    bool isIntegerGrid() const final { return false; }
    std::optional<CodeGrid> grid() const final {
        if (fitColumns() > 0) return std::nullopt;
        return CodeGrid{levels() - 1, levels_.values(), levels_.bounds(), levels_.zeroCode()};
    }
    Result<StoredBits> storedBits(size_t rows, size_t cols, bool withIndex) const final;
    const Levels& table() const { return levels_; }

    void fitRange(float lo, float hi, float& scale, float& zero) const override;
    void round(const float* values, size_t n, const float* scale, const float* zero, uint8_t* codes,
               float* out) const final;
    float decode(uint8_t code, float scale, float) const final { return scale * levels_.value(code); }
    double level(double value, float scale, float) const final {
        return levels_.position(scale != 0 ? value / double(scale) : 0);
    }
    Result<void> checkParameters(const QuantizedTensor& q) const override;

protected:
    /// `levels` must outlive the codec.
    LevelCodec(Params params, const Levels& levels) : params_(std::move(params)), levels_(levels) {}

    // As the general one, without a call per value.
    void decodeRows(const QuantizedTensor& q, size_t firstRow, MatrixView out) const final;
    /// All scales together, with what they are stored against.
    virtual uint64_t scaleBits(const GroupLayout& layout) const = 0;
    /// Whether a scale can be stored; says what it must be ("a power of two").
    virtual bool isStorable(const QuantizedTensor& q, size_t row, size_t group, float scale) const = 0;
    virtual std::string scaleRule() const = 0;

    /// The scale at which the largest of `values` is the largest level.
    float plainScale(std::span<const float> values) const;

private:
    Params params_;
    const Levels& levels_;
};

/// 0 for no values.
float largestMagnitude(std::span<const float> values);
/// [rows, cols] in groups of `group` columns; InvalidArgument when it does not divide the row.
Result<GroupLayout> groupsOf(size_t rows, size_t cols, size_t group);
/// The value as a scale type of 16 or 32 bits holds it, kept within its finite range, never 0.
float storedScale(float scale, DType type);

} // namespace qs
