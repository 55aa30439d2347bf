// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set; the best one is chosen at the first call. Integer arithmetic throughout,
// not the F16C instructions: those quiet signalling NaNs, and machines without them would then differ.
#include "core/tensor/convert.h"

#include "core/tensor/dtype.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/tensor/convert.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace qs {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using U32 = hn::RebindToUnsigned<F32>;
using I32 = hn::RebindToSigned<F32>;
using U16 = hn::Rebind<uint16_t, F32>;
using VF = hn::Vec<F32>;
using VU = hn::Vec<U32>;

// Through bytes, so that no uint16_t pointer is ever misaligned.
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE VU load16(const std::byte* in) {
    uint16_t bits;
    std::memcpy(&bits, in, sizeof bits);
    return hn::Set(U32(), bits);
}

HWY_INLINE void store16(VU bits, std::byte* out) {
    const uint16_t narrow = uint16_t(hn::GetLane(bits));
    std::memcpy(out, &narrow, sizeof narrow);
}
#else
using U8 = hn::Repartition<uint8_t, U16>;

HWY_INLINE VU load16(const std::byte* in) {
    const U8 d8;
    return hn::PromoteTo(U32(), hn::BitCast(U16(), hn::LoadU(d8, reinterpret_cast<const uint8_t*>(in))));
}

HWY_INLINE void store16(VU bits, std::byte* out) {
    const U8 d8;
    const auto narrow = hn::DemoteTo(U16(), hn::BitCast(I32(), bits));
    hn::StoreU(hn::BitCast(d8, narrow), d8, reinterpret_cast<uint8_t*>(out));
}
#endif

HWY_INLINE VF halfVector(VU h) {
    const U32 d;
    const F32 df;
    const VU sign = hn::ShiftLeft<16>(hn::And(h, hn::Set(d, 0x8000u)));
    const VU em = hn::And(h, hn::Set(d, 0x7FFFu));
    const VU shifted = hn::ShiftLeft<13>(em);
    const VU normal = hn::Add(shifted, hn::Set(d, 112u << 23));
    // A subnormal is mantissa * 2^-24, exact as a float product.
    const VF tiny = hn::Mul(hn::ConvertTo(df, hn::BitCast(I32(), em)), hn::Set(df, 0x1p-24f));
    const VU special = hn::Or(shifted, hn::Set(d, 0x7F800000u));
    VU bits = hn::IfThenElse(hn::Lt(em, hn::Set(d, 0x0400u)), hn::BitCast(d, tiny), normal);
    bits = hn::IfThenElse(hn::Gt(em, hn::Set(d, 0x7BFFu)), special, bits);
    return hn::BitCast(df, hn::Or(bits, sign));
}

HWY_INLINE VU toHalfVector(VF value) {
    const U32 d;
    const F32 df;
    const VU bits = hn::BitCast(d, value);
    const VU sign = hn::ShiftRight<16>(hn::And(bits, hn::Set(d, 0x80000000u)));
    const VU abs = hn::And(bits, hn::Set(d, 0x7FFFFFFFu));
    const VU one = hn::Set(d, 1u);
    const VU odd = hn::And(hn::ShiftRight<13>(abs), one);
    const VU rounded = hn::Add(hn::Add(abs, hn::Set(d, 0xC8000FFFu)), odd);
    VU h = hn::ShiftRight<13>(rounded);
    // Below 2^-14: adding 0.5 leaves multiples of 2^-24 in the mantissa, rounded by the adder.
    const VF half = hn::Set(df, 0.5f);
    const VU tiny = hn::Sub(hn::BitCast(d, hn::Add(hn::BitCast(df, abs), half)), hn::BitCast(d, half));
    h = hn::IfThenElse(hn::Lt(abs, hn::Set(d, 0x38800000u)), tiny, h);
    h = hn::IfThenElse(hn::Gt(abs, hn::Set(d, 0x477FFFFFu)), hn::Set(d, 0x7C00u), h);
    const VU payload = hn::And(hn::ShiftRight<13>(abs), hn::Set(d, 0x03FFu));
    const VU quiet = hn::IfThenElseZero(hn::Eq(payload, hn::Zero(d)), hn::Set(d, 0x0200u));
    const VU nan = hn::Or(hn::Or(payload, quiet), hn::Set(d, 0x7C00u));
    h = hn::IfThenElse(hn::Gt(abs, hn::Set(d, 0x7F800000u)), nan, h);
    return hn::Or(h, sign);
}

