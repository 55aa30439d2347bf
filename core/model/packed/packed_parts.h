// SPDX-License-Identifier: Apache-2.0
// The stored tensors of one packed module, and what the layouts share when they check and read them.
#pragma once

#include "core/model/packed/packed_linear.h"

#include <array>
#include <optional>
#include <string_view>

namespace qs {

/// "F16 [4, 128]".
std::string shapeText(const TensorInfo& tensor);

/// Keeps a reference to the checkpoint.
class PackedParts {
public:
    PackedParts(const Checkpoint& checkpoint, std::string module)
        : checkpoint_(checkpoint), module_(std::move(module)) {}

    const Checkpoint& checkpoint() const { return checkpoint_; }
    const std::string& module() const { return module_; }
    const TensorInfo& tensor(size_t index) const { return checkpoint_.tensors()[index]; }

    std::string nameOf(std::string_view part) const { return module_ + "." + std::string(part); }
    /// Index of the tensor X.part, or npos.
    size_t find(std::string_view part) const { return checkpoint_.find(nameOf(part)); }
    bool has(std::string_view part) const { return find(part) != Checkpoint::npos; }
    /// The same; Corrupt when it is missing or empty.
    Result<size_t> require(std::string_view part) const;
    /// The same, with this rank.
    Result<size_t> require(std::string_view part, size_t rank) const;
    /// Corrupt "must be RULE, is F16 [..]" unless `good`.
    Result<void> check(size_t index, bool good, const std::string& rule) const;
    /// The shape as text, for messages that compare parts.
    std::string describe(size_t index) const { return shapeText(tensor(index)); }
    /// Adds a part to info.tensors and info.storedBytes. `counts` is false for scales of activations.
    void add(PackedInfo& info, size_t index, bool counts = true) const;
    /// Adds those of `parts` that exist.
    void addExtras(PackedInfo& info, std::initializer_list<std::string_view> parts) const;

private:
    const Checkpoint& checkpoint_;
    std::string module_;
};

/// How scales of a [out, in] weight are cut.
struct ScaleGrid {
    size_t rows = 1, groups = 1, groupSize = 0, blockRows = 1;

    static ScaleGrid perTensor(size_t out, size_t in) { return {1, 1, in, out}; }
    static ScaleGrid perChannel(size_t out, size_t in) { return {out, 1, in, 1}; }
    static ScaleGrid perGroup(size_t out, size_t in, size_t size) {
        return {out, (in + size - 1) / size, size, 1};
    }
    static ScaleGrid perBlock(size_t out, size_t in, std::array<size_t, 2> block) {
        return {(out + block[0] - 1) / block[0], (in + block[1] - 1) / block[1], block[1], block[0]};
    }
    /// [rows, groups]; a single row or column may be stored as a list, one value as a scalar.
    bool fits(const TensorInfo& tensor) const;
    std::string text() const; ///< "[4, 2]"
    void apply(PackedInfo& info) const;
};

/// Elements [first, first + out.size()) of a tensor of scales as float32: F32, F16, BF16, F64, F8_E4M3, or
/// E8M0 stored as F8_E8M0 or U8. Corrupt when one is not finite.
Result<void> readScaleValues(const Checkpoint& checkpoint, size_t tensor, size_t first, std::span<float> out);
bool isScaleType(DType type); ///< F32, F16, BF16, F64

/// Word `i` of little-endian 32-bit words, which need not be aligned.
uint32_t wordAt(std::span<const std::byte> bytes, size_t i);
/// Field `i` of a dense stream of `bits`-wide fields (see core/codec/packing.h) whose word w is word
/// first + w * stride of `bytes`.
uint8_t fieldAt(std::span<const std::byte> bytes, size_t first, size_t stride, size_t i, int bits);

/// Sets label and format: "GPTQ 4-bit, group 128, asymmetric" and "int4 g128 asym". `group` as in the
/// settings: -1 one scale per channel, 0 one per tensor.
void nameIntegers(PackedInfo& info, const std::string& family, long long group,
                  std::optional<bool> symmetric);

} // namespace qs
