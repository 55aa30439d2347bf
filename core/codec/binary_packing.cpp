// SPDX-License-Identifier: Apache-2.0
#include "core/codec/binary_packing.h"

#include "core/codec/level_codec.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

bool BinaryPacking::holdsOffset(const BinaryBasis& basis) const {
    return planes_ == 1 || std::fabs(basis.offset) <= basis.scales[0];
}

void BinaryPacking::pack(const BinaryBasis& basis, float& scale, float& zero) const {
    scale = storedScale(float(basis.scales[0]), type_);
    if (planes_ == 1) {
        zero = storedOffset(float(basis.offset));
        return;
    }
    const auto field = [&](double value, int least, int most) {
        const double share = value / double(scale) * unit();
        return uint32_t(std::clamp(int(std::clamp(std::nearbyint(share), -1e6, 1e6)), least, most) - least);
    };
    uint32_t packed = field(basis.offset, -unit(), unit() - 1);
    for (int p = planes_ - 1; p > 0; --p)
        packed = packed << fieldBits() | field(basis.scales[size_t(p)], 0, unit());
    zero = float(packed);
}

BinaryBasis BinaryPacking::unpack(float scale, float zero) const {
    BinaryBasis basis{planes_};
    basis.scales[0] = double(scale);
    if (planes_ == 1) {
        basis.offset = double(zero);
        return basis;
    }
    auto packed = uint32_t(zero);
    const auto next = [&] {
        const auto field = int(packed & ((1u << fieldBits()) - 1));
        packed >>= fieldBits();
        return field;
    };
    for (int p = 1; p < planes_; ++p)
        basis.scales[size_t(p)] = double(scale) * next() / unit();
    basis.offset = double(scale) * (next() - unit()) / unit();
    return basis;
}

std::string BinaryPacking::fault(float scale, float zero) const {
    if (!(scale > 0) || storedScale(scale, type_) != scale)
        return fmt::format("scale = {:.9g} is not a value above 0 of type {}", scale, dtypeInfo(type_).name);
    if (planes_ == 1)
        return storedOffset(zero) == zero
                   ? ""
                   : fmt::format("zero = {:.9g} is not a value of type {}", zero, dtypeInfo(type_).name);
    if (!(zero >= 0 && zero < float(1 << kBits)) || zero != std::floor(zero))
        return fmt::format("zero = {:.9g} is not an integer of {} bits", zero, kBits);
    for (const double s : unpack(1, zero).scales)
        if (s > 1) return fmt::format("zero = {:.9g} holds a scale larger than the first", zero);
    return "";
}

float BinaryPacking::storedOffset(float z) const {
    constexpr float kLargestHalf = 65504.0f;
    return type_ == DType::F16 ? halfToFloat(floatToHalf(std::clamp(z, -kLargestHalf, kLargestHalf))) : z;
}

} // namespace qs