HWY_INLINE VU toBfloatVector(VF value) {
    const U32 d;
    const VU bits = hn::BitCast(d, value);
    const VU top = hn::ShiftRight<16>(bits);
    const VU odd = hn::And(top, hn::Set(d, 1u));
    const VU rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(d, 0x7FFFu)), odd));
    const VU payload = hn::And(top, hn::Set(d, 0x7Fu));
    const VU quiet = hn::IfThenElseZero(hn::Eq(payload, hn::Zero(d)), hn::Set(d, 0x40u));
    const VU abs = hn::And(bits, hn::Set(d, 0x7FFFFFFFu));
    return hn::IfThenElse(hn::Gt(abs, hn::Set(d, 0x7F800000u)), hn::Or(top, quiet), rounded);
}

void halfToFloatKernel(const std::byte* in, float* out, size_t count) {
    const F32 d;
    const size_t n = hn::Lanes(d);
    size_t i = 0;
    for (; i + n <= count; i += n)
        hn::StoreU(halfVector(load16(in + 2 * i)), d, out + i);
    for (uint16_t bits; i < count; ++i) {
        std::memcpy(&bits, in + 2 * i, 2);
        out[i] = halfToFloat(bits);
    }
}

void bfloatToFloatKernel(const std::byte* in, float* out, size_t count) {
    const F32 d;
    const size_t n = hn::Lanes(d);
    size_t i = 0;
    for (; i + n <= count; i += n)
        hn::StoreU(hn::BitCast(d, hn::ShiftLeft<16>(load16(in + 2 * i))), d, out + i);
    for (uint16_t bits; i < count; ++i) {
        std::memcpy(&bits, in + 2 * i, 2);
        out[i] = bfloatToFloat(bits);
    }
}

void floatToHalfKernel(const float* in, std::byte* out, size_t count) {
    const F32 d;
    const size_t n = hn::Lanes(d);
    size_t i = 0;
    for (; i + n <= count; i += n)
        store16(toHalfVector(hn::LoadU(d, in + i)), out + 2 * i);
    for (; i < count; ++i) {
        const uint16_t bits = floatToHalf(in[i]);
        std::memcpy(out + 2 * i, &bits, 2);
    }
}

void floatToBfloatKernel(const float* in, std::byte* out, size_t count) {
    const F32 d;
    const size_t n = hn::Lanes(d);
    size_t i = 0;
    for (; i + n <= count; i += n)
        store16(toBfloatVector(hn::LoadU(d, in + i)), out + 2 * i);
    for (; i < count; ++i) {
        const uint16_t bits = floatToBfloat(in[i]);
        std::memcpy(out + 2 * i, &bits, 2);
    }
}

} // namespace HWY_NAMESPACE
} // namespace qs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace qs {

HWY_EXPORT(halfToFloatKernel);
HWY_EXPORT(bfloatToFloatKernel);
HWY_EXPORT(floatToHalfKernel);
HWY_EXPORT(floatToBfloatKernel);

void halfToFloatBulk(const std::byte* in, float* out, size_t count) {
    HWY_DYNAMIC_DISPATCH(halfToFloatKernel)(in, out, count);
}
void bfloatToFloatBulk(const std::byte* in, float* out, size_t count) {
    HWY_DYNAMIC_DISPATCH(bfloatToFloatKernel)(in, out, count);
}
void floatToHalfBulk(const float* in, std::byte* out, size_t count) {
    HWY_DYNAMIC_DISPATCH(floatToHalfKernel)(in, out, count);
}
void floatToBfloatBulk(const float* in, std::byte* out, size_t count) {
    HWY_DYNAMIC_DISPATCH(floatToBfloatKernel)(in, out, count);
}

} // namespace qs
#endif // HWY_ONCE
