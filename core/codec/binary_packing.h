// SPDX-License-Identifier: Apache-2.0
// How bcq keeps the scales and the offset of a group as the two numbers that a group has.
#pragma once

#include "core/codec/binary_fit.h"
#include "core/tensor/dtype.h"

#include <string>

namespace qs {

/// `scale`: the first scale, of a type of 16 or 32 bits. `zero`: with one plane the offset in the same type;
/// with more an integer of 24 bits, the others as shares of the first scale (codecs/bcq.cpp).
class BinaryPacking {
public:
    BinaryPacking(int planes, DType type) : planes_(planes), type_(type) {}

    /// With several planes the offset must not be larger than the first scale.
    bool holdsOffset(const BinaryBasis& basis) const;
    void pack(const BinaryBasis& basis, float& scale, float& zero) const;
    BinaryBasis unpack(float scale, float zero) const;
    /// What is wrong with stored numbers; "" when nothing is.
    std::string fault(float scale, float zero) const;

    /// Of a group, beside the signs.
    uint64_t scaleBits() const { return uint64_t(dtypeInfo(type_).bits); }
    uint64_t zeroBits() const { return planes_ == 1 ? scaleBits() : kBits; }

private:
    static constexpr int kBits = 24;
    int fieldBits() const { return kBits / planes_; }
    int unit() const { return 1 << (fieldBits() - 1); }
    float storedOffset(float z) const;

    int planes_;
    DType type_;
};

} // namespace qs
